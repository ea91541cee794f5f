"""--tile: edges meet in those forwards that ask for it, and nobody else notices."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from farm.engine.canvas import enlarged
from farm.engine.memory.pool import Pool
from farm.engine.seamless import Around, make_seamless, meets_from, wrapping
from shared.catalog import Catalog
from tests.farm.engine.desk import Desk, recipe
from tests.farm.engine.families.drive import picture
from tests.farm.engine.shelf import pool_of
from tests.farm.engine.test_contract import TINY, final_latents, spec_of

FLOWS = ("sd3", "flux-dev")
WRAPPING = ("sd15", "sdxl")


@pytest.fixture(scope="module")
def tiny(catalog: Catalog) -> Pool:
    return pool_of(catalog, {name: TINY[name] for name in (*WRAPPING, *FLOWS)})


def convolution() -> nn.Conv2d:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Conv2d(2, 3, 3, padding=1)


@torch.inference_mode()
def test_a_convolution_looks_around_the_edge_only_while_it_is_told_to() -> None:
    layer, rows = convolution(), torch.arange(2 * 6 * 8.0).view(1, 2, 6, 8).sin()
    before = layer(rows)
    make_seamless(layer)
    make_seamless(layer)  # once is enough
    assert torch.equal(layer(rows), before)
    for around, shifts in ((Around.ALL, (2, 3)), (Around.SIDES, (0, 3))):
        with wrapping(around):
            plain = layer(rows)
            shifted = layer(rows.roll(shifts, (2, 3)))
        assert torch.allclose(shifted, plain.roll(shifts, (2, 3)), atol=1e-6)
        assert not torch.allclose(before, plain, atol=1e-3)
    assert torch.equal(layer(rows), before)


def test_top_and_bottom_meet_once_the_layout_is_found() -> None:
    assert meets_from([999.0, 700.0, 400.0, 10.0], 1000) == 2
    assert meets_from([999.0, 700.0], 1000) == 2


@pytest.mark.parametrize("name", FLOWS)
def test_a_transformer_refuses(tiny: Pool, tmp_path: Path, name: str) -> None:
    desk = Desk(tiny, tmp_path)
    desk.admit(spec_of(name, "flow-euler", tile=True))
    assert desk.failed().code == "bad_spec"
    assert "edges" in desk.failed().sentence


@pytest.mark.parametrize("name", WRAPPING)
def test_jobs_beside_a_tile_are_what_they_are_alone(tiny: Pool, tmp_path: Path, name: str) -> None:
    specs = {"plain": spec_of(name, "euler"), "tile": spec_of(name, "euler", tile=True, seed=8)}
    alone = {job: final_latents(Desk(tiny, tmp_path / job), spec) for job, spec in specs.items()}
    desk = Desk(tiny, tmp_path / "together")
    jobs = {}
    for job, spec in specs.items():
        desk.admit(spec, job)
        jobs[job] = desk.engine.running[job].trajectories
    assert jobs["plain"][0].key != jobs["tile"][0].key
    desk.finish()
    for job, trajectories in jobs.items():
        assert torch.equal(trajectories[0].latents, alone[job][0])
    untiled = final_latents(Desk(tiny, tmp_path / "un"), replace(specs["tile"], tile=False))
    assert not torch.equal(untiled[0], alone["tile"][0])


def test_the_seam_of_a_postcard_is_as_smooth_as_its_inside(desk: Desk) -> None:
    """The step over the edge over the usual step inside, the mean of both directions."""

    def seam(tile: bool) -> float:
        spec = recipe("a green tree in a meadow by day", images=1, steps=8, tile=tile, seed=8)
        one = desk.render(spec, f"job-{tile}").pictures[0]
        rows = np.frombuffer(one.rgb, np.uint8).reshape(one.height, one.width, 3).astype(float)
        usual = [np.abs(np.diff(rows, axis=axis)).mean() for axis in (0, 1)]
        edges = np.abs(rows[0] - rows[-1]).mean(), np.abs(rows[:, 0] - rows[:, -1]).mean()
        return float(np.mean([edge / inside for edge, inside in zip(edges, usual, strict=True)]))

    assert seam(False) > 3
    assert seam(True) < 1.5


def test_a_picture_whose_edges_meet_is_enlarged_around_them() -> None:
    whole = picture(3)
    rolled = np.roll(np.asarray(whole), (32, 32), (0, 1))
    one = np.asarray(enlarged(whole, (128, 128), wraps=True)).astype(int)
    other = np.asarray(enlarged(Image.fromarray(rolled), (128, 128), wraps=True)).astype(int)
    assert np.abs(np.roll(one, (64, 64), (0, 1)) - other).max() <= 1
