import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.asks import WISHES, ask_of
from bot.buttons import Press, read_press
from bot.cards import Action
from bot.forms import (
    REMIXED,
    TEXT_MOST,
    region_form,
    remix_form,
    remixed_press,
    zoom_form,
)
from bot.modals import modal_of
from shared.errors import Refusal
from shared.lineage import MOST_ZOOMED
from shared.orders import Person, Venue
from shared.rewording import NO_ZOOM, new_words, read_zoom
from tests.bot.making import JOB_ID, make_job

FINN = Person("42", "Finn", "free")


@pytest.mark.parametrize("action", REMIXED)
@pytest.mark.parametrize("index", [0, 3])
def test_a_remix_comes_back_as_the_button_that_opened_it(action: Action, index: int) -> None:
    press = Press(action, JOB_ID, index)
    form = remix_form(press, "a boat")
    sent = read_press(form.target)
    assert sent
    assert sent.action is Action.REMIX
    assert remixed_press(sent) == press
    assert form.blanks[0].filled == "a boat"


def test_a_forged_remix_is_refused() -> None:
    with pytest.raises(Refusal, match="version that is gone"):
        remixed_press(Press(Action.REMIX, JOB_ID, 999))


@pytest.mark.parametrize(
    ("typed", "text", "factor"),
    [
        ("a boat --zoom 2", "a boat", 2.0),
        ("a boat --zoom 1 --ar 16:9", "a boat --ar 16:9", 1.0),
        ("--zoom 1.25 a boat", "a boat", 1.25),
        ("a boat —zoom 1.8\n--ar 3:2", "a boat --ar 3:2", 1.8),
        ("a zoom lens, --zoom 1.5", "a zoom lens,", 1.5),
    ],
)
def test_a_zoom_is_read_out_of_the_words(typed: str, text: str, factor: float) -> None:
    assert read_zoom(typed) == (text, factor)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("a boat", "is missing"),
        ("a boat --zoom 2 --zoom 1", "more than once"),
        ("a boat --zoom", "takes a number"),
        ("a boat --zoom --ar 3:2", "takes a number"),
        ("a boat --zoom far", "“far”"),
        ("a boat --zoom 2.1", "2.1 is out of range"),
        ("a boat --zoom nan", "nan is out of range"),
        ("a boat --zoomed 2", "is missing"),
    ],
)
def test_a_zoom_that_cannot_be_read_names_the_fix(typed: str, said: str) -> None:
    with pytest.raises(Refusal, match=r"for example --zoom 1\.5") as refused:
        read_zoom(typed)
    assert said in refused.value.sentence
    assert refused.value.field == "zoom"


@given(st.text(max_size=200))
def test_whatever_is_typed_is_read_or_refused(typed: str) -> None:
    with contextlib.suppress(Refusal):
        read_zoom(typed)


@given(st.floats())
def test_every_factor_in_range_is_read_and_no_other(factor: float) -> None:
    typed = f"a boat --zoom {factor!r}"
    if NO_ZOOM <= factor <= MOST_ZOOMED:
        assert read_zoom(typed) == ("a boat", factor)
        return
    with pytest.raises(Refusal, match="out of range"):
        read_zoom(typed)


def test_words_that_stayed_are_no_remix() -> None:
    job = make_job(prompt="a red  boat --seed 7")
    assert new_words(" a red boat --seed 7\n", job) == ""
    assert new_words("a blue boat ", job) == "a blue boat"


def test_forms_fit_discord_whatever_the_prompt() -> None:
    long = "boat " * 2_000
    for form in (
        remix_form(Press(Action.VARY, JOB_ID, 1), long),
        zoom_form(Press(Action.ZOOM_CUSTOM, JOB_ID, 1), long),
        region_form(JOB_ID, prompt=long, words="x" * 900),
    ):
        assert all(len(one.label) <= 45 for one in form.blanks)
        fields = [item["component"] for item in modal_of(form).to_components()]
        assert all(len(one["value"]) <= one["max_length"] <= TEXT_MOST for one in fields)
    assert (
        zoom_form(Press(Action.ZOOM_CUSTOM, JOB_ID, 1), long).blanks[0].filled.endswith("--zoom 2")
    )


@pytest.mark.parametrize("action", WISHES)
def test_a_button_asks_for_its_verb(action: Action) -> None:
    ask = ask_of(Press(action, JOB_ID, 2), FINN, venue=Venue(), key="1", route=None, text="words")
    assert (ask.job_id, ask.index, ask.text, ask.key) == (JOB_ID, 2, "words", "1")
    told = {
        Action.FINER: ("upscale", "subtle", 0.0),
        Action.STRONG: ("vary", "strong", 0.0),
        Action.ZOOM_LESS: ("zoom", "", 1.5),
        Action.UP: ("pan", "up", 0.0),
    }
    if action in told:
        assert (ask.verb, ask.manner, ask.factor) == told[action]
