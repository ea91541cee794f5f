"""Styles, style codes and LoRAs: what a recipe wears and is told, and which names are refused."""

from dataclasses import replace
from typing import Any

import pytest

from shared.catalog import Catalog, Checkpoint, read_catalog
from shared.config import SHARED
from shared.errors import Refusal
from shared.looks import WORDS_SHARE
from shared.notices import notices
from shared.plans import read_plans
from shared.prompt import parse
from shared.spec import LoraUse, RenderSpec, resolve
from shared.styles import Style, drawn_code, mixed, read_styles, strength_of
from shared.weights import WeightedText

CATALOG = read_catalog(SHARED / "catalog.toml")
POSTCARDS = CATALOG.get("postcards")
PRO = read_plans(SHARED / "plans.toml").plan("pro")
WORDY = replace(POSTCARDS, styles={"calm": Style(name="calm", title="Calm", words="soft light")})
BARE = replace(POSTCARDS, styles={})


def spec_of(text: str, checkpoint: Checkpoint = POSTCARDS, seed: int = 1) -> RenderSpec:
    return resolve(parse(text), checkpoint, plan=PRO, seed=seed, catalog=CATALOG)


def loras(text: str, checkpoint: Checkpoint = POSTCARDS) -> dict[str, float]:
    return {use.name: use.weight for use in spec_of(text, checkpoint).loras}


def refusal(text: str, checkpoint: Checkpoint = POSTCARDS) -> Refusal:
    with pytest.raises(Refusal) as refused:
        spec_of(text, checkpoint)
    return refused.value


@pytest.mark.parametrize(
    ("stylize", "strength"), [(None, 1), (0, 0), (50, 0.5), (100, 1), (550, 1.5), (1000, 2)]
)
def test_stylize_is_as_made_at_a_hundred_and_twice_that_at_most(
    stylize: int | None, strength: float
) -> None:
    assert strength_of(stylize) == strength


@pytest.mark.parametrize(
    ("text", "worn"),
    [
        ("", {}),
        ("--style sepia", {"sepia": 1.0}),
        ("--style Neon --s 50", {"neon": 0.5}),
        ("--style neon --s 0", {}),
        ("--style neon --s 1000", {"neon": 2.0}),
        ("--style raw", {}),
        ("--lora sepia", {"sepia": 1.0}),
        ("--lora sepia:-.5 NEON:2", {"sepia": -0.5, "neon": 2.0}),
        ("--style sepia --lora sepia:0.3", {"sepia": 0.3}),
        ("--style sepia --lora neon:0", {"sepia": 1.0}),
        ("--style sepia --s 50 --lora neon:.2", {"sepia": 0.5, "neon": 0.2}),
    ],
)
def test_what_a_recipe_wears(text: str, worn: dict[str, float]) -> None:
    assert loras(f"a cat {text}") == worn


def test_the_checkpoints_own_style_acts_unless_raw_or_another_is_asked_for() -> None:
    own = replace(POSTCARDS, style="sepia")
    assert loras("a cat", own) == {"sepia": 1.0}
    assert loras("a cat --s 200", own) == {"sepia": pytest.approx(1.1111)}
    assert loras("a cat --style neon", own) == {"neon": 1.0}
    assert loras("a cat --raw", own) == loras("a cat --style raw", own) == {}


def test_words_of_a_style_stand_beside_the_prompts_by_their_share() -> None:
    told = spec_of("hot::3 dog --style calm", WORDY).texts
    assert told == (
        WeightedText("hot", 3),
        WeightedText("dog"),
        WeightedText("soft light", 4 * WORDS_SHARE),
    )
    assert spec_of("a cat --style calm --s 0", WORDY).texts == (WeightedText("a cat"),)


def test_an_adapters_own_weight_holds_where_nobody_says() -> None:
    faint = replace(CATALOG.adapters["sepia"], weight=0.4)
    shelf = Catalog(CATALOG.checkpoints, "postcards", {"sepia": faint})
    spec = resolve(parse("a cat --lora sepia"), POSTCARDS, plan=PRO, seed=1, catalog=shelf)
    assert spec.loras == (LoraUse("sepia", 0.4),)


