"""What a job starts from: the right pixels of the right pictures, or a fault that says why not."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageDraw

from farm.engine import canvas
from farm.engine.messages import Input, Picture, Render
from farm.engine.origins import Images, origin_of, read_inputs
from farm.engine.overlays import restored
from shared.errors import Fault
from shared.spec import Placement, RenderKind, RenderSpec, Source
from tests.farm.engine.desk import recipe

ONE, TWO, MASK = Source("one", "1" * 64), Source("two", "2" * 64), Source("mask", "9" * 64)


def noise(width: int = 64, height: int = 64, *, seed: int = 0) -> Image.Image:
    drawn = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(drawn)


def enlarged(picture: Image.Image, times: int) -> Image.Image:
    size = picture.width * times, picture.height * times
    return picture.resize(size, Image.Resampling.NEAREST)


def origin(spec: RenderSpec, *pictures: Image.Image, mask: Image.Image | None = None) -> Any:
    sources = (ONE, TWO)[: len(pictures)]
    images = {source.sha256: one for source, one in zip(sources, pictures, strict=True)}
    return origin_of(spec, images | ({MASK.sha256: mask} if mask else {}))


def drawing(kind: RenderKind, **changes: Any) -> RenderSpec:
    strength = 1.0 if kind is RenderKind.TEXT else 0.6
    plain: dict[str, Any] = {"kind": kind, "sources": (ONE,), "strength": strength}
    return recipe(**(plain | changes))


IMAGE = drawing(RenderKind.IMAGE)
PLACE = Placement(16, 16, 32, 32)
OUTPAINT = drawing(RenderKind.OUTPAINT, placement=PLACE)
BLEND = drawing(RenderKind.BLEND, sources=(ONE, TWO))


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and ImageChops.difference(one, other).getbbox() is None


# --- the way back from a delivered tile ----------------------------------------------------------


@pytest.mark.parametrize("times", [1, 2, 8, 16])
def test_a_tile_of_pixel_art_gives_back_its_native_pixels(times: int) -> None:
    native = noise()
    found = origin(IMAGE, enlarged(native, times))
    assert same(found.picture, native)
    assert found.mask is None


def test_what_is_no_pixel_art_is_smoothed() -> None:
    tile = enlarged(noise(), 8)
    smooth = origin(replace(IMAGE, pixel_art=False), tile).picture
    assert same(smooth, tile.resize((64, 64), Image.Resampling.LANCZOS))
    assert not same(smooth, noise())


def test_another_shape_is_cut_evenly_and_never_squeezed() -> None:
    wide = noise(96, 64)
    assert same(origin(IMAGE, enlarged(wide, 8)).picture, wide.crop((16, 0, 80, 64)))


def test_an_enlargement_is_smooth_whatever_block_the_tile_was_made_of() -> None:
    spec = drawing(RenderKind.UPSCALE, upscaler="latent", width=128, height=128)
    native = noise()
    found = origin(spec, enlarged(native, 8)).picture
    assert same(found, native.resize((128, 128), Image.Resampling.LANCZOS))


def test_a_flat_picture_and_a_small_one_are_no_trouble() -> None:
    flat = Image.new("RGB", (512, 512), (9, 8, 7))
    assert same(origin(IMAGE, flat).picture, Image.new("RGB", (64, 64), (9, 8, 7)))
    assert origin(IMAGE, noise(3, 5)).picture.size == (64, 64)
    assert origin(IMAGE, Image.new("RGB", (1, 1))).picture.size == (64, 64)


# --- masks and placements ------------------------------------------------------------------------


def test_a_masks_borders_stay_sharp() -> None:
    mask = Image.new("RGB", (512, 512))
    ImageDraw.Draw(mask).rectangle((256, 0, 511, 511), fill=(255, 255, 255))
    found = origin(drawing(RenderKind.INPAINT, mask=MASK), enlarged(noise(), 8), mask=mask)
    assert same(found.picture, noise())
    assert found.mask.mode == "L"
    assert np.array_equal(np.asarray(found.mask), np.repeat([[0] * 32 + [255] * 32], 64, axis=0))


def test_outpainting_places_the_source_and_masks_the_rest_with_a_seam() -> None:
    native = noise()
    found = origin(OUTPAINT, enlarged(native, 8))
    small = native.resize((32, 32), Image.Resampling.LANCZOS)
    assert same(found.picture.crop((16, 16, 48, 48)), small)
    mask = np.asarray(found.mask)
    seam = canvas.LEAST_OVERLAP
    assert not mask[16 + seam : 48 - seam, 16 + seam : 48 - seam].any()
    assert (mask == 255).sum() == 64 * 64 - (32 - 2 * seam) ** 2


def test_the_seam_is_only_where_something_is_drawn_beside() -> None:
    spec = replace(OUTPAINT, width=96, placement=Placement(0, 0, 64, 64))
    mask = np.asarray(origin(spec, noise()).mask)
    assert not mask[:, : 64 - canvas.LEAST_OVERLAP].any()
    assert mask[:, 64 - canvas.LEAST_OVERLAP :].all()


def test_what_reaches_over_the_canvas_is_cut_off() -> None:
    wide = noise(96, 64)
    spec = replace(OUTPAINT, width=96, placement=Placement(-32, 0, 96, 64))
    found = origin(spec, enlarged(wide, 8))
    assert same(found.picture.crop((0, 0, 64, 64)), wide.crop((32, 0, 96, 64)))
    assert np.asarray(found.mask)[:, 64:].all()


def test_around_the_source_lie_its_own_colours() -> None:
    """Neither black nor the source again: each side goes on in the colours of its edge."""
    halves = Image.new("RGB", (64, 64), (200, 40, 40))
    halves.paste((40, 40, 200), (0, 32, 64, 64))
    around = np.asarray(origin(OUTPAINT, halves).picture).astype(int)
    top, bottom = around[4, 32], around[60, 32]
    assert abs(top - (200, 40, 40)).max() < 12
    assert abs(bottom - (40, 40, 200)).max() < 12
    edges = around[:, 8]
    assert abs(np.diff(edges, axis=0)).max() < 30, "the surroundings are soft"


# --- blending ------------------------------------------------------------------------------------


def flat(colour: int) -> Image.Image:
    return Image.new("RGB", (64, 64), (colour, colour, colour))


@pytest.mark.parametrize(
    ("shares", "colour"), [((), 100), ((1.0, 1.0), 100), ((3.0, 1.0), 50), ((0.25, 0.75), 150)]
)
def test_a_blend_weighs_its_sources(shares: tuple[float, ...], colour: int) -> None:
    found = origin(replace(BLEND, shares=shares), flat(0), flat(200))
    assert same(found.picture, flat(colour))


def test_a_blend_brings_every_source_to_its_own_size_first() -> None:
    wide = noise(96, 64, seed=3)
    spec = replace(BLEND, shares=(1e-9, 1.0))
    found = origin(spec, flat(0), enlarged(wide, 8))
    assert same(found.picture, wide.crop((16, 0, 80, 64)))


# --- what cannot be drawn ------------------------------------------------------------------------

LATENT: dict[str, Any] = {"kind": RenderKind.UPSCALE, "upscaler": "latent"}
INPAINT: dict[str, Any] = {"kind": RenderKind.INPAINT, "mask": MASK}
NAN = float("nan")


def outpaint(*place: int) -> dict[str, Any]:
    return {"kind": RenderKind.OUTPAINT, "placement": Placement(*place)}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"kind": RenderKind.TEXT, "strength": 1.0}, "1 sources"),
        ({"kind": RenderKind.TEXT, "strength": 0.5, "sources": ()}, "noise alone"),
        ({"sources": ()}, "0 sources"),
        ({"sources": (ONE, TWO)}, "2 sources"),
        ({"kind": RenderKind.BLEND}, "1 sources"),
        ({"kind": RenderKind.BLEND, "sources": (ONE,) * 6}, "6 sources"),
        ({"strength": 1.01}, "strength"),
        ({"strength": -0.01}, "strength"),
        ({"strength": NAN}, "strength"),
        ({"stop": 0.0}, "stops"),
        ({"stop": 1.1}, "stops"),
        ({"stop": NAN}, "stops"),
        ({"mask": MASK}, "mask"),
        ({"kind": RenderKind.INPAINT}, "mask"),
        ({"kind": RenderKind.UPSCALE, "upscaler": "lanczos"}, "upscaler"),
        ({"kind": RenderKind.UPSCALE}, "upscaler"),
        ({"upscaler": "latent"}, "upscaler"),
        ({"shares": (1.0,)}, "shares"),
        ({"kind": RenderKind.BLEND, "sources": (ONE, TWO), "shares": (1.0,)}, "1 shares"),
        ({"kind": RenderKind.BLEND, "sources": (ONE, TWO), "shares": (1.0, 0.0)}, "share"),
        ({"kind": RenderKind.BLEND, "sources": (ONE, TWO), "shares": (1.0, NAN)}, "share"),
        ({"placement": PLACE}, "placement"),
        ({"kind": RenderKind.OUTPAINT}, "placement"),
        (outpaint(64, 0, 32, 32), "outside"),
        (outpaint(0, -32, 32, 32), "outside"),
        (outpaint(0, 0, 0, 32), "0x32"),
        (outpaint(0, 0, 32, -1), "32x-1"),
        (outpaint(0, 0, 257, 32), "257x32"),
        (outpaint(0, 0, 64, 64), "nothing to draw"),
        (outpaint(-8, -8, 80, 80), "nothing to draw"),
    ],
)
def test_what_does_not_go_with_its_kind_is_a_bad_spec(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(Fault, match=named) as fault:
        origin(replace(IMAGE, **changes), noise(), noise(), mask=noise())
    assert (fault.value.code, fault.value.retryable) == ("bad_spec", False)


@pytest.mark.parametrize(
    "changes", [{}, LATENT, INPAINT, outpaint(*(16, 16, 32, 32)), {"strength": 0.0}, {"stop": 0.1}]
)
def test_what_goes_with_its_kind_is_drawn(changes: dict[str, Any]) -> None:
    found = origin(replace(IMAGE, **changes), noise(), mask=noise())
    assert found.picture.size == (64, 64)


@pytest.mark.parametrize("spec", [IMAGE, OUTPAINT, BLEND, replace(IMAGE, **LATENT)])
def test_a_picture_that_was_not_sent_is_a_bad_spec(spec: RenderSpec) -> None:
    with pytest.raises(Fault, match="not sent"):
        origin_of(spec, {})


def test_a_mask_that_was_not_sent_is_a_bad_spec() -> None:
    with pytest.raises(Fault, match="not sent"):
        origin(replace(IMAGE, **INPAINT), noise())


def test_text_starts_from_nothing() -> None:
    found = origin(recipe())
    assert (found.picture, found.mask) == (None, None)


def test_pictures_arrive_as_they_were_sent() -> None:
    picture = noise(5, 3)
    sent = Input(ONE.sha256, 5, 3, picture.tobytes())
    images: Images = read_inputs(Render("job", 1, {}, inputs=[sent]))
    assert same(images[ONE.sha256], picture)
    with pytest.raises(Fault, match="is none"):
        read_inputs(Render("job", 1, {}, inputs=[Input(ONE.sha256, 5, 4, picture.tobytes())]))


# --- and afterwards ------------------------------------------------------------------------------


def drawn_over(spec: RenderSpec, picture: Image.Image, mask: Image.Image | None = None) -> Any:
    """A white drawing, with what was not to be drawn put back."""
    sent = [Input(ONE.sha256, *picture.size, picture.tobytes())]
    if mask:
        sent.append(Input(MASK.sha256, *mask.size, mask.convert("RGB").tobytes()))
    white = Picture(2, 64, 64, b"\xff" * (64 * 64 * 3), sha256="", seed=9)
    (over,) = restored(Render("job", 1, {}, inputs=sent), spec, [white])
    return over, np.frombuffer(over.rgb, np.uint8).reshape(64, 64, 3)


def test_what_was_not_drawn_is_the_source_again_and_what_was_is_not() -> None:
    mask = Image.new("L", (64, 64))
    mask.paste(255, (32, 0, 64, 64))
    black = Image.new("RGB", (64, 64))
    over, pixels = drawn_over(replace(IMAGE, **INPAINT), black, mask)
    assert (over.index, over.seed, len(over.sha256)) == (2, 9, 64)
    assert (pixels[:, 32:] == 255).all()
    assert not pixels[:, :28].any()
    border = pixels[32, 28:32, 0].astype(int)
    assert (np.diff(border) >= 0).all()
    assert 0 < border[-2] < 255, "the border is soft"


def test_pictures_drawn_as_a_whole_stay_as_they_are() -> None:
    over, pixels = drawn_over(IMAGE, noise())
    assert over.sha256 == ""
    assert (pixels == 255).all()
