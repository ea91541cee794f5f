"""What is asked before many jobs are made: how many, of which words, at what price. Pure."""

from uuid import UUID

from bot.cards import Action, Card, Colour, Knob, Look, Panel, custom_id
from bot.measures import gpu_time
from bot.naming import counted
from bot.quoting import quote
from shared.orders import Quote
from shared.plans import Speed

LISTED = 6
PROMPT_ROOM = 150


def confirm_card(quote_: Quote, draft_id: UUID) -> Card:
    """Its buttons name the draft, so they work for ever, and once."""
    text = "\n".join([*_prompts(quote_), "", price_line(quote_)])
    rows = (
        (
            Knob("Yes", custom_id(Action.CONFIRM, draft_id), Look.GOOD),
            Knob("No", custom_id(Action.DISCARD, draft_id), Look.DANGER),
        ),
    )
    panel = Panel(text, Colour.WAITING, title=f"Draw {counted(quote_.jobs, 'job')}?")
    return Card(panel=panel, rows=rows)


def price_line(quote_: Quote) -> str:
    """The most it can cost, and what stays then."""
    if quote_.speed is Speed.RELAX:
        return "**Price** no charge (relax)"
    left = quote_.available_ms - quote_.price_ms
    stays = f"{gpu_time(left)} left after that" if left >= 0 else "more than you have left"
    return f"**Price** at most {gpu_time(quote_.price_ms)} ({quote_.speed}) · {stays}"


def _prompts(quote_: Quote) -> list[str]:
    shown = [f"- {quote(prompt, PROMPT_ROOM)}" for prompt in quote_.prompts[:LISTED]]
    rest = quote_.jobs - len(shown)
    return [*shown, f"- and {rest} more"] if rest else shown


def underway_card(jobs: int) -> Card:
    said = "It is being drawn." if jobs == 1 else f"{jobs} jobs are being drawn."
    return _short(said, Colour.DONE)


def repeated_card() -> Card:
    return _short("This was confirmed before, and is drawn once.", Colour.STOPPED)


def discarded_card() -> Card:
    return _short("Discarded. Nothing is drawn and nothing was charged.", Colour.STOPPED)


def opening_card() -> Card:
    """What stands in the channel for the moment that accepting takes."""
    return Card("One moment…")


def _short(text: str, colour: Colour) -> Card:
    return Card(panel=Panel(text, colour))


def favourite_card(*, liked: bool) -> Card:
    if liked:
        return _short(
            "Marked as a favourite of yours. Press again to take the mark away.", Colour.DONE
        )
    return _short("No favourite of yours any more.", Colour.STOPPED)
