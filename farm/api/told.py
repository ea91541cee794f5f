"""Told: one event of a job as clients get it. Pure."""

import re
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from shared.errors import Refusal
from shared.events import EventKind, JobEvent
from shared.transitions import Transition

# As numbers of Postgres are: longer ones are nobody's.
EVENT_ID = r"^[0-9]{1,18}(\.[0-9]{1,9})?$"
_ID = re.compile(EVENT_ID)


@dataclass(frozen=True, slots=True)
class Told:
    """`id` of what is written down is its number; of what only passes by (`progress`, `preview`, `queue`)
    the last such number and the step: whoever comes back with it misses no state.

    `type`: state, queue, progress, preview. `data` can be written as JSON. `ends`: nothing follows.
    """

    id: str
    type: str
    job_id: UUID
    data: dict[str, Any] = field(default_factory=dict)
    ends: bool = False

    @property
    def passing(self) -> bool:
        return self.type != "state"


def number_of(event_id: str | None) -> int:
    """The last state that a client with this id has seen; 0 for none. Refusal `invalid_event_id`."""
    if not event_id:
        return 0
    if not _ID.fullmatch(event_id):
        sentence = "This is no event's id. Send the last one that you were told, as it was."
        raise Refusal("invalid_event_id", sentence, field="after")
    return int(event_id.partition(".")[0])


def of_transition(one: Transition) -> Told:
    data = {"state": one.target.value, "attempt": one.attempt, "at": one.at.isoformat()}
    return Told(str(one.id), "state", one.job_id, data, one.ends)


def of_event(event: JobEvent, last: int) -> Told:
    """`last` is the last transition that was told."""
    told_id = f"{last}.{max(event.step, 0)}"
    kind = "queue" if event.kind is EventKind.WAITING else event.kind.value
    return Told(told_id, kind, event.job_id, _SAID[event.kind](event))


def _waiting(event: JobEvent) -> dict[str, Any]:
    names = ("position", "start_s", "eta_s", "eta_low_s", "eta_high_s", "reason")
    return {name: getattr(event, name) for name in names}


def _progress(event: JobEvent) -> dict[str, Any]:
    names = ("step", "steps", "steps_per_s", "eta_s", "reason")
    return {"progress": fraction(event)} | {name: getattr(event, name) for name in names}


def _preview(event: JobEvent) -> dict[str, Any]:
    return {"step": event.step, "key": event.key}


def fraction(event: JobEvent | None) -> float:
    """From 0 to 1, of the steps."""
    if event is None or event.steps <= 0:
        return 0.0
    return round(min(event.step / event.steps, 1.0), 4)


_SAID = {
    EventKind.WAITING: _waiting,
    EventKind.PROGRESS: _progress,
    EventKind.PREVIEW: _preview,
}
