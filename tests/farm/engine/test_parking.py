"""A faster job takes the next step; whoever gives way for it loses no step and no bit."""

import gc
import logging
import random
import weakref
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from farm.engine.cohort import Cohort, Denoised
from farm.engine.memory.headroom import Headroom
from farm.engine.memory.pool import Pool
from farm.engine.messages import Failed, GivenBack, Paused, Preview, Rendered, Stepped
from farm.engine.parking import SHELVED_AFTER_S, TOLD_AFTER_S
from farm.engine.snapshots import SnapshotFolder
from shared.catalog import Catalog, samplers_of
from shared.spec import RenderSpec
from tests.farm.engine.desk import PROMPTS, Desk, recipe
from tests.farm.engine.shelf import pool_of
from tests.farm.engine.test_contract import TINY, WIDE, spec_of

NewDesk = Callable[..., Desk]
SEED = 41
CELLS = [(name, sampler) for name in WIDE for sampler in samplers_of(TINY[name][0])]


def hashes(rendered: Rendered) -> list[str]:
    return [picture.sha256 for picture in rendered.pictures]


def turbo(number: int = 0, **changes: Any) -> RenderSpec:
    """A guided picture: two rows."""
    plain: dict[str, Any] = {"seed": 100 + number, "images": 1, "steps": 3, "sampler": "euler"}
    return recipe(PROMPTS[1], **plain | changes)


def final(desk: Desk, spec: RenderSpec) -> list[Tensor]:
    desk.admit(spec, "relaxed", rank=2)
    job = desk.engine.running["relaxed"]
    desk.finish()
    return [one.latents for one in job.trajectories]


def park(desk: Desk, spec: RenderSpec, *, name: str = "turbo") -> None:
    """At the next step nobody of the relaxed job runs, and all of this one."""
    job = desk.engine.running["relaxed"]
    before = [one.done for one in job.trajectories]
    desk.admit(spec, name, rank=0)
    desk.steps(1)
    faster = desk.engine.running.get(name)
    assert faster is None or all(one.done == 1 for one in faster.trajectories)
    assert [one.done for one in job.trajectories] == before


def parked_often(desk: Desk, spec: RenderSpec, *, dice: random.Random) -> Any:
    """The relaxed job of `spec`, parked at three of its steps for a faster one each time."""
    desk.engine.clock = Watch()
    desk.admit(spec, "relaxed", rank=2)
    job = desk.engine.running["relaxed"]
    stops = sorted(dice.sample(range(1, job.trajectories[0].evaluations), 3))
    for number, stop in enumerate(stops):
        desk.steps(stop - job.trajectories[0].done)
        park(desk, replace(spec, seed=number, steps=3), name=f"turbo-{number}")
        while f"turbo-{number}" in desk.engine.running:
            desk.steps(1)
    desk.finish()
    return job


class Watch:
    """Moves by a millisecond with each look, and by what a test adds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


# --- the same pixels -------------------------------------------------------------------------


# With the trained model some of each kind; the rest is `slow`, and small models try them all below.
SOME = {"euler", "euler-a", "dpm++2m-karras", "ddim", "heun", "unipc", "pndm", "lcm"}


@pytest.mark.parametrize(
    "sampler",
    [
        pytest.param(name, marks=[] if name in SOME else [pytest.mark.slow])
        for name in samplers_of("sd15")
    ],
)
def test_parked_more_than_once_it_draws_the_same_pixels(
    new_desk: NewDesk, sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Now in the device's memory, now in the host's."""
    spec, dice = recipe(sampler=sampler, steps=6, images=1), random.Random(f"{SEED} {sampler}")
    whole = hashes(new_desk().render(spec, "relaxed"))
    tight = cycle([True, False])
    monkeypatch.setattr(Headroom, "tight", property(lambda _: next(tight)))
    desk = new_desk(rows=2)
    parked_often(desk, spec, dice=dice)
    assert hashes(desk.rendered("relaxed")) == whole
    assert {one.job_id for one in desk.sent if isinstance(one, Rendered)} == {
        "relaxed",
        *(f"turbo-{number}" for number in range(3)),
    }


@pytest.fixture(scope="module")
def tiny(catalog: Catalog) -> Pool:
    return pool_of(catalog, TINY)


@pytest.mark.parametrize(("name", "sampler"), CELLS)
def test_so_it_does_in_every_family(tiny: Pool, tmp_path: Path, name: str, sampler: str) -> None:
    spec = spec_of(name, sampler, steps=6, guidance=3.0)
    undisturbed = final(Desk(tiny, tmp_path / "alone", rows=2), spec)
    dice = random.Random(f"{SEED} {name} {sampler}")
    rows = 2 if name != "flux-dev" else 1
    job = parked_often(Desk(tiny, tmp_path / "parked", rows=rows), spec, dice=dice)
    assert all(map(torch.equal, [one.latents for one in job.trajectories], undisturbed))


