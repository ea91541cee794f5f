"""What crosses the front desk: who asks for what, what it answers, and the order in between."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from shared.accounts import Account
from shared.jobs import Job, JobKind, JobState, Route
from shared.ledger import Balance
from shared.plans import Plan, Speed
from shared.safety.verdict import Verdict
from shared.spec import RenderSpec
from shared.waits import Outlook


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
