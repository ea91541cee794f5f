"""A job's message as people read it: row, news and pictures in, a card out. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from bot.cards import (
    CONTENT_LIMIT,
    UPLOADED,
    Action,
    Card,
    Colour,
    Knob,
    Look,
    Panel,
    Rows,
    custom_id,
)
from bot.naming import category_name
from shared.events import EventKind, JobEvent
from shared.jobs import Job, JobKind, JobState
from shared.moderation.cases import Case
from shared.plans import Speed
from shared.waits import place_and_time

BAR_CELLS = 14
UNCHARGED = "You were not charged."

_SPECIAL = re.compile(r"([\\*_~`|<>\[\]]|:(?=//))")
_UNIT = re.compile(r"\\[^\\]|\\\\|[^\\]")  # a sign with its escape, never half of it
# Control and direction marks would let a prompt redraw the line around it.
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+|\s+")


class Picture(Protocol):
    """What a card needs of a stored asset."""

    @property
    def kind(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def key(self) -> str: ...


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
class Painter:
    """`link` makes a storage key a URL, `title` names a checkpoint.

    Where Discord cannot reach our links (`linked` False), pictures are uploaded instead.
    """

    link: Callable[[str], str]
    title: Callable[[str], str]
    linked: bool = True

    def paint(
        self,
        job: Job,
        owner: str,
        *,
        news: News | None = None,
        pictures: Sequence[Picture] = (),
        case: Case | None = None,
    ) -> Card:
        """`case` is where the filter's decision on a blocked job can be appealed."""
        news = news or News()
        if job.state is JobState.SUCCEEDED:
            return self._succeeded(job, owner, pictures)
        if job.state.terminal:
            return _ended(job, owner, case)
        if job.state is JobState.RUNNING:
            return self._running(job, owner, news)
        return _waiting(job, owner, news)

    def _running(self, job: Job, owner: str, news: News) -> Card:
        status = f"({news.fraction:.0%}) ({job.speed})"
        panel = Panel(progress_line(news), Colour.RUNNING, image=self._image(news.preview))
        card = Card(headline(job, owner, status), panel, ((_cancel(job),),))
        return self._with_upload(card, news.preview)

    def _succeeded(self, job: Job, owner: str, pictures: Sequence[Picture]) -> Card:
        shown = next((picture.key for picture in pictures if picture.kind == "grid"), "")
        if not shown:
            return _withdrawn(owner)
        single = job.kind is JobKind.UPSCALE
        rows = self._single_rows(job, pictures) if single else self._grid_rows(job, shown)
        panel = Panel(
            text=self._facts(job),
            colour=Colour.DONE,
            image=self._image(shown),
            footer=_caption(job, single=single),
        )
        card = Card(headline(job, owner, f"({job.speed})"), panel, rows, final=True)
        return self._with_upload(card, shown)

    def _image(self, key: str) -> str:
        if not key:
            return ""
        return self.link(key) if self.linked else UPLOADED

    def _with_upload(self, card: Card, key: str) -> Card:
        return card if self.linked else replace(card, upload=key)

    def _facts(self, job: Job) -> str:
        facts = [price(job), f"seed {job.spec.seed}", self.title(job.spec.checkpoint)]
        if job.finished_at:
            facts.insert(0, duration(job.finished_at - job.submitted_at))
        return " · ".join(facts)

    def _grid_rows(self, job: Job, shown: str) -> Rows:
        count = range(min(job.spec.images, 4))
        upscales = [Knob(f"U{i + 1}", custom_id(Action.UPSCALE, job.id, i)) for i in count]
        varies = [Knob(f"V{i + 1}", custom_id(Action.VARY, job.id, i)) for i in count]
        upscales.append(Knob("", custom_id(Action.REROLL, job.id), emoji="🔄"))
        return tuple(upscales), (*varies, *self._open("Open", shown))

    def _single_rows(self, job: Job, pictures: Sequence[Picture]) -> Rows:
        # The grid it was cut from holds the noise to vary; an enlarged picture holds none.
        source, index = job.parent_id or job.id, job.parent_index or 0
        full = next((picture.key for picture in pictures if picture.kind == "image"), "")
        vary = Knob("V1", custom_id(Action.VARY, source, index))
        reroll = Knob("", custom_id(Action.REROLL, source), emoji="🔄")
        return ((vary, reroll, *self._open("Open full picture", full)),)

    def _open(self, label: str, key: str) -> tuple[Knob, ...]:
        return (Knob(label, self.link(key), Look.LINK),) if key and self.linked else ()