def test_heun_is_parked_between_its_two_halves(new_desk: NewDesk) -> None:
    spec = recipe(sampler="heun", steps=6, images=1)
    whole = hashes(new_desk().render(spec, "relaxed"))
    desk = new_desk(rows=2)
    desk.admit(spec, "relaxed", rank=2)
    desk.steps(5)
    park(desk, turbo())
    assert desk.engine.running["relaxed"].trajectories[0].state.past, "half of a step is done"
    desk.finish()
    assert hashes(desk.rendered("relaxed")) == whole


def test_previews_and_snapshots_go_on_after_it(new_desk: NewDesk) -> None:
    spec = recipe(steps=8, images=1)
    whole = hashes(new_desk().render(spec, "relaxed"))
    desk = new_desk(rows=2)
    desk.admit(spec, "relaxed", rank=2, snapshot_every=2, preview_every=2)
    desk.steps(3)
    desk.settle()
    park(desk, turbo())
    desk.engine.snapshots.flush()
    saved = {path.name[:8] for path in desk.folder.root.rglob("relaxed/*.snapshot")}
    assert saved == {"00000002"}
    desk.finish()
    assert hashes(desk.rendered("relaxed")) == whole
    told = [one.step for one in desk.sent if isinstance(one, Preview)]
    assert told[0] == 2
    assert told[-1] > 3, "there are previews again when nobody waits"


# --- parked, and then ------------------------------------------------------------------------


def test_parked_then_drained_it_goes_on_elsewhere(new_desk: NewDesk) -> None:
    spec = recipe(steps=8, sampler="unipc", images=1)
    whole = hashes(new_desk().render(spec, "relaxed"))
    desk = new_desk(rows=2)
    desk.admit(spec, "relaxed", rank=2)
    desk.steps(3)
    park(desk, turbo())
    desk.engine.drain()
    assert desk.given_back("relaxed").step == 3
    elsewhere = new_desk()
    rendered = elsewhere.render(spec, "relaxed", attempt=2)
    assert (rendered.resumed_from, hashes(rendered)) == (3, whole)


def test_parked_then_cancelled_it_never_runs_again(new_desk: NewDesk) -> None:
    desk = new_desk(rows=2)
    desk.admit(recipe(steps=8, images=1), "relaxed", rank=2, snapshot_every=1)
    desk.steps(3)
    park(desk, turbo())
    ghost = weakref.ref(desk.engine.running["relaxed"].trajectories[0].leg.sampler)
    desk.engine.drop("relaxed", forget=True)
    said = len([one for one in desk.sent if getattr(one, "job_id", "") == "relaxed"])
    desk.finish()
    assert hashes(desk.rendered("turbo")) == hashes(new_desk().render(turbo(), "turbo"))
    assert said == len([one for one in desk.sent if getattr(one, "job_id", "") == "relaxed"])
    assert not list(desk.folder.root.glob("relaxed/*"))
    gc.collect()
    assert ghost() is None, "its memory is free again"


