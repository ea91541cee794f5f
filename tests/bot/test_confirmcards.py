from bot.buttons import read_press
from bot.cards import Action
from bot.confirmcards import LISTED, confirm_card
from shared.orders import Quote
from shared.plans import Speed
from tests.bot.making import JOB_ID


def test_count_words_price_and_what_is_left_are_told() -> None:
    prompts = tuple(f"a *red* boat {number}" for number in range(12))
    card = confirm_card(Quote(prompts, 24_000, Speed.FAST, 100_000), JOB_ID)
    assert card.panel
    assert card.panel.title == "Draw 12 jobs?"
    lines = card.panel.text.splitlines()
    assert lines[0] == r"- a \*red\* boat 0"
    assert lines[LISTED] == "- and 6 more"
    assert lines[-1] == (
        "**Price** at most 24.0 GPU-seconds (fast) · 76.0 GPU-seconds left after that"
    )
    yes, no = (read_press(knob.target) for knob in card.rows[0])
    assert yes
    assert no
    assert (yes.action, no.action, yes.subject) == (Action.CONFIRM, Action.DISCARD, JOB_ID)


def test_too_little_and_nothing_to_pay_are_told() -> None:
    poor = confirm_card(Quote(("a",), 24_000, Speed.TURBO, 1_000), JOB_ID)
    assert poor.panel
    assert "more than you have left" in poor.panel.text
    free = confirm_card(Quote(("a", "b"), 0, Speed.RELAX, 0), JOB_ID)
    assert free.panel
    assert "no charge (relax)" in free.panel.text
