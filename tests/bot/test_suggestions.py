"""What boxes offer: found by name, title and trigger word, however many there are."""

from dataclasses import replace

import pytest

from bot.suggestions import LONGEST, MOST, Entry, completions, label, offered, search, shelf_of
from shared.catalog import Catalog, read_catalog
from shared.config import SHARED
from shared.parameters import PARAMETERS

LORAS = tuple(
    Entry(f"style-{n}", f"Style {n}", (f"trigger{n}", "glow" if n % 50 == 0 else "ink"))
    for n in range(200)
)
SHELF = {
    "lora": (*LORAS, Entry("neon", "Neon"), Entry("sepia", "Sepia", ("old photo",))),
    "model": (Entry("postcards", "Postcards"), Entry("anime-xl", "Anime")),
    "sampler": (Entry("euler"), Entry("euler-a")),
}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return read_catalog(SHARED / "catalog.toml")


def test_two_hundred_loras_are_all_within_reach() -> None:
    assert len(search(LORAS, "")) == MOST
    for entry in LORAS[::9]:
        assert search(LORAS, entry.name)[0] is entry
        assert search(LORAS, entry.words[0])[0] is entry


def test_narrowing_words_must_all_be_there_and_names_come_first() -> None:
    assert [one.name for one in search(LORAS, "style glow")] == [
        f"style-{n}" for n in (0, 50, 100, 150)
    ]
    assert [one.name for one in search(LORAS, "glow 150")] == ["style-150"]
    assert next(iter(search(SHELF["lora"], "neon"))).name == "neon"
    assert [one.name for one in search(SHELF["lora"], "OLD")] == ["sepia"]


def test_a_slip_of_the_finger_still_finds_it() -> None:
    assert [one.name for one in offered(SHELF["lora"], "sepai")][:1] == ["sepia"]
    assert offered(SHELF["lora"], "zz") == []


def test_labels_fit_and_say_what_it_answers_to() -> None:
    assert label(Entry("neon", "Neon Lights", ("glow", "sign"), "Pro plan")) == (
        "Neon Lights (neon): glow, sign · Pro plan"
    )
    long = label(Entry("neon", "Neon", ("glow " * 60,), "Pro plan"))
    assert len(long) == LONGEST
    assert long.endswith("… · Pro plan")


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("a boat --lora ne", "a boat --lora neon"),
        ("a boat --lora neon:0.8, sep", "a boat --lora neon:0.8, sepia"),
        ("a boat --lora trigger77", "a boat --lora style-77"),
        ("a boat —lora ne", "a boat —lora neon"),
        ("a boat --model an", "a boat --model anime-xl"),
        ("--model ", "--model postcards"),
        ("a boat --sampler euler-", "a boat --sampler euler-a"),
        ("a boat --lor", "a boat --lora"),
        ("a boat --ar 3:2 --samp", "a boat --ar 3:2 --sampler"),
    ],
)
def test_the_box_completes_the_parameter_at_its_end(typed: str, first: str) -> None:
    assert completions(typed, SHELF)[0] == first


@pytest.mark.parametrize(
    "typed",
    [
        "a boat",
        "a boat --",
        "a boat --seed 7",
        "a boat --model postcards a",
        "a boat --lora neon:0.8",
        "a half-ne",
        "a boat --model postcards",
        "boat " * 20 + "--lora ne",
    ],
)
def test_nothing_is_offered_where_nothing_fits(typed: str) -> None:
    assert completions(typed, SHELF) == []


def test_what_is_offered_fits_into_the_box() -> None:
    many = completions("boat " * 15 + "--lora ", SHELF)
    assert 0 < len(many) <= MOST
    assert max(map(len, many)) <= LONGEST


def test_the_shelf_is_the_catalogs_own(catalog: Catalog) -> None:
    shelf = shelf_of(catalog)
    assert [one.name for one in shelf["lora"]] == ["sepia", "neon"]
    assert [one.name for one in shelf["model"]] == list(catalog.checkpoints)
    assert {"sepia", "neon"} <= {one.name for one in shelf["style"]}
    dear = replace(catalog.adapters["neon"], plan="pro")
    noted = shelf_of(replace(catalog, adapters={"neon": dear}))["lora"]
    assert [one.note for one in noted] == ["Pro plan"]
    assert set(shelf) <= {one.name for one in PARAMETERS}
