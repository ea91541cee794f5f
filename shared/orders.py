"""What crosses the front desk: who asks for what, what it answers, and the order in between."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import msgspec

from shared.accounts import Account
from shared.errors import Refusal
from shared.jobs import Job, JobKind, JobState, Route
from shared.ledger import Balance
from shared.plans import Plan, Speed
from shared.safety.screen import sentence_for
from shared.safety.verdict import Decision, Verdict
from shared.spec import RenderSpec
from shared.waits import Outlook

LIFTED = "lifted:"  # the rule of a verdict that a moderator gave


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks. `plan` comes from what the door knows of them (a role in the guild)."""

    discord_id: str
    name: str
    plan: str


@dataclass(frozen=True, slots=True)
class Venue:
    """Where it was asked for: a server's own rules hold there. `age_restricted` is the channel's mark."""

    guild_id: str | None = None
    channel_id: str | None = None
    age_restricted: bool = False


NOWHERE = Venue()


@dataclass(frozen=True, slots=True)
class Submission:
    """`key` names this submission for ever: the same key gives the same jobs. No route: nobody is told."""

    text: str
    person: Person
    route: Route | None
    key: str
    speed: Speed | None = None
    venue: Venue = NOWHERE


@dataclass(frozen=True, slots=True)
class Ask:
    """What somebody asked the desk for: a text, or what a button makes of a job. Can be written down
    and asked again."""

    verb: str  # imagine, vary, upscale, reroll
    person: Person
    venue: Venue
    key: str
    route: Route | None
    text: str = ""
    speed: Speed | None = None
    job_id: UUID | None = None
    index: int = 0

    def told(self) -> dict[str, Any]:
        """Without the token that edits a message: it outlives no case."""
        kept = self if self.route is None else replace(self, route=replace(self.route, token=None))
        built: dict[str, Any] = msgspec.to_builtins(kept)
        return built

    @classmethod
    def again(cls, told: Mapping[str, Any], key: str) -> "Ask":
        """Asked once more under another key; the answer gets a message of its own."""
        ask = msgspec.convert(told, cls)
        fresh = None if ask.route is None else replace(ask.route, message_id="", token=None)
        return replace(ask, key=key, route=fresh)


class PromptBlocked(Refusal):
    """`case_id` is where an appeal goes; None where there is none (`hard`, or our own failure)."""

    def __init__(self, verdict: Verdict, *, case_id: UUID | None) -> None:
        super().__init__("prompt_blocked", sentence_for(verdict), field="prompt")
        self.verdict = verdict
        self.case_id = case_id


@dataclass(frozen=True, slots=True)
class Receipt:
    """`created` is False for a repeat, which gives the jobs of the first time."""

    jobs: tuple[Job, ...]
    created: bool
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Info:
    """`counts` are all jobs of the account by state."""

    account: Account
    plan: Plan
    balance: Balance
    running: int
    waiting: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Prospects:
    """What of an account is not finished, the oldest first; `outlooks` by job, None when nobody tells."""

    jobs: tuple[Job, ...]
    plan: Plan
    outlooks: Mapping[UUID, Outlook] | None

    def outlook(self, job: Job) -> Outlook | None:
        return (self.outlooks or {}).get(job.id)

    @property
    def waiting(self) -> int:
        return sum(job.state is JobState.WAITING for job in self.jobs)

    @property
    def running(self) -> int:
        """A dispatched job counts: its turn has come."""
        return len(self.jobs) - self.waiting

    @property
    def next_start_s(self) -> float | None:
        """Seconds until the first of those that wait gets a GPU."""
        known = (one.start_s for one in (self.outlooks or {}).values() if one.start_s is not None)
        return min(known, default=None)


@dataclass(frozen=True, slots=True)
class Order:
    """A submission that passed everything that needs no database."""

    person: Person
    kind: JobKind
    text: str
    specs: tuple[RenderSpec, ...]
    verdict: Verdict
    key: str
    route: Route | None
    speed: Speed | None = None
    parent_id: UUID | None = None
    parent_index: int | None = None
    notices: tuple[str, ...] = ()
    guild_id: str | None = None

    @property
    def strict(self) -> bool:
        """From the grey zone, or let through by a person: the pictures are judged strictly."""
        return self.verdict.decision is Decision.REVIEW or self.verdict.rule.startswith(LIFTED)

    def keys(self) -> list[str]:
        return [self.key, *(f"{self.key}:{copy}" for copy in range(1, len(self.specs)))]

    def is_same_as(self, job: Job) -> bool:
        """Whether that job could be this order's: a key must not be used for something else."""
        return (self.kind, self.text, self.parent_id, self.parent_index) == (
            job.kind,
            job.prompt,
            job.parent_id,
            job.parent_index,
        )
