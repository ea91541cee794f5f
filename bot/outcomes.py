"""What a person is told of what moderators decided about them. Pure."""

from collections.abc import Mapping

from bot.cards import Card, Colour, Panel
from bot.messages import quote
from bot.naming import category_name
from shared.errors import Refusal
from shared.moderation.cases import Case
from shared.moderation.strikes import Consequence

FOLLOWS: Mapping[Consequence, str] = {
    Consequence.NONE: "",
    Consequence.WARN: " If it goes on, you will be suspended.",
    Consequence.DAY: " You are suspended for a day.",
    Consequence.WEEK: " You are suspended for a week.",
    Consequence.BAN: " The moderators are asked whether to ban you.",
}


def lifted_card(case: Case, *, channel_id: str = "", refusal: Refusal | None = None) -> Card:
    """`channel_id` is where the picture will appear, `refusal` why there is none after all."""
    where = f" It is being drawn now, in <#{channel_id}>." if channel_id else ""
    instead = f" It could not be drawn yet: {refusal.sentence}" if refusal else ""
    kind = "prompt" if case.kind == "prompt" else "picture"
    said = f"A moderator looked at your {kind} and lifted the block.{where}{instead}{_note(case)}"
    return _letter("The block was lifted", said, Colour.DONE)


def upheld_card(case: Case) -> Card:
    said = (
        f"A moderator looked at your appeal and upheld the rule on {category_name(case.category)}."
        f"{_note(case)}"
    )
    return _letter("The block stays", said, Colour.STOPPED)


def withdrawn_card(case: Case) -> Card:
    said = (
        "A moderator took down one of your pictures under the rule on "
        f"{category_name(case.category)}.{_note(case)}"
    )
    return _letter("A picture was withdrawn", said, Colour.STOPPED)


def warned_card(reason: str) -> Card:
    return _letter("A moderator warns you", quote(reason, 600), Colour.STOPPED)


def struck_card(reason: str, follows: Consequence) -> Card:
    said = f"{quote(reason, 600)}.{FOLLOWS[follows]}"
    return _letter("A moderator gave you a strike", said, Colour.STOPPED)


def banned_card(reason: str, days: float | None) -> Card:
    span = f"for {days:g} days" if days else "until a moderator lifts it"
    said = (
        f"{quote(reason, 600)}\n\nIt holds {span}. What waited was cancelled and not charged, and the "
        "links to your pictures work no more."
    )
    return _letter("You were banned from drawing", said, Colour.FAILED)


def unbanned_card() -> Card:
    return _letter("Your ban was lifted", "You may draw again.", Colour.DONE)


def _note(case: Case) -> str:
    return f"\n\nTheir note: “{quote(case.note, 500)}”" if case.note else ""


def _letter(title: str, text: str, colour: Colour) -> Card:
    return Card(panel=Panel(text, colour, title=title))
