"""What was drawn and what it cost, page by page: /history, /gallery, /receipt, /show. Pure."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from bot.alttexts import picture_text
from bot.answers import private_card
from bot.cards import Action, Card, Colour, Knob, Look, Rows, Shown, custom_id
from bot.measures import gpu_time
from bot.quoting import quote
from shared.bills import Bill, Entry
from shared.jobs import Job, JobState
from shared.plans import Speed
from shared.shots import Shot

OWN, SERVER, FAVOURITES = 0, 1, 2
GALLERIES = {OWN: "Your pictures", SERVER: "This server's pictures", FAVOURITES: "Your favourites"}
PAGE_SHOTS = 10  # Discord's, for one gallery of a message
UNLINKED = "Discord cannot reach these pictures from here; /show posts one of your jobs again."
NEWEST = UUID(int=0)  # the page that begins now
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_LONGEST_TICK = 2**63
_MARKS = {
    JobState.SUCCEEDED: "✅",
    JobState.FAILED: "⚠️",
    JobState.BLOCKED: "⛔",
    JobState.CANCELLED: "✖️",
}
_KINDS = {"hold": "held", "settle": "charged", "release": "given back"}


def page_id(moment: datetime) -> UUID:
    """A page's button names the moment that it goes on from: it works for ever and is kept nowhere."""
    return UUID(int=(moment - _EPOCH) // _TICK)


def page_moment(subject: UUID) -> datetime | None:
    """None for what is no moment: then it is a draft, of a search."""
    return _EPOCH + subject.int * _TICK if subject.int < _LONGEST_TICK else None


def history_card(
    jobs: Sequence[Job], *, search: str = "", older: Knob | None = None, newest: Knob | None = None
) -> Card:
    title = f"Your jobs with “{quote(search, 60)}”" if search else "Your jobs"
    if not jobs:
        nothing = "Nothing of yours fits." if search else "Nothing yet. /imagine something!"
        return private_card(nothing, title=title)
    text = "\n".join(map(history_line, jobs))
    footer = "/show posts one again, /receipt tells what it cost: both find a job by its words."
    card = private_card(text, title=title, footer=footer)
    return Card(panel=card.panel, rows=_pages(newest, older))


def history_line(job: Job) -> str:
    kind = "" if job.kind.value == "imagine" else f"{job.kind.value} · "
    mark = _MARKS.get(job.state, "⏳")
    when = f"<t:{int(job.submitted_at.timestamp())}:R>"
    return f"{mark} **{quote(job.prompt, 90)}**\n{kind}{when} · {job.speed} · `{job.id.hex[:8]}`"


def page_of(shots: Sequence[Shot], *, whole: bool) -> tuple[Shot, ...]:
    """The first that one message shows. `whole`: a grid is not torn, for the next page begins after it."""
    here = tuple(shots[:PAGE_SHOTS])
    if whole and len(shots) > PAGE_SHOTS and shots[PAGE_SHOTS].job.id == here[-1].job.id:
        here = tuple(shot for shot in here if shot.job.id != here[-1].job.id)
    return here


def gallery_card(
    shots: Sequence[Shot],
    which: int,
    *,
    link: Callable[[str], str],
    older: Knob | None = None,
    newest: Knob | None = None,
) -> Card:
    title = GALLERIES[which]
    if not shots:
        return private_card("There are no pictures here yet.", title=title)
    lines = [shot_line(number, shot) for number, shot in enumerate(shots, 1)]
    links = {shot.key: link(shot.key) for shot in shots}
    shown = tuple(
        Shown(links[shot.key], says=picture_text(shot.job)) for shot in shots if links[shot.key]
    )
    footer = "" if shown else UNLINKED
    card = private_card("\n".join(lines), Colour.DONE, title=title, footer=footer)
    return Card(panel=card.panel, shown=shown, rows=_pages(newest, older))


def shot_line(number: int, shot: Shot) -> str:
    heart = " ❤️" if shot.favourite else ""
    return f"{number}. {quote(shot.job.prompt, 100)} `{shot.job.id.hex[:8]}`{heart}"


def _pages(newest: Knob | None, older: Knob | None) -> Rows:
    knobs = tuple(knob for knob in (newest, older) if knob)
    return (knobs,) if knobs else ()


def page_knob(label: str, action: Action, subject: UUID, index: int = 0) -> Knob:
    return Knob(label, custom_id(action, subject, index))


def receipt_card(bill: Bill) -> Card:
    """What it was said to cost, what was put aside, what it cost, what came back."""
    free = bill.speed is Speed.RELAX
    price = "free" if free else f"{bill.price:g} for each GPU-second"
    measured = "not measured" if bill.gpu_ms is None else gpu_time(bill.gpu_ms)
    lines = [
        f"**{quote(bill.job.prompt, 200)}**",
        f"`{bill.job.id.hex}` · {bill.job.kind.value} · {bill.job.state.value}",
        "",
        f"**Quote**: at most {gpu_time(bill.quote_ms)}",
        f"**Held**: {gpu_time(bill.held_ms)}",
        f"**Settled**: {gpu_time(bill.settled_ms)}",
        f"**Refunded**: {gpu_time(bill.refunded_ms)}",
        "",
        f"**Measured**: {measured} at {bill.speed.value} ({price})",
        *map(_entry_line, bill.entries),
    ]
    return private_card("\n".join(lines), Colour.DONE, title="Receipt", footer=_verdict(bill))


def _entry_line(entry: Entry) -> str:
    when = f"<t:{int(entry.at.timestamp())}:T>"
    return f"{when} {_KINDS.get(entry.kind, entry.kind)} {gpu_time(entry.amount_ms)}"


def _verdict(bill: Bill) -> str:
    if not bill.job.state.terminal:
        return "Not finished yet: what is not used comes back."
    return "Nothing was charged." if not bill.settled_ms else ""


def elsewhere_card(job: Job, link: str) -> Card:
    """Of a job that is still at work: its own message goes on."""
    text = f"**{quote(job.prompt, 300)}** is not finished yet. Its message shows how it goes on."
    card = private_card(text, Colour.WAITING, title="Still at work")
    rows: Rows = ((Knob("To its message", link, Look.LINK),),) if link else ()
    return Card(panel=card.panel, rows=rows)
