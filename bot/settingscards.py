"""/settings and /prefer: what holds for all prompts of a person, and the buttons that change it. Pure.

The numbers of switches stand in buttons for ever: a number never gets another meaning.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from bot.answers import private_card
from bot.cards import Action, Card, Knob, Look, Menu, Option, Rows, custom_id
from bot.quoting import quote
from bot.suggestions import Entry
from shared.lineage import How
from shared.plans import Plan, Speed, Visibility
from shared.preferences import MOST_OPTIONS, Preferences

MINE = UUID(int=0)  # whoever presses changes their own
MENU_ROOM = 24  # of 25: the first option is none
MODEL, STYLE = 0, 1
RESET = 40
SPEEDS = {20: Speed.TURBO, 21: Speed.FAST, 22: Speed.RELAX}
_STYLIZE = {0: ("low", 50), 1: ("med", 100), 2: ("high", 250), 3: ("very high", 750)}


@dataclass(frozen=True, slots=True)
class Switch:
    label: str
    is_on: Callable[[Preferences], bool]
    pressed: Callable[[Preferences], Preferences]


def _stylize(label: str, strength: int) -> Switch:
    """Pressed again, nothing is preferred."""

    def is_on(chosen: Preferences) -> bool:
        return chosen.stylize == strength

    return Switch(
        f"Stylize {label}",
        is_on,
        lambda chosen: replace(chosen, stylize=None if is_on(chosen) else strength),
    )


def _variability(how: How) -> Switch:
    return Switch(
        f"Vary {how.value}",
        lambda chosen: chosen.variability is how,
        lambda chosen: replace(chosen, variability=how),
    )


def _seen_by(who: Visibility) -> Switch:
    return Switch(
        who.value.title(),
        lambda chosen: chosen.visibility is who,
        lambda chosen: replace(chosen, visibility=who),
    )


SWITCHES: Mapping[int, Switch] = {
    **{number: _stylize(*strength) for number, strength in _STYLIZE.items()},
    10: _variability(How.STRONG),
    11: _variability(How.SUBTLE),
    12: Switch("Raw", lambda one: one.raw, lambda one: replace(one, raw=not one.raw)),
    13: Switch("Remix", lambda one: one.remix, lambda one: replace(one, remix=not one.remix)),
    14: Switch("DM me", lambda one: one.auto_dm, lambda one: replace(one, auto_dm=not one.auto_dm)),
    30: _seen_by(Visibility.PUBLIC),
    31: _seen_by(Visibility.STEALTH),
    RESET: Switch("Reset", lambda one: False, lambda one: reset(one)),
}
_ROWS = ((0, 1, 2, 3, RESET), (10, 11, 12, 13, 14), (*SPEEDS, 30, 31))


def reset(chosen: Preferences) -> Preferences:
    """Settings alone: what /prefer made stays."""
    return Preferences(suffix=chosen.suffix, options=chosen.options)


def settings_card(
    chosen: Preferences,
    speed: Speed,
    plan: Plan,
    *,
    models: Sequence[Entry],
    styles: Sequence[Entry],
) -> Card:
    default = models[0].title if models else ""
    lines = (
        ("Model", chosen.model or f"the usual one ({default})"),
        ("Style", chosen.style or "none"),
        ("Stylize", "the usual" if chosen.stylize is None else str(chosen.stylize)),
        ("Raw", _on(chosen.raw)),
        ("Variability", chosen.variability.value),
        ("Remix", _on(chosen.remix)),
        ("Direct message when done", _on(chosen.auto_dm)),
        ("Visibility", chosen.visibility.value),
        ("Speed", f"{speed.value}, of {', '.join(plan.speeds)}"),
        ("Suffix", quote(chosen.suffix, 200) if chosen.suffix else "none"),
        ("Options of your own", ", ".join(sorted(chosen.options)) or "none"),
    )
    text = "\n".join(f"**{name}**: {value}" for name, value in lines)
    card = private_card(text, title="Settings", footer="Parameters in a prompt win over these.")
    menus = [
        _menu(MODEL, "Model", models, chosen.model),
        _menu(STYLE, "Style", styles, chosen.style),
    ]
    rows = _rows(chosen, speed, plan)
    return replace(card, menus=tuple(menu for menu in menus if menu), rows=rows)


def _menu(number: int, name: str, entries: Sequence[Entry], chosen: str) -> Menu | None:
    """What is chosen stays in it, also where there are more than a menu holds: /settings has boxes, too."""
    if not entries:
        return None
    shown = [one for one in entries if one.name == chosen]
    shown += [one for one in entries if one.name != chosen][: MENU_ROOM - len(shown)]
    options = [Option("-", f"{name}: the usual", not chosen)]
    options += [
        Option(one.name[:100], f"{name}: {one.title or one.name}"[:100], one.name == chosen)
        for one in shown
    ]
    return Menu(custom_id(Action.CHOOSE, MINE, number), name, tuple(options))


def _rows(chosen: Preferences, speed: Speed, plan: Plan) -> Rows:
    return tuple(
        tuple(_knob(number, chosen, speed) for number in row if _has(number, plan)) for row in _ROWS
    )


def _has(number: int, plan: Plan) -> bool:
    """A button that could only be refused is not shown."""
    return number not in SPEEDS or SPEEDS[number] in plan.speeds


def _knob(number: int, chosen: Preferences, speed: Speed) -> Knob:
    if number in SPEEDS:
        label, is_on = SPEEDS[number].value.title(), SPEEDS[number] is speed
    else:
        label, is_on = SWITCHES[number].label, SWITCHES[number].is_on(chosen)
    look = Look.GOOD if is_on else Look.PLAIN
    return Knob(label, custom_id(Action.SET, MINE, number), look)


def _on(value: bool) -> str:
    return "on" if value else "off"


def options_card(options: Mapping[str, str]) -> Card:
    """Written --name in a prompt."""
    if not options:
        text = "None yet. `/prefer option set` makes one: a name, and the words that it stands for."
        return private_card(text, title="Your options")
    lines = [f"`--{name}` {quote(text, 150)}" for name, text in sorted(options.items())]
    footer = f"{len(options)} of {MOST_OPTIONS}. An empty value takes one away."
    return private_card("\n".join(lines), title="Your options", footer=footer)


def said_card(sentence: str) -> Card:
    return private_card(sentence, title="Settings")
