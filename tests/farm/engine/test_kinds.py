"""Every kind of recipe on the trained model, judged by the pixels that come out."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from farm.engine.client import EngineClient, EngineOptions
from farm.engine.memory.pool import Pool
from farm.engine.messages import Failed, Input, Picture, Render, Rendered
from farm.engine.overlays import restored
from shared.catalog import read_catalog
from shared.config import SHARED
from shared.lineage import (
    Direction,
    How,
    blend_spec,
    image_spec,
    inpaint_spec,
    pan_spec,
    upscale_latent_spec,
    vary_spec,
    zoom_spec,
)
from shared.plans import read_plans
from shared.spec import Placement, RenderSpec, Source, WeightedText
from tests.farm.engine.desk import PROMPTS, Desk, recipe

POSTCARDS = read_catalog(SHARED / "catalog.toml").get("postcards")
PLAN = read_plans(SHARED / "plans.toml").plan("pro")
ROOMY = replace(POSTCARDS, max_area=128 * 128)
CAT = "an orange cat in a meadow by day under a rainbow"
BOAT, HOUSE = recipe(PROMPTS[0], steps=12), recipe(PROMPTS[1], steps=12)
ORANGE_CAT = recipe(CAT, steps=12)
# Nothing drawn, only to latents and back: what the autoencoder alone changes in these pictures.
DECODER_ERROR = 5.0
Pixels = NDArray[np.float64]


class Easel:
    """Draws recipes one after the other, and keeps what was drawn of plain words."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.jobs = 0
        self.parents: dict[RenderSpec, list[Image.Image]] = {}

    def rendered(self, spec: RenderSpec, *sent: Input) -> list[Picture]:
        self.jobs += 1
        return self.desk.render(spec, f"job-{self.jobs}", inputs=list(sent)).pictures

    def draw(self, spec: RenderSpec, *sent: Input, images: int | None = None) -> list[Image.Image]:
        wanted = replace(spec, images=images or spec.images)
        return [image_of(one) for one in self.rendered(wanted, *sent)]

    def parent(self, spec: RenderSpec) -> Image.Image:
        if spec not in self.parents:
            self.parents[spec] = self.draw(spec, images=1)
        return self.parents[spec][0]

    def tile(self, spec: RenderSpec) -> tuple[Source, Input]:
        """As it was delivered: eight times as large."""
        native = self.parent(spec)
        size = native.width * 8, native.height * 8
        return sent(native.resize(size, Image.Resampling.NEAREST))


