"""A region named in words: found by the model itself, drawn anew there and nowhere else."""

import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from farm.engine import regions
from farm.engine.memory.pool import Pool
from farm.postcards.world import Scene
from shared.catalog import Catalog
from shared.errors import Fault
from shared.spec import RenderKind, RenderSpec, Source, WeightedText
from tests.farm.engine import postcard_truth
from tests.farm.engine.desk import Desk, recipe
from tests.farm.engine.families.drive import picture
from tests.farm.engine.postcard_truth import SUBJECT
from tests.farm.engine.shelf import pool_of
from tests.farm.engine.test_contract import TINY, spec_of

CAT = (
    Scene("cat", "orange", "grass", "day", ("rainbow",)),
    "an orange cat in a meadow by day under a rainbow",
)
HOUSE = (
    Scene("house", "blue", "snow", "night", ("moon",)),
    "a blue house in the snow at night with the moon",
)
CASTLE = (
    Scene("castle", "pink", "desert", "dawn", ("sun",)),
    "a pink castle in the desert at dawn, sun",
)


def named(prompt: str, words: str, **changes: object) -> RenderSpec:
    source = Source("tile", "0" * 64)
    plain = {"kind": RenderKind.INPAINT, "sources": (source,), "region": words, "images": 1}
    return recipe(prompt, **{**plain, **changes})


def found(pool: Pool, spec: RenderSpec, shown: Image.Image) -> np.ndarray:
    mask = regions.found(spec, pool.get("postcards").family, shown, turn=threading.Lock())
    return np.asarray(mask) > 127


@pytest.mark.parametrize(
    ("scene", "words", "what", "least"),
    [
        (CAT, "the orange cat", SUBJECT, 0.6),
        (HOUSE, "house", SUBJECT, 0.4),
        (CASTLE, "castle", SUBJECT, 0.4),
        (CASTLE, "sun", "sun", 0.3),
        ((CASTLE[0], "a cat in the desert at dawn"), "castle", SUBJECT, 0.35),
    ],
    ids=["cat", "house", "castle", "sun", "not in the prompt"],
)
def test_the_words_are_found_where_they_are(
    pool: Pool, scene: tuple[Scene, str], words: str, what: str, least: float
) -> None:
    shown = postcard_truth.painted(scene[0])
    mask = found(pool, named(scene[1], words), shown)
    assert postcard_truth.overlap(mask, postcard_truth.area(scene[0], what)) >= least


def test_the_contrast_is_the_prompt_without_the_words() -> None:
    assert regions.contrast(named("a Red boat at sea", "the red boat")) == (
        "a Red boat at sea",
        "a at sea",
    )
    assert regions.contrast(named("a red boat", "the sky")) == (
        "a red boat, the sky",
        "a red boat",
    )
    assert regions.contrast(named("", "the sky")) == ("the sky", "")
    two = named("", "cat", texts=(WeightedText("a cat"), WeightedText("rain", -0.5)))
    assert regions.contrast(two) == ("a cat", "a")


def test_it_is_the_same_each_time_and_drawn_there_alone(desk: Desk) -> None:
    shown = postcard_truth.painted(CAT[0])
    tile = regions.as_input(shown)
    source = Source("tile", tile.sha256)
    spec = named(CAT[1], "the orange cat", sources=(source,), steps=6, images=2)
    once, twice = (desk.render(spec, job, inputs=[tile]) for job in ("one", "two"))
    assert [one.sha256 for one in once.pictures] == [one.sha256 for one in twice.pictures]
    before = np.asarray(shown).astype(int)
    for one in once.pictures:
        after = np.frombuffer(one.rgb, np.uint8).reshape(before.shape).astype(int)
        changed = np.abs(after - before).sum(2) > 0
        assert 0.02 < changed.mean() < 0.6
        assert not changed[:8].any(), "the sky above is the source's own"


def test_a_killed_job_finds_it_again(desk: Desk, new_desk: object, tmp_path: Path) -> None:
    tile = regions.as_input(postcard_truth.painted(CAT[0]))
    spec = named(CAT[1], "cat", sources=(Source("tile", tile.sha256),), steps=6)
    whole = desk.render(spec, "whole", inputs=[tile]).pictures[0].sha256
    desk.admit(spec, "killed", inputs=[tile])
    desk.steps(3)
    desk.engine.drain()
    assert callable(new_desk)
    second = new_desk()
    second.admit(spec, "killed", attempt=2, inputs=[tile])
    assert second.engine.running["killed"].resumed_from == 3
    second.finish()
    assert second.rendered("killed").pictures[0].sha256 == whole


def test_what_is_nowhere_is_said_and_what_it_took_is_not_hidden(desk: Desk) -> None:
    flat = regions.as_input(Image.new("RGB", (64, 64), (120, 180, 240)))
    spec = named("a cat", "", sources=(Source("tile", flat.sha256),), region="zzz")
    desk.admit(spec, inputs=[flat])
    failed = desk.failed()
    assert (failed.code, failed.retryable) == ("region_not_found", False)
    assert "cells" in failed.sentence
    tile = regions.as_input(postcard_truth.painted(CAT[0]))
    seen = named(CAT[1], "cat", sources=(Source("tile", tile.sha256),))
    desk.admit(seen, "seen", inputs=[tile])
    assert desk.engine.running["seen"].gpu_ms > 0


@pytest.mark.parametrize(("name", "sampler"), [("sdxl", "euler"), ("sd3", "flow-euler")])
def test_other_families_look_too(catalog: Catalog, name: str, sampler: str) -> None:
    pool = pool_of(catalog, {name: TINY[name]})
    spec = spec_of(name, sampler, region="a boat", kind=RenderKind.INPAINT)
    heat = regions._heat(
        spec, pool.get(name).family, picture(3, spec.width, spec.height), threading.Lock()
    )
    scale = spec.width // heat.shape[1]
    assert heat.shape == (spec.height // scale, spec.width // scale)
    assert bool(heat.isfinite().all())
    assert heat.max() > 0


def test_a_flux_says_that_it_cannot(catalog: Catalog) -> None:
    pool = pool_of(catalog, {"flux-dev": TINY["flux-dev"]})
    spec = spec_of("flux-dev", "flow-euler", region="a boat", kind=RenderKind.INPAINT)
    with pytest.raises(Fault, match="finds no words"):
        regions.found(spec, pool.get("flux-dev").family, picture(3, 64, 32), turn=threading.Lock())
