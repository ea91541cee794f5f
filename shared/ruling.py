"""What every verdict says, whichever filter or person gave it."""

from typing import Protocol


class Ruling(Protocol):
    """What a verdict says, whoever reached it."""

    @property
    def decision(self) -> str: ...
    @property
    def category(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def rule(self) -> str: ...
    @property
    def policy(self) -> str: ...
    @property
    def sha256(self) -> str: ...