def test_parked_then_out_of_memory_nobody_is_lost(
    new_desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, fast = recipe(steps=6, sampler="dpm++2m"), turbo(images=2, steps=4)
    whole, faster = (hashes(new_desk().render(one, "relaxed")) for one in (spec, fast))
    desk = new_desk(rows=4)
    desk.admit(spec, "relaxed", rank=2)
    desk.steps(3)
    park(desk, fast)
    denoise, problem = Cohort.denoise, torch.OutOfMemoryError("CUDA out of memory")

    def limited(cohort: Cohort) -> Denoised:
        if len(cohort.members) > 1:
            raise problem
        return denoise(cohort)

    monkeypatch.setattr(Cohort, "denoise", limited)
    desk.finish()
    assert hashes(desk.rendered("relaxed")) == whole
    assert hashes(desk.rendered("turbo")) == faster


def test_rest_that_comes_amid_a_forward_is_no_step_lost(
    new_desk: NewDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Out of memory in the floor's own forward: those who run in it are parked by the book."""
    spec = recipe(steps=4, images=1)
    whole = hashes(new_desk().render(spec, "relaxed"))
    desk = new_desk(rows=2)
    desk.engine.clock = Watch()
    desk.admit(spec, "relaxed", rank=2)
    desk.steps(2)
    denoise, once = Cohort.denoise, iter([True])

    def refused(cohort: Cohort) -> Denoised:
        if cohort.members == tuple(desk.engine.running["relaxed"].trajectories) and next(once, 0):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return denoise(cohort)

    monkeypatch.setattr(Cohort, "denoise", refused)
    desk.admit(turbo(steps=24), "turbo", rank=0)
    desk.finish()
    assert next(once, None) is None
    assert hashes(desk.rendered("relaxed")) == whole


# --- who gives way ---------------------------------------------------------------------------


def test_relax_gives_way_before_fast(new_desk: NewDesk) -> None:
    desk = new_desk(rows=8)
    for name, rank in (("relaxed", 2), ("fast", 1)):
        desk.admit(recipe(steps=9), name, rank=rank)
    desk.steps(2)
    park(desk, turbo(steps=2, images=2))
    fast, relaxed = desk.engine.running["fast"], desk.engine.running["relaxed"]
    assert [one.step for one in fast.trajectories] == [3, 3]
    assert [one.step for one in relaxed.trajectories] == [2, 2]


def test_a_turbo_job_of_another_shape_takes_the_next_step_too(new_desk: NewDesk) -> None:
    desk = new_desk(rows=8)
    for name, width in (("relaxed", 64), ("another", 96), ("third", 128)):
        desk.admit(recipe(width=width, steps=9), name, rank=2)
    desk.steps(4)
    park(desk, turbo(height=96))


def test_under_turbo_that_never_ends_relax_keeps_its_share_and_finishes(
    new_desk: NewDesk,
) -> None:
    """By steps of the real loop, on a clock on which every forward takes as long."""
    desk = new_desk(rows=2)
    desk.engine.clock = Watch()
    desk.admit(recipe(steps=3, images=1), "relaxed", rank=2)
    job, number = desk.engine.running["relaxed"], 0
    while "relaxed" in desk.engine.running:
        if not any(job.render.rank == 0 for job in desk.engine.running.values()):
            desk.admit(turbo(number, steps=9), f"turbo-{number}", rank=0)
            number += 1
        desk.steps(1)
    assert job.done == 3
    assert job.done / desk.engine.counts["forwards"] >= 0.05


# --- what people are told --------------------------------------------------------------------


def test_a_job_that_gives_way_is_told_so_once_and_then_that_it_goes_on(new_desk: NewDesk) -> None:
    desk, watch = new_desk(rows=2), Watch()
    desk.engine.clock = watch
    desk.admit(recipe(steps=9, images=1), "relaxed", rank=2)
    desk.steps(3)
    park(desk, turbo(steps=40))
    paused = Paused("relaxed", 3, 9, faster=True)
    desk.steps(7)
    assert paused not in desk.sent, "a blink is not worth a word"
    watch.now += TOLD_AFTER_S
    desk.steps(7)
    assert desk.sent.count(paused) == 1
    desk.engine.drop("turbo", forget=True)
    desk.steps(1)
    told = [one for one in desk.sent if getattr(one, "job_id", "") == "relaxed"]
    after = told[told.index(paused) + 1]
    assert isinstance(after, Stepped)
    assert after.step == 4


def test_who_waits_behind_an_earlier_job_of_its_speed_is_told_that(new_desk: NewDesk) -> None:
    desk, watch = new_desk(rows=2), Watch()
    desk.engine.clock = watch
    desk.admit(recipe(steps=30, images=1), "first", rank=2)
    desk.admit(recipe(steps=3, images=1), "second", rank=2)
    watch.now += TOLD_AFTER_S
    desk.steps(10)
    assert Paused("second", 0, 3, faster=False) in desk.sent


# --- on the shelf ----------------------------------------------------------------------------


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Whether the host is short of memory."""
    monkeypatch.setattr(Headroom, "host_tight", True)
    return lambda tight: monkeypatch.setattr(Headroom, "host_tight", tight)


def shelve(desk: Desk, spec: RenderSpec, *, steps: int = 3) -> Watch:
    """Parked for a turbo job of many steps, for so long that it goes to the disk."""
    watch = Watch()
    desk.engine.clock = watch
    desk.admit(spec, "relaxed", rank=2)
    desk.steps(steps)
    desk.admit(spec, "behind", rank=2)  # somebody stays at hand for the floor
    desk.admit(turbo(steps=14), "turbo", rank=0)
    desk.steps(1)
    watch.now += SHELVED_AFTER_S
    desk.steps(9)
    desk.settle()
    return watch


@pytest.mark.parametrize("sampler", ["dpm++2m-karras", "heun", "euler-a", "pndm"])
def test_without_memory_it_waits_on_the_disk_and_draws_the_same_pixels(
    new_desk: NewDesk, short: Callable[[bool], None], sampler: str
) -> None:
    spec = recipe(steps=6, sampler=sampler, images=1)
    whole = hashes(new_desk().render(spec, "relaxed"))
    desk = new_desk(rows=2)
    shelve(desk, spec)
    assert set(desk.engine.parking.shelved) == {"behind"}, "first come stays, for the floor"
    short(False)
    desk.steps(9)
    assert not desk.engine.parking.shelved
    desk.finish()
    for name in ("relaxed", "behind"):
        assert hashes(desk.rendered(name)) == whole


def test_what_waits_on_the_disk_holds_no_memory_and_goes_on_at_its_step(
    new_desk: NewDesk, short: Callable[[bool], None]
) -> None:
    spec = recipe(steps=6, images=1)
    desk, watch = new_desk(rows=2), Watch()
    desk.engine.clock = watch
    for name in ("first", "relaxed"):
        desk.admit(spec, name, rank=2)
    job = desk.engine.running["relaxed"]
    desk.engine.running["first"].arrived = 99  # so that ours ran before
    desk.engine.order.changed = True
    desk.steps(3)
    desk.engine.running["first"].arrived = 0
    ghost, paid = weakref.ref(job.trajectories[0].leg.sampler), job.gpu_ms
    desk.admit(turbo(steps=14), "turbo", rank=0)
    desk.steps(1)
    watch.now += SHELVED_AFTER_S
    desk.steps(9)
    desk.settle()
    desk.steps(1)
    gc.collect()
    assert desk.engine.parking.shelved["relaxed"].step == 3
    assert ghost() is None
    desk.finish()
    assert job.done == 6, "the same job goes on, with what it has cost"
    assert job.gpu_ms > paid
    assert desk.rendered("relaxed").resumed_from == 0, "it was never away from its worker"


def test_drained_from_the_disk_it_goes_on_elsewhere(
    new_desk: NewDesk, short: Callable[[bool], None]
) -> None:
    spec = recipe(steps=6, images=1)
    whole = hashes(new_desk().render(spec, "relaxed"))
    desk = new_desk(rows=2)
    shelve(desk, spec)
    desk.engine.drain()
    back = [one.job_id for one in desk.sent if isinstance(one, GivenBack)]
    assert sorted(back) == ["behind", "relaxed", "turbo"]
    assert hashes(new_desk().render(spec, "relaxed", attempt=2)) == whole
    assert not desk.engine.parking.shelved


def test_cancelled_on_the_disk_it_leaves_nothing_there(
    new_desk: NewDesk, short: Callable[[bool], None]
) -> None:
    desk = new_desk(rows=2)
    shelve(desk, recipe(steps=6, images=1))
    desk.engine.drop("behind", forget=True)
    desk.finish()
    assert not list(desk.folder.root.glob("behind/*"))
    assert {one.job_id for one in desk.sent if isinstance(one, Rendered)} == {"relaxed", "turbo"}


def test_a_full_disk_leaves_it_in_memory(
    new_desk: NewDesk,
    short: Callable[[bool], None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(self: SnapshotFolder, snapshot: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SnapshotFolder, "write", full)
    desk = new_desk(rows=2)
    with caplog.at_level(logging.CRITICAL):
        shelve(desk, recipe(steps=6, images=1))
        assert "behind" in desk.engine.running
        desk.finish()
    assert desk.rendered("behind").pictures


def test_a_damaged_file_costs_its_steps_only(
    new_desk: NewDesk, short: Callable[[bool], None], caplog: pytest.LogCaptureFixture
) -> None:
    spec = recipe(steps=6, images=1)
    whole = hashes(new_desk().render(spec, "behind"))
    desk = new_desk(rows=2)
    shelve(desk, spec)
    for path in desk.folder.root.glob("behind/*.snapshot"):
        path.write_bytes(path.read_bytes()[:-1])
    with caplog.at_level(logging.CRITICAL):
        desk.finish()
    assert hashes(desk.rendered("behind")) == whole


def test_what_cannot_come_back_fails_alone(
    new_desk: NewDesk, short: Callable[[bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = new_desk(rows=2)
    shelve(desk, recipe(steps=6, images=1))

    def gone(*asked: object, **rest: object) -> None:
        raise RuntimeError("the checkpoint is gone")

    monkeypatch.setattr(desk.engine.entrance.preparation, "job", gone)
    desk.finish()
    assert [one.job_id for one in desk.sent if isinstance(one, Failed)] == ["behind"]
    assert {one.job_id for one in desk.sent if isinstance(one, Rendered)} == {"relaxed", "turbo"}
