"""How long a silent child is believed to be at work. Pure."""

from collections.abc import Collection
from dataclasses import dataclass

from farm.engine.messages import Loading, Ready, Report, Stepped, Stocked, ToParent


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a child may stay silent, in seconds; `steps` in usual steps."""

    start_s: float = 120.0  # a cold import of torch on a loaded disk
    load_s: float = 180.0  # weights from a slow disk
    least_s: float = 30.0  # decoding and filtering a batch say nothing in between
    steps: float = 20.0


class Pulse:
    """Pure: when was the child last heard, and is its silence longer than its usual step explains?

    While a job's weights are on their way to the device, nothing else may be there to tell of.
    """

    def __init__(self, patience: Patience, *, now: float) -> None:
        self._patience = patience
        self._heard_at = now
        self._usual_s = 0.0
        self._allowed_s = patience.start_s
        self._loading: set[str] = set()

    def heard(self, message: ToParent, *, now: float) -> None:
        if isinstance(message, Report | Stocked):
            return  # that the loop turns does not mean that a job gets on
        self._heard_at = now
        if isinstance(message, Stepped) and message.steps_per_s > 0:
            self._usual_s = 1 / message.steps_per_s
        self._allowed_s = self._limit(message)
        if isinstance(message, Loading):
            self._loading.add(message.job_id)
        elif not isinstance(message, Ready):
            self._loading.discard(message.job_id)

    def idle(self, *, now: float) -> None:
        """Nothing to do is no silence."""
        self._heard_at = now

    def overdue(self, *, now: float, jobs: Collection[str]) -> bool:
        """`jobs` that we wait for: the weights of others need not come."""
        self._loading.intersection_update(jobs)
        allowed_s = self._patience.load_s if self._loading else self._allowed_s
        return now - self._heard_at > allowed_s

    def _limit(self, message: ToParent) -> float:
        if isinstance(message, Ready):
            return self._patience.load_s
        return max(self._patience.least_s, self._patience.steps * self._usual_s)