@pytest.fixture(scope="module")
def easel(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Easel:
    return Easel(Desk(pool, tmp_path_factory.mktemp("kinds")))


def image_of(picture: Picture) -> Image.Image:
    return Image.frombytes("RGB", (picture.width, picture.height), picture.rgb)


def sent(image: Image.Image) -> tuple[Source, Input]:
    rgb = image.tobytes()
    digest = hashlib.sha256(repr(image.size).encode() + rgb).hexdigest()
    return Source(f"{digest}.png", digest), Input(digest, image.width, image.height, rgb)


def pixels(image: Image.Image) -> Pixels:
    return np.asarray(image, dtype=np.float64)


def apart(one: Image.Image, *others: Image.Image) -> float:
    """Mean absolute difference of a pixel, of 255."""
    return float(np.mean([np.abs(pixels(one) - pixels(other)).mean() for other in others]))


def detail(image: Image.Image) -> float:
    """What a slight blur takes away."""
    return float((pixels(image) - pixels(image.filter(ImageFilter.BoxBlur(1)))).std())


# --- variations ----------------------------------------------------------------------------------


def test_subtle_stays_nearer_to_the_picture_than_strong_and_both_differ(easel: Easel) -> None:
    distances: dict[How, list[float]] = {how: [] for how in How}
    for spec in (BOAT, HOUSE, ORANGE_CAT):
        parent = easel.parent(spec)
        for how in How:
            varied = easel.draw(vary_spec(spec, 0, seed=99, how=how), images=3)
            assert min(apart(parent, one) for one in varied) > 0.5
            distances[how].append(apart(parent, *varied))
    subtle, strong = (float(np.mean(distances[how])) for how in How)
    assert subtle < 0.8 * strong


def test_a_picture_begun_from_another_is_nearer_to_it_the_less_is_redrawn(easel: Easel) -> None:
    source, tile = easel.tile(BOAT)
    parent = easel.parent(BOAT)
    begun = image_spec(replace(HOUSE, seed=5), source, strength=0.2)
    little, much = (
        apart(parent, *easel.draw(replace(begun, strength=strength), tile))
        for strength in (0.2, 0.8)
    )
    assert little < DECODER_ERROR < 10 < much


# --- a latent second pass ------------------------------------------------------------------------


@pytest.mark.parametrize(("factor", "side"), [(1.5, 96), (2.0, 128)])
def test_a_second_pass_keeps_the_composition_and_draws_the_rest_anew(
    easel: Easel, factor: float, side: int
) -> None:
    source, tile = easel.tile(BOAT)
    parent = easel.parent(BOAT)
    spec = upscale_latent_spec(BOAT, 0, source, checkpoint=ROOMY, factor=factor)
    (larger,) = easel.draw(spec, tile)
    assert larger.size == (side, side)
    again = larger.resize(parent.size, Image.Resampling.BOX)
    assert apart(parent, again) < 18
    assert apart(parent, again) < apart(easel.parent(HOUSE), again) / 3
    assert apart(larger, parent.resize(larger.size, Image.Resampling.LANCZOS)) > DECODER_ERROR


# --- outpainting ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("direction", "inside", "new"),
    [
        (Direction.RIGHT, (0, 0, 60, 64), (64, 0, 96, 64)),
        (Direction.LEFT, (36, 0, 96, 64), (0, 0, 32, 64)),
        (Direction.UP, (0, 36, 64, 96), (0, 0, 64, 32)),
    ],
)
def test_a_pan_keeps_the_picture_and_draws_on_beside_it(
    easel: Easel, direction: Direction, inside: Any, new: Any
) -> None:
    for spec in (BOAT, ORANGE_CAT):
        source, tile = easel.tile(spec)
        pan = pan_spec(spec, 0, source, direction=direction, checkpoint=POSTCARDS, seed=31)
        (wider,) = easel.draw(pan, tile, images=1)
        place = pan.placement or Placement(0, 0, 0, 0)
        box = inside[0] - place.left, inside[1] - place.top, inside[2] - place.left
        kept = easel.parent(spec).crop((*box, inside[3] - place.top))
        assert apart(kept, wider.crop(inside)) < DECODER_ERROR
        assert pixels(wider.crop(new)).mean() > 10
        assert detail(wider.crop(new)) > 1


@pytest.mark.parametrize(("direction", "seam"), [(Direction.RIGHT, 64), (Direction.LEFT, 32)])
def test_no_edge_shows_where_a_pan_begins(easel: Easel, direction: Direction, seam: int) -> None:
    for spec in (BOAT, ORANGE_CAT):
        source, tile = easel.tile(spec)
        pan = pan_spec(spec, 0, source, direction=direction, checkpoint=POSTCARDS, seed=31)
        (wider,) = easel.draw(pan, tile, images=1)
        changes = np.abs(np.diff(pixels(wider), axis=1)).mean(axis=(0, 2))
        assert changes[seam - 4 : seam + 4].max() < 2 * np.quantile(changes, 0.9)


@pytest.mark.parametrize("factor", [1.5, 2.0])
def test_zooming_out_shows_the_same_picture_smaller_amid_more_of_it(
    easel: Easel, factor: float
) -> None:
    source, tile = easel.tile(BOAT)
    zoom = replace(zoom_spec(BOAT, 0, source, factor=factor, seed=31), images=2)
    drawn = easel.rendered(zoom, tile)
    kept = restored(Render("job", 1, {}, inputs=[tile]), zoom, drawn)
    place = zoom.placement or Placement(0, 0, 0, 0)
    small = easel.parent(BOAT).resize((place.width, place.height), Image.Resampling.LANCZOS)
    edge = 5
    inner = small.crop((edge, edge, place.width - edge, place.height - edge))
    for one in map(image_of, kept):
        corner = place.left + edge, place.top + edge
        box = (*corner, corner[0] + inner.width, corner[1] + inner.height)
        assert apart(inner, one.crop(box)) == 0
        above, below = one.crop((0, 0, 64, place.top)), one.crop((0, 56, 64, 64))
        assert detail(above) > 1
        sky, sea = pixels(above).mean(axis=(0, 1)), pixels(below).mean(axis=(0, 1))
        assert sky[0] > sea[0] + 20, "a red sky goes on above"
        assert sea[1] > sky[1] + 20, "and a green-blue sea below"


