"""Sets of choices: how many prompts a text stands for, and which."""

from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import Refusal
from shared.permutations import DEEPEST, MOST, count, expand
from shared.prompt import parse


@pytest.mark.parametrize(
    ("text", "texts"),
    [
        ("a red bird", ["a red bird"]),
        ("", [""]),
        ("{red, green, yellow} bird", ["red bird", "green bird", "yellow bird"]),
        (
            "a {red, green} bird in the {jungle, desert}",
            [
                "a red bird in the jungle",
                "a red bird in the desert",
                "a green bird in the jungle",
                "a green bird in the desert",
            ],
        ),
        ("a boat --ar {3:2, 1:1}", ["a boat --ar 3:2", "a boat --ar 1:1"]),
        ("a boat --{v 5, niji, test}", ["a boat --v 5", "a boat --niji", "a boat --test"]),
        ("a {red, {dark, light} green} bird", ["a red bird", "a dark green bird", "a light green bird"]),
        ("{a, b {c, d} {e, f}}", ["a", "b c e", "b c f", "b d e", "b d f"]),
        (r"{red\, blue, green} bird", ["red, blue bird", "green bird"]),
        (r"{a, {b\, c, d}} e", ["a e", "b, c e", "d e"]),
        (r"\{a, b\} {c}", [r"\{a, b\} c"]),
        (r"{\{, \}}", [r"\{", r"\}"]),
        ("a, b {c, c}", ["a, b c", "a, b c"]),
        ("{a::2, b} c --no {d\\, e, f}", ["a::2 c --no d, e", "a::2 c --no f", "b c --no d, e", "b c --no f"]),
    ],
)  # fmt: skip
def test_what_a_text_stands_for_the_first_set_slowest(text: str, texts: list[str]) -> None:
    assert list(expand(text)) == texts
    assert count(text) == len(texts)


def test_escaped_signs_are_the_signs_themselves_in_a_prompt() -> None:
    (text,) = expand(r"a \{cat\} and a \\ dog")
    assert parse(text).texts[0].text == r"a {cat} and a \\ dog"


@pytest.mark.parametrize(
    ("text", "code", "named"),
    [
        ("a {red, green bird", "unbalanced_braces", "{ at character 3"),
        ("a {red, {green} bird", "unbalanced_braces", "{ at character 3"),
        ("a red} bird", "unbalanced_braces", "} at character 6"),
        ("{a}}", "unbalanced_braces", "} at character 4"),
        ("a {} bird", "empty_choice", "at character 4"),
        ("a {red,} bird", "empty_choice", "at character 8"),
        ("a {, red} bird", "empty_choice", "at character 4"),
        ("a {red, , blue} bird", "empty_choice", "at character 8"),
        ("{" * (DEEPEST + 1), "too_deep", f"at character {DEEPEST + 1}"),
        ("{" * 2000, "too_deep", f"at character {DEEPEST + 1}"),
        ("x" * 2001, "prompt_too_long", "2,001"),
        ("{a, b}" * 6, "too_many_permutations", "make 64 prompts and 40 is the most"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(text: str, code: str, named: str) -> None:
    with pytest.raises(Refusal) as refused:
        expand(text)
    assert refused.value.code == code
    assert named in refused.value.sentence
    assert refused.value.field == "prompt"
    if "at character" in named:
        assert named.endswith(str(refused.value.position))


@pytest.mark.parametrize("sets", [12, 300])
def test_a_bomb_is_counted_and_refused_before_anything_is_expanded(sets: int) -> None:
    bomb = "{a, b}" * sets
    assert count(bomb) == 2**sets
    with pytest.raises(Refusal) as refused:
        expand(bomb)
    assert refused.value.code == "too_many_permutations"
    assert len(refused.value.sentence) < 250


def test_a_plan_may_allow_fewer() -> None:
    assert len(expand("{a, b, c, d} e", most=4)) == 4
    with pytest.raises(Refusal, match="make 5 prompts and 4 is the most"):
        expand("{a, b, c, d, e} f", most=4)


words = st.text("ab \\", min_size=1, max_size=4).filter(lambda text: bool(text.strip(" \\")))
runs = st.recursive(
    words.map(lambda text: text.strip(" \\")),
    lambda inner: st.lists(inner, min_size=1, max_size=3).map(
        lambda many: "{" + ", ".join(many) + "}"
    ),
    max_leaves=8,
)


@given(st.lists(runs, min_size=1, max_size=3))
@settings(max_examples=80, deadline=None)
def test_the_count_is_known_before_and_what_comes_out_expands_to_itself(pieces: list[str]) -> None:
    text = " ".join(pieces)
    assert count(text) == prod(map(count, pieces))
    if count(text) <= MOST:
        every = expand(text)
        assert len(every) == count(text)
        assert all(expand(one) == (one,) for one in every)
