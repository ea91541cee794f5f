"""How requests name an address that is told, and the events that it is told of."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from shared.hooks import chosen
from shared.orders import Hook

Word = Literal[
    "job.waiting",
    "job.started",
    "job.succeeded",
    "job.failed",
    "job.blocked",
    "job.cancelled",
    "start",
    "output",
    "logs",
    "completed",
]
EVENTS = (
    "Which events; none: all. `start`, `output` and `completed` name ours, as other services do."
)


def _plain(url: str) -> str:
    """ValueError for what no database keeps as text; the desk judges the rest."""
    if not url.isprintable():
        raise ValueError("may hold no control characters")
    return url


Address = Annotated[str, StringConstraints(min_length=1, max_length=2_048), AfterValidator(_plain)]


class Watched(BaseModel):
    """A request whose jobs one address is told of."""

    webhook: Address | None = Field(
        default=None,
        examples=[None],
        description="Told what happens to these jobs alone: https, port 443.",
    )
    webhook_events_filter: list[Word] = Field(
        default_factory=list, max_length=20, examples=[["completed"]], description=EVENTS
    )

    def hook(self) -> Hook | None:
        """Refusal `no_events`."""
        if self.webhook is None:
            return None
        return Hook(self.webhook, chosen(self.webhook_events_filter, field="webhook_events_filter"))
