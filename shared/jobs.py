"""Job: one paid unit with state and lineage, and the transitions it may make. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.plans import Speed
from shared.plans import Visibility as Visibility
from shared.spec import RenderSpec


class JobKind(StrEnum):
    IMAGINE = "imagine"
    VARY = "vary"
    UPSCALE = "upscale"
    ZOOM = "zoom"
    PAN = "pan"
    SQUARE = "square"
    REGION = "region"
    BLEND = "blend"


class JobState(StrEnum):
    """Each state names who moves a job out of it."""

    WAITING = "waiting"  # the dispatcher, or a cancel
    DISPATCHED = "dispatched"  # the worker that claims it, the rescuer, or a cancel
    RUNNING = "running"  # its worker, the rescuer, or a cancel
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    BLOCKED = "blocked"
    CANCELLED = "cancelled"

    @property
    def terminal(self) -> bool:
        return self in TERMINAL


TERMINAL = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.BLOCKED, JobState.CANCELLED})

# from -> to; the database's trigger holds the same table (a test compares them).
TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.WAITING: frozenset({JobState.DISPATCHED, JobState.CANCELLED, JobState.FAILED}),
    JobState.DISPATCHED: frozenset(
        {JobState.RUNNING, JobState.WAITING, JobState.CANCELLED, JobState.FAILED}
    ),
    JobState.RUNNING: TERMINAL | {JobState.WAITING},
    JobState.SUCCEEDED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.BLOCKED: frozenset(),
    JobState.CANCELLED: frozenset(),
}


class Reach(StrEnum):
    """What can reach whoever asked, once the interaction's token is spent; bot.ways has the ways of each."""

    TOKEN = "token"  # noqa: S105  (nothing else: private answers, places that the bot is no member of)
    BOT_EDIT = "bot_edit"
    NEW_MSG = "new_msg"
    DM = "dm"
    API_ONLY = "api_only"


@dataclass(frozen=True, slots=True)
class Route:
    """Where the answer goes. Ids are Discord snowflakes as text; `token` edits for 15 minutes.

    `file_limit` is how many bytes a file there may have, 0 where nobody said.
    """

    channel_id: str
    message_id: str
    user_id: str
    guild_id: str | None = None
    application_id: str | None = None
    token: str | None = None
    token_expires_at: datetime | None = None
    file_limit: int = 0
    reach: Reach = Reach.BOT_EDIT


@dataclass(frozen=True, slots=True)
class Job:
    """`attempt` is the fencing token (one more at each dispatch); `crashes` are what count against it.

    `manner` is how its verb was meant: subtle, strong, left, 1.5x; remix in front of it says that the words
    were changed. `strict`: its prompt came from the grey zone, so its pictures are judged strictly.
    `price` of a GPU-millisecond is what was told when it was accepted; None: as the plans file says.
    `timings` of a job that succeeded, in milliseconds: queue, load, denoise, decode, filter, deliver.
    """

    id: UUID
    account_id: UUID
    plan: str
    kind: JobKind
    state: JobState
    speed: Speed
    prompt: str
    spec: RenderSpec
    submission_key: str
    estimate_ms: int
    attempt: int
    crashes: int
    submitted_at: datetime
    parent_id: UUID | None = None
    parent_index: int | None = None
    worker: str | None = None
    lease_until: datetime | None = None
    dispatched_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    gpu_ms: int | None = None
    charged_ms: int | None = None
    timings: Mapping[str, int] = field(default_factory=dict)
    error_code: str | None = None
    error_sentence: str | None = None
    strict: bool = False
    guild_id: str | None = None
    channel_id: str | None = None
    manner: str = ""
    visibility: Visibility = Visibility.PUBLIC
    price: float | None = None

    def seed(self, index: int) -> int:
        """What picture `index` of it was drawn from: with it, the same prompt draws it again."""
        first = self.spec.variation.seed if self.spec.variation else self.spec.seed
        return (first + index) % 2**32


def may_move(source: JobState, target: JobState) -> bool:
    return target in TRANSITIONS[source]
