"""What people read of what is kept of them. Pure."""

from uuid import UUID

from bot.cards import Action, Blank, Card, Colour, Form, Panel, custom_id
from bot.naming import counted
from shared.oversight.privacy import Erased, Export

CONFIRMATION = "DELETE"
STAYS = (
    "What stays: the book of GPU time and the record of what was decided, under a number that no"
    " longer leads to you; a prompt that fell under the rule on minors, until its retention is over;"
    " and a ban, if there is one."
)


def export_card(found: Export) -> Card:
    left = (
        f" {found.left_out} more were too large for one file; it lists their links."
        if found.left_out
        else ""
    )
    text = (
        f"{counted(found.jobs, 'job')} with prompts, {counted(found.pictures, 'picture')}, your"
        f" account, your GPU time, and what was decided about you.{left}"
    )
    return Card(panel=Panel(text, Colour.DONE, title="Everything that is kept of you"))


def forget_form(subject: UUID) -> Form:
    hint = f"Type {CONFIRMATION}: prompts, pictures and links go."
    word = Blank("word", "This cannot be undone", hint, most=20)
    return Form("Delete what is kept of you", custom_id(Action.FORGET, subject), (word,))


def erased_card(erased: Erased) -> Card:
    text = (
        f"Your prompts, your name and {counted(erased.files, 'file')} are gone, open jobs were cancelled, and"
        f" {counted(len(erased.messages), 'message')} will be deleted.\n\n{STAYS}"
    )
    return Card(panel=Panel(text, Colour.DONE, title="Deleted"))
