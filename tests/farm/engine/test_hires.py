"""--hires: two passes in one job; its progress, snapshots, price and cancel hold in both."""

from pathlib import Path

import pytest
import torch

from farm.engine.memory.pool import Pool
from farm.engine.messages import Preview, Stepped
from shared.catalog import Catalog
from shared.cost import estimate_ms
from shared.hires import drawn_size
from shared.spec import Refiner, RenderSpec
from tests.farm.engine.desk import Desk, recipe
from tests.farm.engine.shelf import pool_of
from tests.farm.engine.test_contract import TINY, final_latents, spec_of

SAMPLERS = {"sd15": "dpm++2m", "sdxl": "euler-a", "sd3": "flow-euler", "flux-dev": "flow-euler"}


@pytest.fixture(scope="module")
def tiny(catalog: Catalog) -> Pool:
    return pool_of(catalog, {name: TINY[name] for name in SAMPLERS})


def of(name: str, **changes: object) -> RenderSpec:
    return spec_of(name, SAMPLERS[name], **{"images": 2, "hires": 2.0, **changes})


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_every_family_draws_its_picture_once_more_and_larger(
    tiny: Pool, tmp_path: Path, name: str
) -> None:
    spec = of(name, width=32) if name == "sd3" else of(name)  # it knows no place beyond 64
    pictures = Desk(tiny, tmp_path / "1").render(spec).pictures
    assert {(one.width, one.height) for one in pictures} == {(2 * spec.width, 2 * spec.height)}
    again = Desk(tiny, tmp_path / "2").render(spec).pictures
    assert [one.sha256 for one in again] == [one.sha256 for one in pictures]


@pytest.mark.parametrize("after", [3, 5, 6])
def test_a_killed_job_resumes_in_the_pass_it_was_in(tiny: Pool, tmp_path: Path, after: int) -> None:
    """Before the second pass, when its picture is about to be enlarged, and within it."""
    spec = of("sdxl", steps=5, images=1)
    (whole,) = final_latents(Desk(tiny, tmp_path / "whole"), spec)
    first = Desk(tiny, tmp_path / "shared")
    first.admit(spec)
    _forwards(first, after)
    first.engine.drain()
    second = Desk(tiny, tmp_path / "shared")
    second.admit(spec, attempt=2)
    job = second.engine.running["job"]
    assert job.done == after
    second.finish()
    assert torch.equal(job.trajectories[0].latents, whole)


def _forwards(desk: Desk, count: int) -> None:
    while desk.engine.counts["forwards"] < count:
        if desk.engine.idle and desk.engine.busy_beside:
            desk.settle()
        desk.steps(1)


def test_beside_other_jobs_it_is_what_it_is_alone(tiny: Pool, tmp_path: Path) -> None:
    large, plain = of("sd15"), of("sd15", hires=0.0, width=128, height=128, seed=3)
    alone = final_latents(Desk(tiny, tmp_path / "alone"), large)
    desk = Desk(tiny, tmp_path / "together")
    desk.admit(large, "large")
    job = desk.engine.running["large"]
    desk.admit(plain, "plain")
    desk.finish()
    for ours, theirs in zip(job.trajectories, alone, strict=True):
        assert torch.equal(ours.latents, theirs)


def test_progress_goes_on_to_the_end_and_previews_show_both_passes(desk: Desk) -> None:
    spec = recipe(steps=6, hires=1.5)
    desk.render(spec, preview_every=1)
    told = [one.step for one in desk.sent if isinstance(one, Stepped)]
    assert told == sorted(told)
    assert told[-1] == 6
    widths = {one.pictures[0].width for one in desk.sent if isinstance(one, Preview)}
    assert widths <= {64, 96}
    assert 64 in widths


def test_a_cancelled_job_leaves_nothing_behind(desk: Desk) -> None:
    desk.admit(recipe(steps=6, hires=1.5), snapshot_every=2)
    while not desk.engine.running["job"].mending:
        desk.steps(1)
    desk.engine.drop("job", forget=True)
    desk.settle()
    desk.finish()
    assert not desk.engine.running
    assert not [*desk.folder.root.rglob("*.snapshot")]


@pytest.mark.parametrize("name", ["sd15", "flux-dev"])
def test_the_price_covers_every_forward(
    tiny: Pool, catalog: Catalog, tmp_path: Path, name: str
) -> None:
    """In milliseconds of a forward of the native picture, were each worth one."""
    spec = of(name, images=1, steps=7)
    checkpoint = tiny.catalog.get(name)
    desk = Desk(tiny, tmp_path)
    desk.admit(spec)
    (one,) = desk.engine.running["job"].trajectories
    first, second = (leg.evaluations * leg.conditioning.rows for leg in one.legs)
    width, height = drawn_size(spec, checkpoint)
    small, large = spec.width * spec.height, width * height
    taken = (first * small + second * large) / checkpoint.native**2 * checkpoint.step_ms
    assert taken < estimate_ms(spec, checkpoint) <= 1.6 * taken + 10 * checkpoint.fixed_ms


def test_what_does_not_go_with_a_second_pass_is_named(tiny: Pool, tmp_path: Path) -> None:
    desk = Desk(tiny, tmp_path)
    desk.admit(of("sdxl", refiner=Refiner("sdxl", at=0.6), steps=8))
    assert "second pass and a refiner" in desk.failed().sentence
