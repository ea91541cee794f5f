"""One open message, as far as this process knows it."""

from dataclasses import dataclass, field, replace
from datetime import datetime

from bot.cards import Card
from bot.messages import News
from shared.events import JobEvent
from shared.jobs import Job, JobState, Route


@dataclass(slots=True, eq=False)
class Delivery:
    """What is kept here may be lost: the rows and the outlooks bring it back, but for progress."""

    job: Job
    route: Route
    due: datetime
    news: News = field(default_factory=News)
    shown: Card | None = None
    tries: int = 0
    muted: bool = False
    stale: bool = True

    def learn(self, job: Job) -> None:
        """Never backwards: a row read before a newer one must not undo it."""
        if self.job.state.terminal or job.attempt < self.job.attempt:
            return
        again = job.attempt != self.job.attempt and self.job.state is JobState.RUNNING
        moved = job.state != self.job.state or again
        if again or (moved and job.state is JobState.WAITING):
            self.news = News()  # what an earlier attempt had reached
        if job.state.terminal:
            self.tries = 0  # the end is tried at once, however progress fared
        self.stale = self.stale or moved
        self.job = job

    def hear(self, event: JobEvent) -> None:
        news = self.news.heard(event)
        self.stale = self.stale or news != self.news
        self.news = news

    @property
    def unheard(self) -> bool:
        """It waits, and was not told for how long."""
        return self.job.state is JobState.WAITING and self.news.waiting is None

    def unhear(self) -> None:
        """What it was told of its wait holds no more."""
        self.stale = self.stale or self.news.waiting is not None
        self.news = replace(self.news, waiting=None)

    @property
    def ended(self) -> bool:
        return self.job.state.terminal
