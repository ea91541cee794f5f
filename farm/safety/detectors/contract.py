"""What looks at pixels: each detector says which categories it covers, and what it saw. No torch here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from farm.engine.messages import Picture
from shared.safety.verdict import CATEGORIES, Decision

# Everything a picture may be blocked for. A filter opens only if each has a detector.
POLICY = frozenset(CATEGORIES)
DAMAGED, KNOWN, OUT_OF_WORLD = "damaged", "known", "out_of_world"


@dataclass(frozen=True, slots=True)
class Sight:
    """One detector's view of one picture. `score` is in 0..1, 1 = surely to be blocked."""

    decision: Decision = Decision.ALLOW
    category: str = "none"
    score: float = 0.0
    rule: str = ""


class Detector(Protocol):
    """`version` names thresholds and weights: it goes into the policy that a verdict states.

    `strict` is for pictures of a prompt from the grey zone: what is doubtful is blocked too.
    """

    name: str
    version: str
    covers: frozenset[str]

    def look(self, pictures: Sequence[Picture], *, strict: bool = False) -> list[Sight]: ...


class WrongAnswer(Exception):
    """A detector cannot be believed: its word is what is wrong (`shape`, `score`, `label`, `weights`)."""
