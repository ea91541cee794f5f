"""What crosses the front desk: who asks for what, what it answers, and the order in between."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from shared.accounts import Account
from shared.jobs import Job, JobKind, Route
from shared.ledger import Balance
from shared.plans import Plan, Speed
from shared.safety import Verdict
from shared.spec import RenderSpec


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks. `plan` comes from what the door knows of them (a role in the guild)."""

    discord_id: str
    name: str
    plan: str


@dataclass(frozen=True, slots=True)
class Submission:
    """`key` names this submission for ever: the same key gives the same jobs. No route: nobody is told."""

    text: str
    person: Person
    route: Route | None
    key: str
    speed: Speed | None = None


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
