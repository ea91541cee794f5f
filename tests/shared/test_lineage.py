"""From a recipe to its relatives: what stays, what changes, and what is refused with a fix."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog import Checkpoint, read_catalog
from shared.config import SHARED
from shared.errors import Refusal
from shared.framing import panned, squared, zoomed
from shared.lineage import (
    Direction,
    How,
    Upscale,
    blend_spec,
    image_spec,
    inpaint_spec,
    pan_spec,
    region_spec,
    reroll_spec,
    square_spec,
    upscale_latent_spec,
    upscale_spec,
    vary_spec,
    zoom_spec,
)
from shared.plans import read_plans
from shared.prompt import WeightedText, parse
from shared.spec import (
    ControlUse,
    LoraUse,
    Placement,
    RenderKind,
    RenderSpec,
    Source,
    Variation,
    resolve,
)

POSTCARDS = read_catalog(SHARED / "catalog.toml").get("postcards")
FREE, PRO = (read_plans(SHARED / "plans.toml").plan(name) for name in ("free", "pro"))
LARGE = replace(POSTCARDS, title="Large", sizes=(), native=512, max_area=1024 * 1024, steps=40)
SOURCE = Source(key="a/1/b-2.png", sha256="0" * 64)
OTHER = Source(key="a/1/b-3.png", sha256="1" * 64)
MASK = Source(key="a/1/m.png", sha256="2" * 64)


def spec_of(text: str, *, checkpoint: Checkpoint = POSTCARDS, seed: int = 1) -> RenderSpec:
    return resolve(parse(text), checkpoint, plan=PRO, seed=seed)


def refused(call: Callable[[], object]) -> Refusal:
    with pytest.raises(Refusal) as caught:
        call()
    assert caught.value.sentence.endswith(".")
    return caught.value


def zoom(parent: RenderSpec, index: int = 0, factor: float = 2.0) -> RenderSpec:
    return zoom_spec(parent, index, SOURCE, factor=factor, seed=5)


def pan(
    parent: RenderSpec, towards: Direction = Direction.RIGHT, checkpoint: Checkpoint = POSTCARDS
) -> RenderSpec:
    return pan_spec(parent, 0, SOURCE, direction=towards, checkpoint=checkpoint, seed=5)


def square(parent: RenderSpec, index: int = 0) -> RenderSpec:
    return square_spec(parent, index, SOURCE, checkpoint=POSTCARDS, seed=5)


def latent(parent: RenderSpec, index: int = 0, **options: object) -> RenderSpec:
    given = {"checkpoint": LARGE, **options}
    return upscale_latent_spec(parent, index, SOURCE, **given)  # type: ignore[arg-type]


def blend(sources: int = 2, shares: tuple[float, ...] = (), **options: object) -> RenderSpec:
    given = {"checkpoint": POSTCARDS, "plan": PRO, "seed": 5, **options}
    many = [Source("k", f"{n:064d}") for n in range(sources)]
    return blend_spec(many, shares, **given)  # type: ignore[arg-type]


# --- the same again, and nearly so ---------------------------------------------------------------


def test_a_variation_leans_from_the_chosen_picture() -> None:
    parent = spec_of("a cat", seed=100)
    child = vary_spec(parent, 2, seed=7)
    assert child == replace(parent, seed=102, variation=Variation(7, 0.35))


def test_a_variation_of_a_variation_remembers_the_way() -> None:
    child = vary_spec(spec_of("a cat", seed=100), 2, seed=7, how=How.STRONG)
    grandchild = vary_spec(child, 3, seed=8)
    assert grandchild.seed == 102
    assert grandchild.variation == Variation(8, 0.35, earlier=((10, 0.8),))
    last = vary_spec(grandchild, 0, seed=9)
    assert last.variation == Variation(9, 0.35, earlier=((10, 0.8), (8, 0.35)))


def test_an_upscale_is_one_picture_twice_as_large_without_a_step() -> None:
    parent = spec_of("a cat", seed=100)
    larger = upscale_spec(parent, 3, SOURCE, checkpoint=POSTCARDS)
    assert (larger.images, larger.steps, larger.scale, larger.seed) == (1, 0, 16, 103)
    assert larger.sources == (SOURCE,)
    varied = upscale_spec(vary_spec(parent, 1, seed=7), 2, SOURCE, checkpoint=POSTCARDS)
    assert (varied.seed, varied.variation) == (9, None)


def test_a_reroll_changes_only_the_seed() -> None:
    parent = spec_of("a cat", seed=100)
    assert reroll_spec(parent, 5) == replace(parent, seed=5)
    varied = vary_spec(parent, 1, seed=7)
    assert reroll_spec(varied, 5) == replace(varied, variation=Variation(5, 0.35))


def test_strong_leans_further_than_subtle() -> None:
    parent = spec_of("a cat")
    subtle, strong = (vary_spec(parent, 0, seed=7, how=how).variation for how in How)
    assert subtle is not None
    assert strong is not None
    assert 0 < subtle.strength < strong.strength < 1


@pytest.mark.parametrize("make", [zoom, pan, blend])
def test_what_came_from_a_picture_varies_from_its_own_tile(
    make: Callable[..., RenderSpec],
) -> None:
    parent = blend(2, (1.0, 3.0)) if make is blend else make(spec_of("a cat"))
    subtle, strong = (vary_spec(parent, 3, seed=7, how=how, source=OTHER) for how in How)
    assert (subtle.kind, subtle.sources, subtle.seed) == (RenderKind.IMAGE, (OTHER,), 7)
    assert (subtle.placement, subtle.shares, subtle.variation) == (None, (), None)
    assert 0 < subtle.strength < strong.strength < 1
    assert subtle.texts == parent.texts
    assert refused(lambda: vary_spec(parent, 3, seed=7)).field == "source"


def test_a_prompt_may_begin_from_a_picture() -> None:
    spec = spec_of("a cat --ar 3:2", seed=9)
    begun = image_spec(spec, SOURCE, strength=0.4)
    assert begun == replace(spec, kind=RenderKind.IMAGE, sources=(SOURCE,), strength=0.4)


@pytest.mark.parametrize("strength", [0.0, -0.1, 1.1, float("nan")])
def test_a_strength_that_is_none_is_refused(strength: float) -> None:
    refusal = refused(lambda: image_spec(spec_of("a cat"), SOURCE, strength=strength))
    assert refusal.field == "strength"


# --- larger --------------------------------------------------------------------------------------


def test_a_second_pass_has_more_pixels_of_its_own() -> None:
    parent = replace(vary_spec(spec_of("a cat --stop 50", seed=9), 1, seed=7), rescale=0.3)
    larger = latent(parent, 2)
    assert (larger.kind, larger.upscaler) == (RenderKind.UPSCALE, "latent")
    assert (larger.width, larger.height, larger.images, larger.scale) == (128, 128, 1, 8)
    assert (larger.seed, larger.variation, larger.sources) == (9, None, (SOURCE,))
    assert 0 < larger.strength < 0.5
    assert (larger.steps, larger.stop, larger.rescale) == (parent.steps, 1.0, 0.3)
    wide = latent(spec_of("a cat --ar 3:2"), factor=1.5)
    assert (wide.width, wide.height) == (144, 96)


@pytest.mark.parametrize("steps", [1, 6, 12, 49])
def test_the_subtle_pass_draws_less_and_never_nothing(steps: int) -> None:
    parent = replace(spec_of("a cat"), steps=steps)
    subtle, creative = (latent(parent, how=how).strength for how in Upscale)
    assert 1 <= int(steps * subtle) <= int(steps * creative) <= steps
    assert steps < 12 or subtle < creative


def test_a_region_is_named_in_words_in_place_of_a_mask() -> None:
    words = (WeightedText("a dog"),)
    spec = region_spec(
        spec_of("a cat --hires 1.5"), 1, SOURCE, words=" the cat ", seed=5, texts=words
    )
    assert (spec.kind, spec.region, spec.mask) == (RenderKind.INPAINT, "the cat", None)
    assert (spec.texts, spec.sources, spec.seed, spec.images) == (words, (SOURCE,), 5, 4)
    assert vary_spec(spec, 0, seed=6, source=OTHER).region == ""
    assert refused(lambda: region_spec(spec, 0, SOURCE, words=" ", seed=5)).field == "words"


def test_an_upscale_begins_from_what_the_second_pass_drew() -> None:
    parent = replace(spec_of("a cat"), hires=1.5)
    larger = upscale_spec(parent, 0, SOURCE, checkpoint=POSTCARDS)
    assert (larger.width, larger.height, larger.scale, larger.hires) == (96, 96, 16, 0.0)
    assert latent(parent, factor=1.5).width == 144
    assert vary_spec(parent, 0, seed=7).hires == 1.5
    assert zoom(parent).hires == 0.0


def test_what_the_checkpoint_cannot_draw_is_refused_with_another_way() -> None:
    small = replace(POSTCARDS, enlarged_area=6144)
    refusal = refused(lambda: latent(spec_of("a cat"), checkpoint=small))
    assert (refusal.code, refusal.field) == ("too_large", "factor")
    assert "128x128" in refusal.sentence
    exact = replace(POSTCARDS, enlarged_area=128 * 128)
    assert latent(spec_of("a cat"), checkpoint=exact).width == 128
    assert latent(spec_of("a cat --ar 3:2"), checkpoint=POSTCARDS).width == 192
    assert refused(lambda: latent(spec_of("a cat"), factor=3.0)).field == "factor"


# --- outpainting ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("aspect", "factor", "place"),
    [
        ("1:1", 2.0, Placement(16, 16, 32, 32)),
        ("1:1", 1.5, Placement(10, 10, 43, 43)),
        ("3:2", 2.0, Placement(24, 16, 48, 32)),
    ],
)
def test_zooming_out_keeps_the_size_and_shrinks_the_picture(
    aspect: str, factor: float, place: Placement
) -> None:
    parent = spec_of(f"a cat --ar {aspect}")
    wider = zoom(parent, factor=factor)
    assert (wider.kind, wider.placement) == (RenderKind.OUTPAINT, place)
    assert (wider.width, wider.height, wider.images) == (parent.width, parent.height, 4)
    assert (wider.seed, wider.sources, wider.texts) == (5, (SOURCE,), parent.texts)


@pytest.mark.parametrize("factor", [1.0, 1.05, 0.5, 3.0, float("nan")])
def test_zooming_goes_within_a_range(factor: float) -> None:
    refusal = refused(lambda: zoom(spec_of("a cat"), factor=factor))
    assert (refusal.field, "1.1 to 2 times" in refusal.sentence) == ("factor", True)


@pytest.mark.parametrize(
    ("towards", "size", "place"),
    [
        (Direction.RIGHT, (96, 64), Placement(0, 0, 64, 64)),
        (Direction.LEFT, (96, 64), Placement(32, 0, 64, 64)),
        (Direction.DOWN, (64, 96), Placement(0, 0, 64, 64)),
        (Direction.UP, (64, 96), Placement(0, 32, 64, 64)),
    ],
)
def test_panning_a_square_adds_half_of_it_at_that_side(
    towards: Direction, size: tuple[int, int], place: Placement
) -> None:
    panned = pan(spec_of("a cat"), towards)
    assert ((panned.width, panned.height), panned.placement) == (size, place)


@pytest.mark.parametrize(
    ("towards", "place"),
    [
        (Direction.RIGHT, Placement(-32, 0, 96, 64)),
        (Direction.LEFT, Placement(32, 0, 96, 64)),
        (Direction.DOWN, Placement(0, -24, 96, 64)),
        (Direction.UP, Placement(0, 24, 96, 64)),
    ],
)
def test_where_the_canvas_cannot_grow_the_window_moves_on(
    towards: Direction, place: Placement
) -> None:
    panned = pan(spec_of("a cat --ar 3:2"), towards)
    assert ((panned.width, panned.height), panned.placement) == ((96, 64), place)


def test_without_a_list_of_sizes_the_canvas_grows_as_far_as_area_and_shape_allow() -> None:
    assert panned((512, 512), Direction.RIGHT, LARGE) == ((768, 512), Placement(0, 0, 512, 512))
    assert panned((768, 512), Direction.LEFT, LARGE)[0] == (768, 512)  # 1152x512 is too wide
    small = replace(LARGE, max_area=512 * 512)
    assert panned((512, 512), Direction.UP, small) == ((512, 512), Placement(0, 168, 512, 512))


@given(
    st.sampled_from(POSTCARDS.sizes),
    st.sampled_from(Direction),
    st.sampled_from((POSTCARDS, LARGE)),
)
def test_a_pan_keeps_every_pixels_size_and_draws_something(
    size: tuple[int, int], towards: Direction, checkpoint: Checkpoint
) -> None:
    canvas, place = panned(size, towards, checkpoint)
    assert (place.width, place.height) == size
    assert canvas[0] % checkpoint.multiple == canvas[1] % checkpoint.multiple == 0
    seen = [
        max(0, min(all_, start + long) - max(0, start))
        for start, long, all_ in zip((place.left, place.top), size, canvas, strict=True)
    ]
    assert 0.5 < seen[0] * seen[1] / (canvas[0] * canvas[1]) < 0.75
    assert (place.left > 0) == (towards is Direction.LEFT)
    assert (place.top > 0) == (towards is Direction.UP)


def test_a_square_holds_the_whole_picture() -> None:
    whole = square(spec_of("a cat --ar 3:2"))
    assert ((whole.width, whole.height), whole.placement) == ((64, 64), Placement(0, 10, 64, 43))
    assert squared((64, 96), POSTCARDS)[1] == Placement(10, 0, 43, 64)
    assert zoomed((64, 64), 2.0) == Placement(16, 16, 32, 32)
    assert refused(lambda: square(spec_of("a cat"))).code == "already_square"


def test_outpainting_leaves_out_what_was_made_for_the_picture_as_it_stood() -> None:
    control = ControlUse("edges", SOURCE)
    parent = replace(spec_of("a cat"), controls=(control,), loras=(LoraUse("sepia"),))
    wider = zoom(parent)
    assert (wider.controls, wider.loras) == ((), parent.loras)
    assert wider.guidance < parent.guidance
    assert zoom(replace(parent, guidance=1.0)).guidance == 1.0
    assert 0.5 < wider.strength < 1


# --- inpainting and blending ---------------------------------------------------------------------


def test_redrawing_a_part_takes_new_words_or_the_old_ones() -> None:
    parent = vary_spec(spec_of("a cat"), 0, seed=8)
    same = inpaint_spec(parent, 1, SOURCE, mask=MASK, seed=5)
    assert (same.kind, same.mask, same.sources) == (RenderKind.INPAINT, MASK, (SOURCE,))
    assert (same.texts, same.strength, same.variation) == (parent.texts, 1.0, None)
    words = (WeightedText("a dog"),)
    assert inpaint_spec(parent, 1, SOURCE, mask=MASK, seed=5, texts=words).texts == words


def test_a_blend_takes_the_checkpoints_ways() -> None:
    spec = blend(3, (1.0, 2.0, 1.0))
    assert (spec.kind, len(spec.sources), spec.shares) == (RenderKind.BLEND, 3, (1.0, 2.0, 1.0))
    assert (spec.width, spec.height, spec.images, spec.steps) == (64, 64, 4, 12)
    assert spec.texts == (WeightedText(""),)
    assert blend(aspect=(3, 2)).width == 96
    assert blend(texts=(WeightedText("a cat"),)).texts == (WeightedText("a cat"),)
    assert blend(checkpoint=LARGE, plan=FREE).steps == FREE.step_budget < LARGE.steps


@pytest.mark.parametrize("sources", [0, 1, 6])
def test_a_blend_is_of_two_to_five_pictures(sources: int) -> None:
    refusal = refused(lambda: blend(sources))
    assert (refusal.field, "2 to 5" in refusal.sentence) == ("sources", True)


@pytest.mark.parametrize(
    "shares", [(1.0,), (1.0, 1.0, 1.0), (1.0, 0.0), (1.0, -1.0), (1.0, float("inf"))]
)
def test_each_source_of_a_blend_has_a_share(shares: tuple[float, ...]) -> None:
    assert refused(lambda: blend(2, shares)).field == "shares"


# --- pictures that are not there -----------------------------------------------------------------

Make = Callable[[RenderSpec, int], RenderSpec]
RELATIVES: tuple[Make, ...] = (
    lambda parent, index: vary_spec(parent, index, seed=1),
    lambda parent, index: upscale_spec(parent, index, SOURCE, checkpoint=POSTCARDS),
    latent,
    zoom,
    lambda parent, index: pan_spec(
        parent, index, SOURCE, direction=Direction.UP, checkpoint=POSTCARDS, seed=1
    ),
    square,
    lambda parent, index: inpaint_spec(parent, index, SOURCE, mask=MASK, seed=1),
)


@pytest.mark.parametrize("make", RELATIVES)
def test_a_picture_that_is_not_there_is_refused(make: Make) -> None:
    parent = spec_of("a cat --ar 3:2")
    make(parent, 3)
    for index in (-1, 4):
        assert "1 to 4" in refused(lambda: make(parent, index)).sentence  # noqa: B023


@pytest.mark.parametrize("make", RELATIVES)
def test_an_upscaled_picture_has_no_relatives(make: Make) -> None:
    for larger in (
        upscale_spec(spec_of("a cat"), 0, SOURCE, checkpoint=POSTCARDS),
        latent(spec_of("a cat")),
    ):
        assert refused(lambda: make(larger, 0)).code == "already_upscaled"  # noqa: B023
        assert "reroll its grid" in refused(lambda: reroll_spec(larger, 1)).sentence  # noqa: B023
