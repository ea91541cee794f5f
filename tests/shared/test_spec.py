"""From a prompt to the deterministic recipe, and from a recipe to its relatives."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.catalog import Checkpoint, read_catalog
from shared.config import SHARED
from shared.errors import Refusal
from shared.plans import Plan, read_plans
from shared.prompt import Prompt, parse
from shared.spec import (
    RenderSpec,
    Source,
    Variation,
    reroll_spec,
    resolve,
    size_notice,
    upscale_spec,
    vary_spec,
)

POSTCARDS = read_catalog(SHARED / "catalog.toml").get("postcards")
BOOK = read_plans(SHARED / "plans.toml")
FREE, PAID, PRO = (BOOK.plan(name) for name in ("free", "paid", "pro"))
LARGE = replace(
    POSTCARDS, title="Large", sizes=(), native=512, multiple=8, max_area=768 * 768, steps=25
)
SOURCE = Source(key="a/1/b-2.png", sha256="0" * 64)


def spec_of(
    text: str,
    *,
    plan: Plan = PRO,
    checkpoint: Checkpoint = POSTCARDS,
    seed: int = 1,
    copy: int = 0,
) -> RenderSpec:
    return resolve(parse(text), checkpoint, plan=plan, seed=seed, copy=copy)


def refusal(text: str, *, plan: Plan = PRO, checkpoint: Checkpoint = POSTCARDS) -> Refusal:
    with pytest.raises(Refusal) as refused:
        spec_of(text, plan=plan, checkpoint=checkpoint)
    return refused.value


def test_a_bare_prompt_takes_the_checkpoints_defaults() -> None:
    spec = spec_of("a cat", seed=9)
    assert (spec.checkpoint, spec.width, spec.height, spec.steps) == ("postcards", 64, 64, 12)
    assert (spec.guidance, spec.sampler, spec.seed, spec.images) == (4.0, "dpm++2m-karras", 9, 4)
    assert (spec.scale, spec.pixel_art, spec.negative) == (8, True, "")
    assert (spec.variation, spec.sources) == (None, ())


def test_what_was_typed_goes_before_every_default() -> None:
    typed = "cat::2 sea --no birds, rain --seed 7 --steps 20 --cfg 1 --sampler heun --ar 3:2"
    spec = spec_of(typed, seed=9)
    assert [(part.text, part.weight) for part in spec.texts] == [("cat", 2), ("sea", 1)]
    assert (spec.negative, spec.seed, spec.steps) == ("birds, rain", 7, 20)
    assert (spec.guidance, spec.sampler) == (1.0, "heun")
    assert (spec.width, spec.height) == (96, 64)


@pytest.mark.parametrize(
    ("aspect", "size"),
    [
        ("1:1", (64, 64)),
        ("3:2", (96, 64)),
        ("2:3", (64, 96)),
        ("300:200", (96, 64)),
        ("4:3", (96, 64)),
        ("3:4", (64, 96)),
        ("11:10", (64, 64)),
        ("10:11", (64, 64)),
    ],
)
def test_the_nearest_trained_size_is_drawn(aspect: str, size: tuple[int, int]) -> None:
    spec = spec_of(f"a cat --ar {aspect}")
    assert (spec.width, spec.height) == size


@pytest.mark.parametrize(
    ("aspect", "nearest"), [("16:9", "3:2"), ("9:16", "2:3"), ("1000:1", "3:2")]
)
def test_a_shape_it_never_saw_is_refused_with_the_range(aspect: str, nearest: str) -> None:
    refused = refusal(f"a cat --ar {aspect}")
    assert (refused.code, refused.field) == ("aspect_out_of_range", "aspect")
    assert "from 2:3 to 3:2" in refused.sentence
    assert f"--ar {nearest}." in refused.sentence


@pytest.mark.parametrize(
    ("aspect", "size"), [("1:1", (512, 512)), ("2:1", (720, 360)), ("1:2", (360, 720))]
)
def test_a_checkpoint_without_sizes_keeps_near_its_native_area(
    aspect: str, size: tuple[int, int]
) -> None:
    spec = spec_of(f"a cat --ar {aspect}", checkpoint=LARGE)
    assert (spec.width, spec.height) == size


@given(st.integers(100, 200), st.integers(100, 200))
@settings(max_examples=200, deadline=None)
def test_sizes_are_multiples_within_the_area_and_of_the_shape_asked_for(
    width: int, height: int
) -> None:
    spec = spec_of(f"a cat --ar {width}:{height}", checkpoint=LARGE)
    assert spec.width % 8 == spec.height % 8 == 0
    assert 0.7 * 512**2 <= spec.width * spec.height <= LARGE.max_area
    assert spec.width / spec.height == pytest.approx(width / height, rel=0.03)


@pytest.mark.parametrize("aspect", ["21:10", "10:21"])
def test_a_checkpoint_without_sizes_has_a_range_too(aspect: str) -> None:
    assert "from 1:2 to 2:1" in refusal(f"a cat --ar {aspect}", checkpoint=LARGE).sentence


def test_a_changed_shape_is_told_and_a_kept_one_is_not() -> None:
    told = size_notice(parse("a cat --ar 4:3"), spec_of("a cat --ar 4:3"), POSTCARDS)
    assert told == "Postcards draws 4:3 as 768x512, the nearest size it knows."
    for text in ("a cat", "a cat --ar 3:2", "a cat --ar 151:100"):
        assert size_notice(parse(text), spec_of(text), POSTCARDS) is None


@pytest.mark.parametrize(("quality", "steps"), [("0.25", 6), ("0.5", 6), ("1", 12), ("2", 24)])
def test_quality_scales_the_steps(quality: str, steps: int) -> None:
    assert spec_of(f"a cat --quality {quality}").steps == steps


def test_quality_never_means_no_step() -> None:
    small = replace(POSTCARDS, steps=1, min_steps=1)
    assert spec_of("a cat --q .25", checkpoint=small).steps == 1


def test_quality_scales_down_to_the_checkpoints_floor_and_no_further() -> None:
    assert spec_of("a cat --q .25", checkpoint=replace(POSTCARDS, min_steps=1)).steps == 3
    assert spec_of("a cat --q .25", checkpoint=replace(POSTCARDS, min_steps=5)).steps == 5


def test_fewer_steps_than_the_checkpoint_draws_well_with_are_refused() -> None:
    assert spec_of("a cat --steps 6").steps == 6
    refused = refusal("a cat --steps 5")
    assert (refused.code, refused.field) == ("too_few_steps", "steps")
    for named in ("--steps 5", "Postcards", "Write --steps 6 or more"):
        assert named in refused.sentence
    assert spec_of("a cat --steps 1", checkpoint=replace(POSTCARDS, min_steps=1)).steps == 1


def test_steps_and_quality_together_are_refused() -> None:
    assert refusal("a cat --steps 10 --q 2").code == "conflicting_parameters"


@pytest.mark.parametrize(("plan", "budget"), [(FREE, 30), (PAID, 50), (PRO, 80)])
def test_the_plans_step_budget_holds(plan: Plan, budget: int) -> None:
    assert spec_of(f"a cat --steps {budget}", plan=plan).steps == budget
    refused = refusal(f"a cat --steps {budget + 1}", plan=plan)
    assert (refused.code, refused.field) == ("too_many_steps", "steps")
    for named in (f"--steps {budget + 1}", plan.title, f"Write --steps {budget} or fewer"):
        assert named in refused.sentence


def test_quality_cannot_lift_the_step_budget() -> None:
    refused = refusal("a cat --q 2", plan=FREE, checkpoint=replace(POSTCARDS, steps=20))
    assert (refused.code, refused.field) == ("too_many_steps", "quality")
    assert "--quality 2 (40 steps)" in refused.sentence


def test_a_default_above_the_budget_is_cut_to_it() -> None:
    assert spec_of("a cat", plan=FREE, checkpoint=replace(POSTCARDS, steps=40)).steps == 30


def test_more_repeats_than_the_plan_allows_are_refused() -> None:
    assert spec_of("a cat --repeat 10", plan=PRO)
    refused = refusal("a cat --repeat 5", plan=PAID)
    assert (refused.code, refused.field) == ("too_many_repeats", "repeat")
    assert "Write --repeat 4 or fewer" in refused.sentence


def test_each_repeat_has_seeds_of_its_own() -> None:
    specs = [spec_of("a cat --seed 4294967294 --repeat 3", copy=copy) for copy in range(3)]
    seeds = [spec.image_seed(index) for spec in specs for index in range(spec.images)]
    assert seeds == [(4294967294 + index) % 2**32 for index in range(12)]


def test_a_sampler_that_the_checkpoint_lacks_is_refused_with_those_it_has() -> None:
    refused = refusal("a cat --sampler lcm", checkpoint=replace(POSTCARDS, samplers=("ddim",)))
    assert (refused.code, refused.field) == ("unknown_sampler", "sampler")
    assert refused.sentence.endswith("ddim.")


BARE = parse("a cat")


@pytest.mark.parametrize(
    "prompt",
    [
        replace(BARE, seed=2**32),
        replace(BARE, seed=-1),
        replace(BARE, guidance=20.5),
        replace(BARE, steps=0),
        replace(BARE, steps=-3),
    ],
)
def test_a_prompt_that_no_grammar_checked_is_checked_here(prompt: Prompt) -> None:
    with pytest.raises(Refusal) as refused:
        resolve(prompt, POSTCARDS, plan=PRO, seed=1)
    assert refused.value.code == "invalid_value"


def test_the_same_prompt_and_seed_give_the_same_recipe_and_another_seed_another() -> None:
    assert spec_of("a cat").sha256() == spec_of("a  cat").sha256()
    assert spec_of("a cat").sha256() != spec_of("a cat", seed=2).sha256()


def test_a_recipe_survives_its_json() -> None:
    varied = vary_spec(vary_spec(spec_of("a::2 b --no c"), 1, seed=5), 2, seed=6)
    for spec in (varied, upscale_spec(varied, 0, SOURCE), spec_of("a cat")):
        again = RenderSpec.from_dict(json.loads(json.dumps(spec.as_dict())))
        assert again == spec
        assert again.sha256() == spec.sha256()


def test_a_variation_leans_from_the_chosen_picture() -> None:
    parent = spec_of("a cat", seed=100)
    child = vary_spec(parent, 2, seed=7)
    assert child == replace(parent, seed=102, variation=Variation(7, 0.35))


def test_a_variation_of_a_variation_remembers_the_way() -> None:
    child = vary_spec(spec_of("a cat", seed=100), 2, seed=7, strength=0.5)
    grandchild = vary_spec(child, 3, seed=8)
    assert grandchild.seed == 102
    assert grandchild.variation == Variation(8, 0.35, earlier=((10, 0.5),))
    last = vary_spec(grandchild, 0, seed=9)
    assert last.variation == Variation(9, 0.35, earlier=((10, 0.5), (8, 0.35)))


def test_an_upscale_is_one_picture_twice_as_large_without_a_step() -> None:
    parent = spec_of("a cat", seed=100)
    larger = upscale_spec(parent, 3, SOURCE)
    assert (larger.images, larger.steps, larger.scale, larger.seed) == (1, 0, 16, 103)
    assert larger.sources == (SOURCE,)
    varied = upscale_spec(vary_spec(parent, 1, seed=7), 2, SOURCE)
    assert (varied.seed, varied.variation) == (9, None)


def test_a_reroll_changes_only_the_seed() -> None:
    parent = spec_of("a cat", seed=100)
    assert reroll_spec(parent, 5) == replace(parent, seed=5)
    varied = vary_spec(parent, 1, seed=7)
    assert reroll_spec(varied, 5) == replace(varied, variation=Variation(5, 0.35))


@pytest.mark.parametrize("index", [-1, 4])
def test_a_picture_that_is_not_there_is_refused(index: int) -> None:
    parent = spec_of("a cat")
    with pytest.raises(Refusal, match="1 to 4"):
        vary_spec(parent, index, seed=1)
    with pytest.raises(Refusal, match="1 to 4"):
        upscale_spec(parent, index, SOURCE)


def test_an_upscaled_picture_has_no_relatives() -> None:
    larger = upscale_spec(spec_of("a cat"), 0, SOURCE)
    with pytest.raises(Refusal, match="upscaled already"):
        vary_spec(larger, 0, seed=1)
    with pytest.raises(Refusal, match="upscaled already"):
        upscale_spec(larger, 0, SOURCE)
    with pytest.raises(Refusal, match="reroll its grid"):
        reroll_spec(larger, 1)
