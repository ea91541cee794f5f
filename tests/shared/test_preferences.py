"""Settings, suffix and options: what they add to a prompt, and what they never change in it."""

import pytest

from shared.errors import Refusal
from shared.parameters import BY_NAME, PARAMETERS
from shared.preferences import (
    MOST_OPTIONS,
    Preferences,
    applied,
    spelt_out,
    with_option,
    with_stylize,
    with_suffix,
)
from shared.prompt import parse

LINK = "https://a.example/cat.png"
SETTINGS = Preferences(model="dream", style="neon", stylize=250, aspect=(3, 2))


def refusal(make: object) -> Refusal:
    with pytest.raises(Refusal) as refused:
        make()  # type: ignore[operator]
    return refused.value


def test_nothing_preferred_changes_nothing() -> None:
    assert applied("a  cat --ar 3:2", Preferences()) == "a  cat --ar 3:2"


def test_settings_fill_in_what_the_prompt_does_not_say() -> None:
    added = parse(applied("a cat", SETTINGS))
    assert added == parse("a cat --model dream --style neon --stylize 250 --ar 3:2")


@pytest.mark.parametrize(
    ("typed", "gone"),
    [
        ("--model other", "model"),
        ("--v 6", "model"),
        ("--niji", "model"),
        ("--style sepia", "style"),
        ("--raw", "style"),
        ("--s 5", "stylize"),
        ("—ar 1:1", "aspect"),
    ],
)
def test_the_prompt_wins(typed: str, gone: str) -> None:
    bare, added = parse(f"a cat {typed}"), parse(applied(f"a cat {typed}", SETTINGS))
    assert getattr(added, gone) == getattr(bare, gone)
    kept = {"model", "style", "stylize", "aspect"} - {gone}
    assert {name for name in kept if getattr(added, name) == getattr(SETTINGS, name)} == kept


def test_raw_as_a_setting_stands_back_for_a_style() -> None:
    raw = Preferences(raw=True)
    assert applied("a cat", raw) == "a cat --raw"
    for typed in ("--style neon", "--style raw", "--raw"):
        assert applied(f"a cat {typed}", raw) == f"a cat {typed}"


def test_a_suffix_goes_behind_the_prompt_and_before_the_settings() -> None:
    chosen = with_suffix(SETTINGS, " --ar 2:3 --no rain  ")
    assert applied("a cat --no birds", chosen).startswith(
        "a cat --no birds --ar 2:3 --no rain --model"
    )
    said = parse(applied("a cat --no birds --ar 1:1", chosen))
    assert (said.aspect, said.negative) == ((1, 1), ("birds", "rain"))


@pytest.mark.parametrize(
    ("suffix", "typed"),
    [
        ("--steps 20", "--q 2"),
        ("--turbo", "--relax"),
        ("--draft", "--hires"),
        ("--v 6", "--model x"),
    ],
)
def test_a_suffix_never_contradicts_the_prompt(suffix: str, typed: str) -> None:
    assert applied(f"a cat {typed}", with_suffix(Preferences(), suffix)) == f"a cat {typed}"


def test_an_image_weight_of_the_suffix_waits_for_an_image() -> None:
    chosen = with_suffix(Preferences(), "--iw 2")
    assert applied("a cat", chosen) == "a cat"
    assert applied("a cat", chosen, attached=1) == "a cat --iw 2"
    assert applied(f"{LINK} a cat", chosen) == f"{LINK} a cat --iw 2"


def test_what_cannot_be_read_keeps_its_error_and_its_place() -> None:
    assert applied("a cat --xyzzy 3", SETTINGS) == "a cat --xyzzy 3"


def test_options_become_their_text() -> None:
    chosen = with_option(Preferences(), "--Mine", "--ar 3:2 --s 250")
    chosen = with_option(chosen, "moody", "in fog, at dusk")
    assert applied("a cat --mine --seed 7", chosen) == "a cat --ar 3:2 --s 250 --seed 7"
    assert applied("a cat —MINE", chosen) == "a cat --ar 3:2 --s 250"
    assert applied("a cat --moody --ar 1:1", chosen) == "a cat in fog, at dusk --ar 1:1"
    assert applied("a cat --mine2", chosen) == "a cat --mine2"


def test_an_option_may_hold_choices_which_are_expanded_after_it() -> None:
    chosen = with_option(Preferences(), "both", "--ar {3:2, 2:3}")
    assert spelt_out("a cat --both", chosen) == "a cat --ar {3:2, 2:3}"


def test_an_empty_value_takes_an_option_away() -> None:
    chosen = with_option(Preferences(), "mine", "--ar 3:2")
    assert with_option(chosen, "mine", " ").options == {}
    assert with_option(Preferences(), "never-there", "").options == {}


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_an_option_never_hides_a_parameter(name: str) -> None:
    assert refusal(lambda: with_option(Preferences(), name, "--ar 3:2")).code == "reserved_name"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("my look", "--ar 3:2", "invalid_name"),
        ("", "--ar 3:2", "invalid_name"),
        ("1st", "--ar 3:2", "invalid_name"),
        ("x" * 33, "--ar 3:2", "invalid_name"),
        ("mine", "--ar 3", "invalid_value"),
        ("mine", "--other", "unknown_parameter"),
        ("mine", "--ar {3:2, 1}", "invalid_value"),
        ("mine", "{a", "unbalanced_braces"),
        ("mine", "x" * 501, "too_long"),
    ],
)
def test_an_option_that_could_not_be_used_is_refused(name: str, value: str, code: str) -> None:
    assert refusal(lambda: with_option(Preferences(), name, value)).code == code


def test_twenty_options_are_the_most_and_a_known_one_may_change() -> None:
    full = Preferences(options={f"mine{number}": "--tile" for number in range(MOST_OPTIONS)})
    assert refusal(lambda: with_option(full, "more", "--tile")).code == "too_many_options"
    assert with_option(full, "mine3", "--ar 3:2").options["mine3"] == "--ar 3:2"


@pytest.mark.parametrize(
    ("suffix", "code"),
    [
        ("in oil", "suffix_words"),
        ("in oil --ar 3:2", "suffix_words"),
        ("--ar 3:2 in oil", "text_after_parameters"),
        ("--ar {3:2, 1:1}", "unexpanded_choices"),
        ("--nonsense", "unknown_parameter"),
        ("--no " + "x" * 300, "too_long"),
    ],
)
def test_a_suffix_holds_parameters_only(suffix: str, code: str) -> None:
    assert refusal(lambda: with_suffix(Preferences(), suffix)).code == code


def test_an_empty_suffix_takes_it_away() -> None:
    assert with_suffix(with_suffix(Preferences(), "--tile"), " ").suffix == ""


def test_a_suffix_of_an_older_grammar_is_left_out() -> None:
    assert applied("a cat", Preferences(suffix="--gone 7")) == "a cat"


def test_stylize_has_its_range() -> None:
    assert with_stylize(Preferences(), 1000).stylize == 1000
    assert with_stylize(SETTINGS, None).stylize is None
    assert refusal(lambda: with_stylize(Preferences(), 1001)).code == "invalid_value"


def test_every_parameter_may_be_in_a_suffix_alone_unless_it_needs_another() -> None:
    for parameter in PARAMETERS:
        if parameter.supported and parameter.needs in ("", "images"):
            assert with_suffix(Preferences(), parameter.sample).suffix == parameter.sample
