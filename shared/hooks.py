"""Webhooks: which events there are, what signs them, and when one that failed is tried again. Pure.

Signatures follow Standard Webhooks (standardwebhooks.com): a secret of 32 bytes, written `whsec_<base64>`. None
is kept: each is derived from the operator's pepper, so a copy of the database signs nothing.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from pydantic import SecretStr

from shared.errors import Refusal

PING = "ping"
BOTH_SIGN = timedelta(hours=24)  # after a rotation, so that receivers can change in peace
JITTER = 0.2
SWITCHED_OFF_AFTER = 5  # times the hours that one delivery is tried, without a single one taken
GONE = 410


class HookEvent(StrEnum):
    """What may be told of a job. The database names them too (`hook_event`), where they are written down."""

    WAITING = "job.waiting"
    STARTED = "job.started"
    SUCCEEDED = "job.succeeded"
    FAILED = "job.failed"
    BLOCKED = "job.blocked"
    CANCELLED = "job.cancelled"


COMPLETED = (HookEvent.SUCCEEDED, HookEvent.FAILED, HookEvent.BLOCKED, HookEvent.CANCELLED)
# Words that clients of other services know (Replicate's `webhook_events_filter`, midjourney-proxy's). There are
# no logs here, and progress is for sockets.
ALIASES: Mapping[str, tuple[HookEvent, ...]] = {
    "start": (HookEvent.STARTED,),
    "output": (HookEvent.SUCCEEDED,),
    "logs": (),
    "progress": (),
    "completed": COMPLETED,
}
WORDS = (*HookEvent, *ALIASES)


def message_id(delivery_id: int) -> str:
    """What the receiver and the log call a delivery, at each try the same."""
    return f"msg_{delivery_id}"


def number_of(message: str) -> int:
    return int(message.removeprefix("msg_"))


def chosen(words: Sequence[str], *, field: str = "events") -> tuple[str, ...]:
    """The events that these words name, in the order in which they happen; none: all of them.

    Refusal `unknown_event`, `no_events`.
    """
    for word in words:
        if word not in WORDS:
            sentence = f"There is no such event. Choose from: {', '.join(WORDS)}."
            raise Refusal("unknown_event", sentence, field=field)
    named = {event for word in words for event in ALIASES.get(word, (word,))}
    if words and not named:
        sentence = "That names no event: nothing would ever be told. Leave it out for all of them."
        raise Refusal("no_events", sentence, field=field)
    return tuple(event.value for event in HookEvent if event in named or not words)


def secret_of(owner: UUID, generation: int, pepper: SecretStr) -> str:
    """Of a webhook, or of an account for the webhooks that its jobs name."""
    told = f"webhook:{owner}:{generation}".encode()
    derived = hmac.new(pepper.get_secret_value().encode(), told, hashlib.sha256).digest()
    return f"whsec_{base64.b64encode(derived).decode()}"


@dataclass(frozen=True, slots=True)
class Signer:
    """Whose secret signs, and which of them: `rotated_at` is when this generation began."""

    owner: UUID
    generation: int
    rotated_at: datetime | None

    def secrets(self, pepper: SecretStr, now: datetime) -> list[str]:
        """The one in force first; the one before it signs too for a while."""
        recent = self.rotated_at is not None and now < self.rotated_at + BOTH_SIGN
        before = [self.generation - 1] if recent and self.generation else []
        return [secret_of(self.owner, one, pepper) for one in (self.generation, *before)]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said: its HTTP status, or in `error` why there is none. `final`: it was the last try."""

    status: int | None = None
    error: str | None = None
    retry_after_s: float = 0.0
    final: bool = False

    @property
    def taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """The receiver says that it will never take one again."""
        return self.status == GONE

    @property
    def why(self) -> str:
        return self.error or f"The address answers {self.status}."


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one delivery is tried, and how the tries are spread over that time."""

    hours: float
    first_s: float = 5.0
    longest_s: float = 2 * 3_600.0

    def pause_s(self, answer: Answer, *, age_s: float, chance: float) -> float | None:
        """Until the next try; None: it was the last. As long as it has been tried so far, which doubles.

        `chance` from 0 to 1 is the jitter: a receiver that was away is not met by everything at once.
        """
        left_s = self.hours * 3_600 - age_s
        if left_s <= 0 or answer.gone or answer.final:
            return None
        usual = min(max(age_s, self.first_s), self.longest_s) * (1 - JITTER + 2 * JITTER * chance)
        return min(max(usual, min(answer.retry_after_s, self.longest_s)), left_s)

    def is_over(self, failing_s: float) -> bool:
        """Whether an address has failed for so long that it is switched off."""
        return failing_s >= SWITCHED_OFF_AFTER * self.hours * 3_600
