"""From a prompt to the deterministic recipe, and from a recipe to its relatives."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.catalog import Checkpoint, read_catalog
from shared.config import SHARED
from shared.errors import Refusal
from shared.plans import Plan, read_plans
from shared.prompt import Prompt, parse
from shared.spec import (
    ControlUse,
    LoraUse,
    Placement,
    ReferenceUse,
    Refiner,
    RenderKind,
    RenderSpec,
    SizeHint,
    Source,
    Variation,
    resolve,
    size_notice,
)

POSTCARDS = read_catalog(SHARED / "catalog.toml").get("postcards")
BOOK = read_plans(SHARED / "plans.toml")
FREE, PAID, PRO = (BOOK.plan(name) for name in ("free", "paid", "pro"))
LARGE = replace(
    POSTCARDS,
    title="Large",
    sizes=(),
    native=512,
    multiple=8,
    max_area=768 * 768,
    steps=25,
    cannot=(),
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
        replace(BARE, stop=9),
        replace(BARE, stop=101),
    ],
)
def test_a_prompt_that_no_grammar_checked_is_checked_here(prompt: Prompt) -> None:
    with pytest.raises(Refusal) as refused:
        resolve(prompt, POSTCARDS, plan=PRO, seed=1)
    assert refused.value.code == "invalid_value"


def test_the_same_prompt_and_seed_give_the_same_recipe_and_another_seed_another() -> None:
    assert spec_of("a cat").sha256() == spec_of("a  cat").sha256()
    assert spec_of("a cat").sha256() != spec_of("a cat", seed=2).sha256()


EVERYTHING: dict[str, Any] = {
    "variation": Variation(5, 0.35, ((6, 0.7), (7, 0.35))),
    "kind": RenderKind.BLEND,
    "sources": (SOURCE, Source("a/1/b-3.png", "1" * 64)),
    "shares": (2.0, 1.0),
    "strength": 0.5,
    "mask": SOURCE,
    "placement": Placement(-8, 0, 64, 48),
    "upscaler": "latent",
    "rescale": 0.7,
    "clip_skip": 1,
    "eta": 0.3,
    "stop": 0.8,
    "loras": (LoraUse("sepia", -0.5),),
    "controls": (ControlUse("edges", SOURCE, 0.9, 0.1, 0.8, "canny"),),
    "references": (ReferenceUse("look", SOURCE, 0.4),),
    "embeddings": ("word",),
    "vae": "softer",
    "refiner": Refiner("finer", 0.7),
    "size_hint": SizeHint((64, 64), (1, 2)),
    "chaos": 0.3,
    "weird": 0.5,
    "tile": True,
    "hires": 1.5,
    "region": "the hat",
    "style_codes": (7, 8),
}


def test_every_field_of_a_recipe_survives_its_json() -> None:
    bare = spec_of("a::2 b --no c")
    whole = replace(bare, **EVERYTHING)
    for spec in (bare, whole, *(replace(bare, **{name: EVERYTHING[name]}) for name in EVERYTHING)):
        again = RenderSpec.from_dict(json.loads(json.dumps(spec.as_dict())))
        assert again == spec
        assert again.sha256() == spec.sha256()


@pytest.mark.parametrize("field", EVERYTHING)
def test_every_field_counts_for_the_hash(field: str) -> None:
    bare = spec_of("a cat")
    assert getattr(bare, field) != EVERYTHING[field]
    assert replace(bare, **{field: EVERYTHING[field]}).sha256() != bare.sha256()


def test_a_recipe_names_each_of_its_pictures_once() -> None:
    spec = replace(spec_of("a cat"), **EVERYTHING)
    assert spec.pictures == (SOURCE, Source("a/1/b-3.png", "1" * 64))
    assert spec_of("a cat").pictures == ()


@pytest.mark.parametrize(("text", "stop"), [("", 1.0), ("--stop 80", 0.8), ("--stop 100", 1.0)])
def test_stop_is_a_share_of_the_steps(text: str, stop: float) -> None:
    spec = spec_of(f"a cat {text}")
    assert (spec.stop, spec.steps) == (stop, 12)


@pytest.mark.parametrize(
    ("text", "least"), [("--stop 10", "--stop 13"), ("--steps 6 --stop 20", "--stop 25")]
)
def test_a_stop_after_one_step_is_refused_with_the_least_that_works(text: str, least: str) -> None:
    refused = refusal(f"a cat {text}")
    assert (refused.code, refused.field) == ("stopped_too_early", "stop")
    assert refused.sentence.endswith(f"Write {least} or more.")


def test_one_step_cannot_be_stopped_within() -> None:
    few = replace(POSTCARDS, min_steps=1)
    assert refusal("a cat --steps 1 --stop 50", checkpoint=few).sentence.endswith("Leave it out.")
    assert spec_of("a cat --steps 1 --stop 100", checkpoint=few).stop == 1.0


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("--chaos 30", "chaos", 0.3),
        ("--weird 1500", "weird", 0.5),
        ("--tile", "tile", True),
        ("--hires 1.5", "hires", 1.5),
        ("--draft", "steps", 12),
        ("--draft --steps 9", "steps", 6),
        ("--draft --q 2", "steps", 24),
    ],
)
def test_what_the_engine_is_asked_for(text: str, field: str, value: object) -> None:
    able = replace(LARGE, steps=24)
    assert getattr(spec_of(f"a cat {text}", checkpoint=able), field) == value
    bare = {"chaos": 0.0, "weird": 0.0, "tile": False, "hires": 0.0, "steps": 24}
    assert getattr(spec_of("a cat", checkpoint=able), field) == bare[field]


def test_a_second_pass_that_is_too_large_is_refused_with_what_fits() -> None:
    small = replace(LARGE, enlarged_area=768 * 768)
    refused = refusal("a cat --hires", checkpoint=small)
    assert (refused.code, refused.field) == ("too_large", "hires")
    assert "1.5 times it can" in refused.sentence
    assert spec_of("a cat --hires 1.5", checkpoint=small).hires == 1.5


def test_a_draft_keeps_the_checkpoints_floor_and_the_plan_counts_its_half() -> None:
    assert spec_of("a cat --draft").steps == 6
    assert spec_of("a cat --draft --steps 7").steps == 6
    assert spec_of("a cat --draft --steps 60", plan=FREE).steps == 30


@pytest.mark.parametrize(
    ("text", "ability", "field"),
    [
        ("--chaos 1", "chaos", "chaos"),
        ("--weird 1", "weird", "weird"),
        ("--tile", "tile", "tile"),
        ("--hires", "hires", "hires"),
        ("--no birds", "negative", "negative"),
    ],
)
def test_what_a_checkpoint_cannot_is_refused_by_name(text: str, ability: str, field: str) -> None:
    unable = replace(LARGE, cannot=(ability,))
    refused = refusal(f"a cat {text}", checkpoint=unable)
    assert (refused.code, refused.field) == ("unable", field)
    assert text.split()[0] in refused.sentence
    assert "Large" in refused.sentence
    assert spec_of(f"a cat {text}", checkpoint=LARGE)


def test_a_part_of_negative_weight_is_a_no() -> None:
    unable = replace(LARGE, cannot=("negative",))
    assert refusal("tulips:: red::-.5", checkpoint=unable).field == "prompt"


def test_chaos_zero_asks_for_nothing() -> None:
    assert spec_of("a cat --chaos 0", checkpoint=replace(LARGE, cannot=("chaos",))).chaos == 0


def test_a_second_pass_larger_than_the_checkpoint_draws_is_refused() -> None:
    small = replace(LARGE, enlarged_area=900 * 900)
    assert spec_of("a cat --hires 1.5", checkpoint=small).hires == 1.5
    refused = refusal("a cat --hires", checkpoint=small)
    assert (refused.code, refused.field) == ("too_large", "hires")