# --- inpainting ----------------------------------------------------------------------------------


def test_inpainting_changes_what_the_mask_shows_and_nothing_else(easel: Easel) -> None:
    parent = easel.parent(BOAT)
    source, tile = easel.tile(BOAT)
    mask = Image.new("RGB", (64, 64))
    mask.paste((255, 255, 255), (32, 0, 64, 64))
    masked, shown = sent(mask)
    words = (WeightedText(PROMPTS[2]),)
    spec = inpaint_spec(BOAT, 0, source, mask=masked, seed=3, texts=words)
    for one in easel.draw(spec, tile, shown, images=2):
        left, right = (0, 0, 28, 64), (36, 0, 64, 64)
        assert apart(parent.crop(left), one.crop(left)) < DECODER_ERROR
        assert apart(parent.crop(right), one.crop(right)) > 30


# --- blending ------------------------------------------------------------------------------------


def test_a_blend_is_nearer_to_each_of_its_sources_than_an_unrelated_picture(easel: Easel) -> None:
    (boat, of_boat), (house, of_house) = easel.tile(BOAT), easel.tile(HOUSE)
    spec = blend_spec([boat, house], checkpoint=POSTCARDS, plan=PLAN, seed=5)
    blends = easel.draw(spec, of_boat, of_house)
    one, other, cat = (easel.parent(spec) for spec in (BOAT, HOUSE, ORANGE_CAT))
    for source in (one, other):
        assert apart(source, *blends) < apart(source, cat)
        assert apart(source, *blends) < 0.85 * apart(one, other)


def test_a_share_draws_the_blend_to_its_source(easel: Easel) -> None:
    (boat, of_boat), (house, of_house) = easel.tile(BOAT), easel.tile(HOUSE)
    distances = []
    for shares in ((4.0, 1.0), (1.0, 1.0), (1.0, 4.0)):
        spec = blend_spec([boat, house], shares, checkpoint=POSTCARDS, plan=PLAN, seed=5)
        blends = easel.draw(spec, of_boat, of_house, images=2)
        distances.append(apart(easel.parent(BOAT), *blends))
    assert distances[0] < distances[1] < distances[2]


# --- stopping ------------------------------------------------------------------------------------


def test_a_picture_stopped_half_way_is_alike_and_softer(easel: Easel) -> None:
    for spec in (BOAT, HOUSE, ORANGE_CAT):
        whole = easel.parent(spec)
        (half,) = easel.draw(replace(spec, stop=0.5), images=1)
        assert detail(half) < detail(whole)
        assert 0.5 < apart(whole, half) < 15


# --- what cannot be drawn, and what crosses the pipe ---------------------------------------------


def test_a_recipe_that_does_not_go_with_its_kind_fails_by_name(easel: Easel) -> None:
    source, tile = easel.tile(BOAT)
    wrong = image_spec(BOAT, source, strength=0.5)
    for nth, spec in enumerate((replace(wrong, sources=(source,) * 2), replace(wrong, stop=2.0))):
        easel.desk.admit(spec, f"wrong-{nth}", inputs=[tile])
        assert easel.desk.failed(f"wrong-{nth}").code == "bad_spec"
    easel.desk.admit(wrong, "missing", inputs=[])
    assert "not sent" in easel.desk.failed("missing").sentence


@pytest.fixture
async def child(tmp_path: Path) -> AsyncIterator[EngineClient]:
    options = EngineOptions(
        tmp_path / "snapshots", SHARED / "catalog.toml", threads=1, log_level="CRITICAL"
    )
    client = await EngineClient.start(options)
    yield client
    client.kill()
    await client.close()


async def test_pictures_cross_the_pipe_and_draw_the_same_there(
    easel: Easel, child: EngineClient
) -> None:
    source, tile = easel.tile(BOAT)
    spec = replace(image_spec(BOAT, source, strength=0.5), images=2)
    here = easel.rendered(spec, tile)
    await child.send(Render("job", 1, spec.as_dict(), snapshot_every=0, inputs=[tile]))
    async for message in child.messages():
        assert not isinstance(message, Failed), message
        if isinstance(message, Rendered):
            break
    assert isinstance(message, Rendered)
    assert [one.sha256 for one in message.pictures] == [one.sha256 for one in here]
