"""Whatever a text service writes, a prompt made of it is words and nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.prompt import parse
from shared.replies import (
    LONGEST,
    Parts,
    one_prompt,
    parted,
    prompts,
    shortened,
    without_flag,
    words,
)

NUMBERED = """Sure! Here are some prompts:

1. A red boat on a calm sea, golden light
2) **A red boat**, oil painting
3: "a boat at dusk"
"""


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ('{"prompts": ["a boat", "a sea"]}', ("a boat", "a sea")),
        ('```json\n{"prompts": ["a boat"]}\n```', ("a boat",)),
        ('Here you are: ["a boat", "a sea"] Enjoy!', ("a boat", "a sea")),
        ('<think>["not", "this"]</think>{"prompts": ["a boat"]}', ("a boat",)),
        ('<think>["not", "this"]', ()),
        (
            NUMBERED,
            (
                "A red boat on a calm sea, golden light",
                "A red boat , oil painting",
                "a boat at dusk",
            ),
        ),
        ('{"prompts": ["a boat", "a boat", 7, null, ""]}', ("a boat",)),
        ('{"prompts": "a boat"}', ()),
        ('{"wishes": ["a boat"]}', ()),
        ('{"prompts": ["a boat"', ()),
        ("I cannot help with that.", ()),
        ("", ()),
        ("[" * 5000, ()),
    ],
)
def test_a_reply_is_read_strictly(reply: str, found: tuple[str, ...]) -> None:
    assert prompts(reply, 4) == found


def test_no_more_than_were_asked_for() -> None:
    assert len(prompts(json.dumps([f"boat {n}" for n in range(50)]), 4)) == 4


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("a boat --repeat 40 --turbo", "a boat"),
        ("a boat —repeat 40", "a boat"),
        ("--seed 7", ""),
        ("a boat, --ar 3:2 and a sea", "a boat"),
        ("{red, blue, green} boat", "red, blue, green boat"),
        ("a boat::100 the sea::-1 stars", "a boat, the sea, stars"),
        ("https://evil.example/x.png a boat", "a boat"),
        ("a boat www.evil.example", "a boat"),
        ("<@123> a boat @everyone", "a boat everyone"),
        ("a\u202eboat\u200b\x07 \n\n now", "aboat now"),
        ("**Prompt 2:** a `boat`", "a boat"),
        ("an ice-blue boat", "an ice-blue boat"),
        ("a boat -- at sea", "a boat at sea"),
        ("a boat -ar 3:2", "a boat ar 3:2"),
    ],
)
def test_only_words_are_kept(written: str, kept: str) -> None:
    assert words(written) == kept


@given(st.text(max_size=300) | st.from_regex(r"(a|--ar 3:2|::2|[{},]|https://x|—no | -){1,12}"))
def test_what_is_kept_means_one_plain_prompt(written: str) -> None:
    kept = words(written)
    assert len(kept) <= LONGEST
    assert words(kept) == kept
    if kept:
        prompt = parse(kept)
        assert len(prompt.texts) == 1
        assert (prompt.negative, prompt.repeat, prompt.seed, prompt.speed) == ((), 1, None, None)


def test_a_long_one_is_cut_at_a_word() -> None:
    kept = words("boat " * 500)
    assert LONGEST - 5 <= len(kept) <= LONGEST
    assert set(kept.split()) == {"boat"}


def test_one_prompt_is_one() -> None:
    assert one_prompt('{"prompt": "a fine boat --seed 7"}') == "a fine boat"
    assert one_prompt("a fine boat") == "a fine boat"
    assert one_prompt("Sure!\na fine boat") == ""
    assert one_prompt('{"prompt": ["a"]}') == ""


def test_shortened_weighs_the_words_that_were_typed() -> None:
    reply = {
        "important": ["Boat", "red sails", "dragon"],
        "unimportant": ["very"],
        "prompts": ["red boat", "boat", "a prompt that is much longer than the one that was typed"],
    }
    found = shortened("a very nice boat, with red sails", json.dumps(reply), 5)
    told = [(one.word, one.weight) for one in found.words]
    assert told == [
        ("a", 0), ("very", -1), ("nice", 0), ("boat,", 1), ("with", 0), ("red", 1), ("sails", 1),
    ]  # fmt: skip
    assert found.prompts == ("red boat", "boat")


def test_shortened_by_numbered_lines_weighs_nothing() -> None:
    found = shortened("a very nice boat", "1. nice boat\n2. boat", 5)
    assert {one.weight for one in found.words} == {0}
    assert found.prompts == ("nice boat", "boat")


def test_a_prompt_is_links_words_and_parameters() -> None:
    parts = parted("https://x.example/a.png  a boat at sea --ar 3:2 --no birds")
    assert (parts.links, parts.words) == ("https://x.example/a.png", "a boat at sea")
    assert parts.around("a ship") == "https://x.example/a.png a ship --ar 3:2 --no birds"
    assert parted("a boat —ar 3:2") == Parts("", "a boat", "—ar 3:2")
    assert parted("an old-fashioned boat") == Parts("", "an old-fashioned boat", "")
    assert parted("--ar 3:2") == Parts("", "", "--ar 3:2")


def test_a_flag_is_taken_out_and_nothing_else() -> None:
    assert without_flag("--ar 3:2 --enhance --no birds", "enhance") == ("--ar 3:2 --no birds", True)
    assert without_flag("—Enhance", "enhance") == ("", True)
    assert without_flag("--enhanced --ar 3:2", "enhance") == ("--enhanced --ar 3:2", False)
