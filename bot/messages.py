"""A job's message as people read it: row, news and pictures in, a card out. Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

from bot.alttexts import grid_text, picture_text, preview_text
from bot.captions import headline, status_of
from bot.cards import UPLOADED, Action, Card, Colour, Knob, Look, Panel, Rows, custom_id
from bot.jobbuttons import cancel_row, grid_rows, single, single_rows
from bot.measures import duration as duration
from bot.measures import gpu_time as gpu_time
from bot.measures import price
from bot.naming import category_name
from bot.news import News as News
from bot.news import progress_line, waiting_line
from bot.news import steps_line as steps_line
from bot.quoting import quote as quote
from shared.jobs import Job, JobState
from shared.moderation.cases import Case

UNCHARGED = "You were not charged."


class Picture(Protocol):
    """What a card needs of a stored asset."""

    @property
    def kind(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def key(self) -> str: ...


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
        spoiler: bool = False,
    ) -> Card:
        """`case` is where the filter's decision on a blocked job can be appealed; a `spoiler` is covered
        until somebody taps it."""
        card = self._painted(job, owner, news or News(), pictures, case)
        if not spoiler or card.panel is None:
            return card
        return replace(card, panel=replace(card.panel, spoiler=True))

    def _painted(
        self, job: Job, owner: str, news: News, pictures: Sequence[Picture], case: Case | None
    ) -> Card:
        if job.state is JobState.SUCCEEDED:
            return self._succeeded(job, owner, pictures)
        if job.state.terminal:
            return _ended(job, owner, case)
        if job.state is JobState.RUNNING:
            return self._running(job, owner, news)
        return _waiting(job, owner, news)

    def _running(self, job: Job, owner: str, news: News) -> Card:
        panel = Panel(progress_line(news), Colour.RUNNING)
        card = Card(headline(job, owner, status_of(job, news)), panel, cancel_row(job))
        return self._showing(card, news.preview, preview_text(job)) if news.preview else card

    def _succeeded(self, job: Job, owner: str, pictures: Sequence[Picture]) -> Card:
        shown = next((picture.key for picture in pictures if picture.kind == "grid"), "")
        if not shown:
            return _withdrawn(owner)
        rows = self._single_rows(job, pictures) if single(job) else self._grid_rows(job, shown)
        panel = Panel(self._facts(job), Colour.DONE)
        card = Card(headline(job, owner, status_of(job, News())), panel, rows, final=True)
        return self._showing(card, shown, picture_text(job) if single(job) else grid_text(job))

    def _showing(self, card: Card, key: str, says: str) -> Card:
        assert card.panel is not None, "pictures stand in panels"
        image = self.link(key) if self.linked else UPLOADED
        panel = replace(card.panel, image=image, says=says)
        if self.linked:
            return replace(card, panel=panel)
        return replace(card, panel=panel, upload=key, elsewhere=self.link(key))

    def _facts(self, job: Job) -> str:
        facts = [price(job), f"seed {job.seed(0)}", self.title(job.spec.checkpoint)]
        if job.finished_at:
            facts.insert(0, duration(job.finished_at - job.submitted_at))
        return " · ".join(facts)

    def _grid_rows(self, job: Job, shown: str) -> Rows:
        return grid_rows(job, *self._open("Open", shown))

    def _single_rows(self, job: Job, pictures: Sequence[Picture]) -> Rows:
        full = next((picture.key for picture in pictures if picture.kind == "image"), "")
        return single_rows(job, *self._open("Open full picture", full))

    def _open(self, label: str, key: str) -> tuple[Knob, ...]:
        return (Knob(label, self.link(key), Look.LINK),) if key and self.linked else ()


def _waiting(job: Job, owner: str, news: News) -> Card:
    panel = Panel(text=waiting_line(job, news), colour=Colour.WAITING)
    return Card(headline(job, owner, status_of(job, news)), panel, cancel_row(job))


def _withdrawn(owner: str) -> Card:
    """Not even the prompt stays: it may be what was wrong."""
    panel = Panel("Withdrawn by a moderator. Its links work no more.", Colour.STOPPED)
    return Card(f"A picture by <@{owner}> (Withdrawn)", panel, final=True, erases=True)


_ENDINGS = {
    JobState.FAILED: ("It could not be finished.", Colour.FAILED),
    JobState.BLOCKED: ("The pictures did not pass the filter.", Colour.STOPPED),
    JobState.CANCELLED: ("Cancelled, as you wished.", Colour.STOPPED),
}


def _ended(job: Job, owner: str, case: Case | None) -> Card:
    sentence, colour = _ENDINGS[job.state]
    sentence = job.error_sentence or sentence
    text = sentence if "charged" in sentence else f"{sentence} {UNCHARGED}"
    rows: Rows = ()
    if case is not None and not case.veiled:
        text += f"\n\n{category_and_rule(case.category, case.rule)}"
        rows = ((appeal_knob(case.id),),)
    line = headline(job, owner, status_of(job, News()))
    return Card(line, Panel(text, colour), rows, final=True)


def category_and_rule(category: str, rule: str) -> str:
    return f"**Category** {category_name(category)} · **Rule** `{rule}`"


def appeal_knob(case_id: UUID) -> Knob:
    return Knob("Appeal", custom_id(Action.APPEAL, case_id))