def test_a_code_mixes_the_styles_always_alike_and_one_of_them_whole() -> None:
    assert mixed(7, POSTCARDS.styles) == mixed(7, POSTCARDS.styles) != mixed(8, POSTCARDS.styles)
    for code in range(50):
        shares = mixed(code, POSTCARDS.styles).values()
        assert max(shares) == 1
        assert min(shares) > 0
    assert max(loras("a cat --sref 7").values()) == 1
    assert max(loras("a cat --sref 7 --sw 50").values()) == 0.5
    assert spec_of("a cat --sref 7").style_codes == (7,)


def test_several_codes_share_by_their_weights() -> None:
    first, second = mixed(7, POSTCARDS.styles), mixed(8, POSTCARDS.styles)
    worn = loras("a cat --sref 7::3 8")
    for name, weight in worn.items():
        assert weight == pytest.approx(0.75 * first[name] + 0.25 * second[name], abs=1e-3)


def test_random_draws_a_code_and_tells_it() -> None:
    prompt = parse("a red boat --sref random")
    spec = resolve(prompt, POSTCARDS, plan=PRO, seed=5, catalog=CATALOG)
    assert spec.style_codes == (drawn_code(5, 0),) != (drawn_code(6, 0),)
    assert notices(prompt, spec, POSTCARDS) == (
        f"The style was drawn by chance: --sref {drawn_code(5, 0)} gives it again.",
    )
    again = resolve(parse(f"a red boat --sref {drawn_code(5, 0)}"), POSTCARDS, plan=PRO, seed=9)
    assert again.loras == spec.loras
    repeated = resolve(prompt, POSTCARDS, plan=PRO, seed=5, copy=1)
    assert repeated.style_codes == spec.style_codes


@pytest.mark.parametrize("text", ["--sref 7", "--sref random"])
def test_codes_want_styles(text: str) -> None:
    refused = refusal(f"a cat {text}", BARE)
    assert (refused.code, refused.field) == ("no_styles", "style_refs")
    assert "Postcards has no styles" in refused.sentence


@pytest.mark.parametrize(
    ("text", "code", "field", "named"),
    [
        (
            "--style sepa",
            "unknown_style",
            "style",
            "Did you mean --style sepia? It has: sepia, neon.",
        ),
        ("--style cute", "unknown_style", "style", "It has: sepia, neon."),
        ("--lora sepa", "unknown_adapter", "lora", "Did you mean “sepia”? These fit: sepia, neon."),
        ("--lora edges", "unknown_adapter", "lora", "These fit: sepia, neon."),
    ],
)
def test_names_that_are_not_there_are_refused_with_those_that_are(
    text: str, code: str, field: str, named: str
) -> None:
    refused = refusal(f"a cat {text}")
    assert (refused.code, refused.field) == (code, field)
    assert named in refused.sentence


def test_a_checkpoint_without_styles_says_so() -> None:
    assert "It has none" in refusal("a cat --style sepia", BARE).sentence


def test_a_lora_of_another_family_is_refused() -> None:
    other = replace(POSTCARDS, family="sdxl", title="Large")
    refused = refusal("a cat --lora sepia", other)
    assert refused.code == "unfit_adapter"
    assert "made for another kind of checkpoint" in refused.sentence


def test_stylize_that_does_nothing_is_told() -> None:
    for text, told in (
        ("a cat --s 5", "--style: sepia, neon"),
        ("a cat --s 5 --raw", "did nothing"),
    ):
        (notice,) = notices(parse(text), spec_of(text), POSTCARDS)
        assert told in notice
    assert notices(parse("a cat --s 5 --style neon"), spec_of("a cat"), POSTCARDS) == ()


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ({"raw": {"lora": "sepia"}}, "raw cannot be typed"),
        ({"Sepia": {"lora": "sepia"}}, "Sepia cannot be typed"),
        ({"a b": {"words": "x"}}, "a b cannot be typed"),
        ({"calm": {}}, "calm needs words or lora"),
        ({"calm": {"words": "x", "weight": 0.0}}, "calm: weight"),
        ({"calm": {"words": "x", "weight": 2.5}}, "calm: weight"),
        ({"calm": {"words": "x", "colour": "y"}}, "calm: unknown fields: colour"),
        ({"calm": 7}, "calm must be a table"),
        (7, "must be tables by name"),
    ],
)
def test_a_style_that_nobody_could_use_stops_the_start(rows: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        read_styles(rows)
