"""Forms under pictures: other words (remix), a zoom of one's own, what stands in a region. Pure."""

from collections.abc import Mapping
from uuid import UUID

from bot.buttons import Press
from bot.cards import Action, Blank, Form, custom_id
from shared.ancestry import LEAST
from shared.errors import Refusal
from shared.lineage import MOST_ZOOMED

TEXT_MOST = 4_000  # Discord's, for what is typed into a form
PROMPT, WORDS = "prompt", "words"
# Places in this row stand in custom ids: it only ever grows at its end.
REMIXED = (
    Action.VARY,
    Action.SUBTLE,
    Action.STRONG,
    Action.REROLL,
    Action.LEFT,
    Action.RIGHT,
    Action.UP,
    Action.DOWN,
)
_TITLES: Mapping[Action, str] = {
    Action.REROLL: "Reroll with other words",
    Action.LEFT: "Pan left with other words",
    Action.RIGHT: "Pan right with other words",
    Action.UP: "Pan up with other words",
    Action.DOWN: "Pan down with other words",
}
_PLACES = 10  # pictures that an id tells apart


def remix_form(press: Press, prompt: str) -> Form:
    """Other words for what this button makes."""
    index = REMIXED.index(press.action) * _PLACES + press.index
    title = _TITLES.get(press.action, f"Remix picture {press.index + 1}")
    blank = Blank(PROMPT, "New prompt", filled=prompt, long=True, most=TEXT_MOST)
    return Form(title, custom_id(Action.REMIX, press.subject, index), (blank,))


def remixed_press(sent: Press) -> Press:
    """The button that had opened this form."""
    place, index = divmod(sent.index, _PLACES)
    if place >= len(REMIXED):
        raise Refusal(
            "outdated", "This form comes from a version that is gone. Press the button again."
        )
    return Press(REMIXED[place], sent.subject, index)


def zoom_form(press: Press, prompt: str) -> Form:
    blank = Blank(
        PROMPT,
        f"Prompt, --zoom from {LEAST:g} to {MOST_ZOOMED:g}, and --ar",
        filled=f"{prompt[: TEXT_MOST - 20]} --zoom 2",
        long=True,
        most=TEXT_MOST,
    )
    target = custom_id(Action.ZOOM_CUSTOM, press.subject, press.index)
    return Form("Zoom out", target, (blank,))


def region_form(draft_id: UUID, *, prompt: str, words: str) -> Form:
    target = custom_id(Action.WORDS, draft_id)
    hint = "the hat (instead of tapped cells, where the model allows it)"
    blanks = (
        Blank(
            PROMPT, "What to draw there", filled=prompt, long=True, most=TEXT_MOST, required=False
        ),
        Blank(WORDS, "Which part, in words", hint, filled=words, required=False, most=200),
    )
    return Form("Vary region", target, blanks)
