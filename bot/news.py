"""What was last heard of a job that is not finished, and how it is told. Pure."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from uuid import UUID

from bot.measures import duration
from shared.events import EventKind, JobEvent
from shared.jobs import Job, JobState
from shared.waits import place_and_time

BAR_CELLS = 14
EARLY_NEWS = 256


@dataclass(frozen=True, slots=True)
class News:
    """The latest events of a job. A restart loses them without harm: the row has the state."""

    waiting: JobEvent | None = None
    progress: JobEvent | None = None
    preview: str = ""

    def heard(self, event: JobEvent) -> "News":
        if event.kind is EventKind.WAITING:
            return replace(self, waiting=event)
        if event.kind is EventKind.PREVIEW and event.key:
            return replace(self, preview=event.key)
        if event.kind is EventKind.PROGRESS:
            return replace(self, progress=event)
        return self

    @property
    def fraction(self) -> float:
        if not self.progress or self.progress.steps <= 0:
            return 0.0
        return min(self.progress.step / self.progress.steps, 1.0)


@dataclass(frozen=True, slots=True)
class EarlyNews:
    """News may outrun the row. Of jobs that are nobody's message here it is forgotten again."""

    kept: dict[UUID, News] = field(default_factory=dict)

    def keep(self, event: JobEvent) -> None:
        self.kept[event.job_id] = self.kept.pop(event.job_id, News()).heard(event)
        if len(self.kept) > EARLY_NEWS:
            del self.kept[next(iter(self.kept))]

    def take(self, job_id: UUID) -> News:
        return self.kept.pop(job_id, News())


def waiting_line(job: Job, news: News) -> str:
    event = news.waiting
    if job.state is JobState.DISPATCHED:
        return "A GPU is taking it on."
    if event is None:
        return _patience(job)
    lines = [place_and_time(event), event.reason or ""]
    return "\n".join(line for line in lines if line) or _patience(job)


def _patience(job: Job) -> str:
    if job.attempt:
        return "Its GPU went away. It keeps its place and goes on with the next free one."
    return "In line for a GPU."


def progress_line(news: News) -> str:
    """A slim bar, then how far it is where that is known."""
    filled = round(news.fraction * BAR_CELLS)
    bar = "`" + "━" * filled + "╌" * (BAR_CELLS - filled) + "`"
    return f"{bar} {steps_line(news) or 'warming up'}"


def steps_line(news: News) -> str:
    """`step 5 of 12 · 9.8 it/s · about 1 s left`, or nothing while nobody knows."""
    event = news.progress
    if event is None or event.steps <= 0:
        return ""
    if event.reason:
        return f"step {event.step} of {event.steps} · {event.reason}"
    rate = f"{event.steps_per_s:.1f} it/s" if event.steps_per_s > 0 else ""
    parts = [f"step {event.step} of {event.steps}", rate, _eta(event.eta_s)]
    return " · ".join(part for part in parts if part)


def _eta(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return f"about {duration(timedelta(seconds=max(round(seconds), 1)))} left"
