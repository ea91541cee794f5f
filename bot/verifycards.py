"""What /verify shows: made here or not, when, by which sign, and what was done to it since. Pure."""

from collections.abc import Iterator
from datetime import datetime

from bot.cards import PANEL_LIMIT, Card, Colour, Knob, Look, Panel
from shared.attestation import Answer, Sign
from shared.jobs import Route

TITLES = {
    "proven": ("Made here", Colour.DONE),
    "marked": ("Made here, and changed since", Colour.DONE),
    "alike": ("It looks like one of ours", Colour.STOPPED),
    "unknown": ("Not known here", Colour.WAITING),
}
NO_PROOF = "That nothing says so is no proof that it was made elsewhere."
SIGNS = (
    "Manifest: signed by this farm (C2PA). Watermark: in the pixels. Looks: a likeness, no proof."
)


def verdict_card(answer: Answer, route: Route | None) -> Card:
    """`route` is the message that tells of its job, for those who may know."""
    title, colour = TITLES[answer.origin]
    text = "\n".join(_lines(answer))[:PANEL_LIMIT]
    footer = NO_PROOF if answer.origin == "unknown" else SIGNS
    rows = ((Knob("Its message", _link(route), Look.LINK),),) if answer.job and route else ()
    return Card(panel=Panel(text, colour, title=title, footer=footer), rows=rows)


def _lines(answer: Answer) -> Iterator[str]:
    yield answer.headline
    if answer.made_at:
        moment = int(datetime.fromisoformat(answer.made_at).timestamp())
        yield f"**When** <t:{moment}:f>"
    if answer.job:
        yield f"**Job** `{answer.job}`{_place(answer.picture)}"
    yield f"**Manifest** {_told(answer.manifest)}"
    yield f"**Watermark** {_told(answer.watermark)}"
    yield f"**Looks** {_told(answer.looks)}"
    if answer.changes:
        yield "**Since then**"
        yield from (f"• {change}" for change in answer.changes)


def _told(sign: Sign) -> str:
    return f"{'✓' if sign.holds else '✗'} {sign.words}"


def _place(picture: int | None) -> str:
    if picture is None:
        return ""
    return ", its grid" if picture < 0 else f", picture {picture + 1}"


def _link(route: Route) -> str:
    place = route.guild_id or "@me"
    return f"https://discord.com/channels/{place}/{route.channel_id}/{route.message_id}"