def _waiting(job: Job, owner: str, news: News) -> Card:
    panel = Panel(text=waiting_line(job, news), colour=Colour.WAITING)
    status = "(Waiting to start)" if job.state is JobState.WAITING else "(Starting)"
    return Card(headline(job, owner, f"{status} ({job.speed})"), panel, ((_cancel(job),),))


def _withdrawn(owner: str) -> Card:
    """Not even the prompt stays: it may be what was wrong."""
    panel = Panel("Withdrawn by a moderator. Its links work no more.", Colour.STOPPED)
    return Card(f"A picture by <@{owner}> (Withdrawn)", panel, final=True, erases=True)


_ENDINGS = {
    JobState.FAILED: ("Failed", "It could not be finished.", Colour.FAILED),
    JobState.BLOCKED: ("Blocked", "The pictures did not pass the filter.", Colour.STOPPED),
    JobState.CANCELLED: ("Cancelled", "Cancelled, as you wished.", Colour.STOPPED),
}


def _ended(job: Job, owner: str, case: Case | None) -> Card:
    status, plain, colour = _ENDINGS[job.state]
    sentence = job.error_sentence or plain
    text = sentence if "charged" in sentence else f"{sentence} {UNCHARGED}"
    rows: Rows = ()
    if case is not None and not case.veiled:
        text += f"\n\n{category_and_rule(case.category, case.rule)}"
        rows = ((appeal_knob(case.id),),)
    return Card(headline(job, owner, f"({status})"), Panel(text, colour), rows, final=True)


def category_and_rule(category: str, rule: str) -> str:
    return f"**Category** {category_name(category)} · **Rule** `{rule}`"


def appeal_knob(case_id: UUID) -> Knob:
    return Knob("Appeal", custom_id(Action.APPEAL, case_id))


def _cancel(job: Job) -> Knob:
    return Knob("Cancel", custom_id(Action.CANCEL, job.id), Look.DANGER)


def _caption(job: Job, *, single: bool) -> str:
    """Embeds have no alternative text, so the footer says what there is to see."""
    if single:
        return f"One picture, number {(job.parent_index or 0) + 1} of its grid."
    return "Four pictures: 1 and 2 above, 3 and 4 below. U enlarges one, V varies it."


def headline(job: Job, owner: str, status: str) -> str:
    """`**prompt** - <@owner> (status)`; a long prompt gives way so that the rest stays whole."""
    tail = f" - {_byline(job, owner)} {status}"
    room = CONTENT_LIMIT - len(tail) - len("****")
    return f"**{quote(job.prompt, room)}**{tail}"


def _byline(job: Job, owner: str) -> str:
    number = (job.parent_index or 0) + 1
    if job.kind is JobKind.UPSCALE:
        return f"Image #{number} by <@{owner}>"
    if job.kind is JobKind.VARY:
        return f"Variations of image #{number} by <@{owner}>"
    return f"<@{owner}>"


def quote(prompt: str, room: int) -> str:
    """The prompt on one line with its markdown made harmless, cut between characters to fit."""
    plain = _INVISIBLE.sub(" ", prompt).strip() or "…"
    escaped = _SPECIAL.sub(r"\\\1", plain)
    if len(escaped) <= room:
        return escaped
    ends = [unit.end() for unit in _UNIT.finditer(escaped, 0, room - 1)]
    return escaped[: ends[-1] if ends else 0] + "…"


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


def duration(span: timedelta) -> str:
    seconds = max(span.total_seconds(), 0.0)
    if seconds < 60:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    minutes = round(seconds) // 60
    if minutes < 60:
        return f"{minutes} min {round(seconds) % 60} s"
    return f"{minutes // 60} h {minutes % 60} min"


def price(job: Job) -> str:
    if job.speed is Speed.RELAX:
        return "no charge (relax)"
    return gpu_time(job.charged_ms or 0)


def gpu_time(milliseconds: int) -> str:
    """GPU time as people read it: seconds, from ten minutes on minutes, from ten hours on hours."""
    seconds = milliseconds / 1000
    if seconds < 600:
        return f"{seconds:.1f} GPU-seconds"
    if seconds < 36_000:
        return f"{seconds / 60:.1f} GPU-minutes"
    return f"{seconds / 3600:.1f} GPU-hours"
