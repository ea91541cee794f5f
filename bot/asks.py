"""From a button to what the desk is asked: which verb, how, of which picture. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.buttons import Press
from bot.cards import Action
from shared.jobs import Route
from shared.orders import Ask, Person, Venue


@dataclass(frozen=True, slots=True)
class Wish:
    """`manner` and `factor` as shared.orders.Ask has them."""

    verb: str
    manner: str = ""
    factor: float = 0.0


WISHES: Mapping[Action, Wish] = {
    Action.UPSCALE: Wish("upscale"),
    Action.VARY: Wish("vary"),  # subtle or strong, as the account likes it
    Action.REROLL: Wish("reroll"),
    Action.SUBTLE: Wish("vary", "subtle"),
    Action.STRONG: Wish("vary", "strong"),
    Action.FINER: Wish("upscale", "subtle"),
    Action.CREATIVE: Wish("upscale", "creative"),
    Action.ZOOM_LESS: Wish("zoom", factor=1.5),
    Action.ZOOM_MORE: Wish("zoom", factor=2.0),
    Action.LEFT: Wish("pan", "left"),
    Action.RIGHT: Wish("pan", "right"),
    Action.UP: Wish("pan", "up"),
    Action.DOWN: Wish("pan", "down"),
    Action.SQUARE: Wish("square"),
}


def ask_of(
    press: Press, person: Person, *, venue: Venue, key: str, route: Route | None, text: str = ""
) -> Ask:
    """`text` are other words for it."""
    wish = WISHES[press.action]
    return Ask(
        wish.verb,
        person,
        venue,
        key,
        route,
        text=text,
        job_id=press.subject,
        index=press.index,
        manner=wish.manner,
        factor=wish.factor,
    )
