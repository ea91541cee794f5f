"""A killed worker costs a few steps and not one pixel; a damaged snapshot costs its steps only."""

import logging
import os
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from farm.engine.memory.pool import Pool
from farm.engine.messages import Rendered
from farm.engine.snapshots import (
    TRAILER,
    Identity,
    Snapshot,
    SnapshotFolder,
    SnapshotWriter,
    Unusable,
    pack,
    unpack,
)
from shared.catalog import samplers_of
from shared.errors import Fault
from shared.spec import RenderSpec
from tests.farm.engine.desk import Desk, recipe

NewDesk = Callable[..., Desk]
SEED = 20_240


def hashes(rendered: Rendered) -> list[str]:
    return [picture.sha256 for picture in rendered.pictures]


def killed_after(desk: Desk, spec: RenderSpec, steps: int, *, every: int = 1) -> None:
    """Run for some steps, and never again: what a SIGKILL leaves is what the writer has written."""
    desk.admit(spec, snapshot_every=every)
    desk.steps(steps)
    desk.engine.snapshots.flush()


# --- resume ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", samplers_of("sd15"))
def test_a_resumed_job_draws_the_same_pixels(
    new_desk: NewDesk, pool: Pool, tmp_path: Path, sampler: str
) -> None:
    spec = recipe(sampler=sampler, steps=8, images=1)
    whole = hashes(Desk(pool, tmp_path / "elsewhere").render(spec))
    dice = random.Random(f"{SEED} {sampler}")
    for step in sorted(dice.sample(range(1, 8), 2)):
        killed_after(new_desk(), spec, step)
        desk = new_desk()
        resumed = desk.render(spec, attempt=2)
        assert hashes(resumed) == whole, f"resumed after forward {step}, seed {SEED}"
        two_forwards_a_step = sampler.startswith(("heun", "pndm"))
        assert resumed.resumed_from == step or two_forwards_a_step
        desk.engine.drop("job", forget=True)
        desk.engine.snapshots.flush()


def test_heun_resumes_between_its_two_halves(new_desk: NewDesk, pool: Pool, tmp_path: Path) -> None:
    spec = recipe(sampler="heun", steps=6, images=1)
    whole = hashes(Desk(pool, tmp_path / "elsewhere").render(spec))
    desk = new_desk()
    desk.admit(spec)
    desk.steps(5)
    assert desk.engine.running["job"].trajectories[0].state.past
    desk.engine.drain()
    assert hashes(new_desk().render(spec, attempt=2)) == whole


def test_what_was_paid_for_steps_before_the_kill_is_not_paid_twice(new_desk: NewDesk) -> None:
    spec = recipe(steps=6, images=1)
    desk = new_desk()
    killed_after(desk, spec, 4)
    before = desk.engine.running["job"].gpu_ms
    again = new_desk()
    again.admit(spec, attempt=2)
    assert 0 < again.engine.running["job"].gpu_ms <= before


def test_the_last_two_are_kept_until_the_pictures_are_delivered(new_desk: NewDesk) -> None:
    desk = new_desk()
    killed_after(desk, recipe(steps=6), 4)
    names = sorted(path.name for path in desk.folder.root.rglob("*.snapshot"))
    assert [name[:8] for name in names] == ["00000003", "00000004"]
    desk.finish()
    desk.engine.snapshots.flush()
    assert list(desk.folder.root.rglob("*.snapshot")), "the parent may still die while it delivers"
    desk.engine.drop("job", forget=True)
    desk.engine.snapshots.flush()
    assert not list(desk.folder.root.iterdir())


def test_they_are_written_every_so_many_steps(new_desk: NewDesk) -> None:
    desk = new_desk()
    killed_after(desk, recipe(steps=8), 7, every=3)
    names = sorted(path.name for path in desk.folder.root.rglob("*.snapshot"))
    assert [int(name[:8]) for name in names] == [3, 6]


def test_a_dropped_job_is_forgotten(new_desk: NewDesk) -> None:
    desk = new_desk()
    killed_after(desk, recipe(steps=6), 3)
    desk.engine.drop("job", forget=True)
    desk.engine.snapshots.flush()
    assert not list(desk.folder.root.iterdir())


def test_in_mixed_company_too(new_desk: NewDesk, pool: Pool, tmp_path: Path) -> None:
    spec, other = recipe(steps=6), recipe("a blue house", seed=3, steps=9, guidance=1.0)
    whole = hashes(Desk(pool, tmp_path / "elsewhere").render(spec))
    desk = new_desk(rows=6)
    desk.admit(other, "other")
    killed_after(desk, spec, 3)
    again = new_desk()
    again.admit(other, "other")
    assert hashes(again.render(spec, attempt=2)) == whole


# --- damage ----------------------------------------------------------------------------------


def broken(data: bytes, kind: str, dice: random.Random) -> bytes:
    """Every way a disk, a crash or a mistake has been seen to spoil a file."""
    if kind == "flip":
        place = dice.randrange(len(data))
        return data[:place] + bytes([data[place] ^ (1 << dice.randrange(8))]) + data[place + 1 :]
    if kind == "cut":
        return data[: dice.randrange(len(data))]
    if kind == "torn":
        half = dice.randrange(1, len(data))
        return data[:half] + bytes(len(data) - half)
    if kind == "longer":
        return data + dice.randbytes(dice.randrange(1, 64))
    if kind == "swapped":
        return data[-TRAILER:] + data[:-TRAILER]
    return dice.randbytes(dice.randrange(2_000))


def test_none_of_two_hundred_damaged_ones_is_accepted(
    new_desk: NewDesk, pool: Pool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    dice = random.Random(SEED)
    spec = recipe(steps=2, images=1)
    whole = hashes(Desk(pool, tmp_path / "elsewhere").render(spec))
    killed_after(new_desk(), spec, 1)
    desk = new_desk()
    [path] = list(desk.folder.root.rglob("*.snapshot"))
    good, kinds = path.read_bytes(), ["flip", "cut", "torn", "longer", "swapped", "noise"]
    with caplog.at_level(logging.CRITICAL):
        for number in range(200):
            path.write_bytes(broken(good, kinds[number % len(kinds)], dice))
            desk.admit(spec, attempt=2)
            assert desk.engine.running["job"].resumed_from == 0
            path.parent.mkdir(exist_ok=True)
    assert desk.folder.passed_over["damaged"] == 200
    assert hashes(desk.render(spec, attempt=3)) == whole
    desk.engine.snapshots.flush()
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(good)
    desk.admit(spec, attempt=4)
    assert desk.engine.running["job"].resumed_from == 1, "the undamaged one is good"


def test_a_damaged_one_falls_back_to_the_one_before(
    new_desk: NewDesk, pool: Pool, tmp_path: Path
) -> None:
    spec = recipe(steps=6, images=1)
    whole = hashes(Desk(pool, tmp_path / "elsewhere").render(spec))
    killed_after(new_desk(), spec, 4)
    desk = new_desk()
    before, newest = sorted(desk.folder.root.rglob("*.snapshot"))
    newest.write_bytes(newest.read_bytes()[:-1])
    rendered = desk.render(spec, attempt=2)
    assert rendered.resumed_from == int(before.name[:8]) == 3
    assert hashes(rendered) == whole
    assert desk.folder.passed_over == {"damaged": 1}


@pytest.mark.parametrize(
    "changes",
    [{"seed": 8}, {"steps": 7}, {"sampler": "euler"}, {"guidance": 5.0}, {"negative": "rain"}],
)
def test_one_of_another_recipe_is_foreign(new_desk: NewDesk, changes: dict[str, object]) -> None:
    spec = recipe(steps=6, images=1)
    killed_after(new_desk(), spec, 3)
    desk = new_desk()
    desk.admit(replace(spec, **changes), attempt=2)  # type: ignore[arg-type]
    assert desk.engine.running["job"].resumed_from == 0
    assert desk.folder.passed_over["foreign"] > 0


@pytest.mark.parametrize("field", ["job_id", "spec", "weights", "libraries"])
def test_every_part_of_the_identity_counts(field: str) -> None:
    one = snapshot()
    with pytest.raises(Unusable, match=field) as caught:
        unpack(pack(one), replace(one.identity, **{field: "other"}))
    assert caught.value.kind == "foreign"


def test_one_renamed_to_another_job_is_foreign(new_desk: NewDesk) -> None:
    spec = recipe(steps=6, images=1)
    desk = new_desk()
    killed_after(desk, spec, 3)
    (desk.folder.root / "job").rename(desk.folder.root / "another")
    again = new_desk()
    again.admit(spec, "another")
    assert again.engine.running["another"].resumed_from == 0
    assert again.folder.passed_over["foreign"] == 2


def test_state_that_does_not_fit_is_passed_over_though_its_hash_is_right(new_desk: NewDesk) -> None:
    """A file that was whole when written, but not what this job needs."""
    spec = recipe(steps=6, images=1)
    desk = new_desk()
    desk.admit(spec)
    desk.steps(3)
    right = desk.engine.running["job"].snapshot()
    wrong = [
        replace(right, tensors=right.tensors | {"0.latents": torch.zeros(1, 4, 8, 8)}),
        replace(right, tensors=right.tensors | {"0.latents": right.tensors["0.latents"] / 0}),
        replace(right, tensors=right.tensors | {"0.generator": torch.zeros(7, dtype=torch.uint8)}),
        replace(right, tensors={}),
        replace(right, state=right.state | {"trajectories": []}),
        with_state(right, step=99),
        with_state(right, sampler=["nonsense"]),
    ]
    for one in wrong:
        again = new_desk()
        again.folder.write(one)
        again.admit(spec, attempt=2)
        assert again.engine.running["job"].resumed_from == 0
        assert again.folder.passed_over["damaged"] == 1


def with_state(right: Snapshot, **changes: object) -> Snapshot:
    [first] = right.state["trajectories"]
    return replace(right, state=right.state | {"trajectories": [first | changes]})


# --- files -----------------------------------------------------------------------------------


def snapshot(job_id: str = "job", step: int = 1) -> Snapshot:
    identity = Identity(job_id, "spec", "weights", "libraries")
    return Snapshot(identity, 1, step, {"trajectories": []}, {"0.latents": torch.ones(2)})


def test_a_half_written_file_is_never_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = SnapshotFolder(tmp_path)
    folder.write(snapshot(step=1))

    def crash(fd: int) -> None:
        raise OSError("no power")

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(OSError, match="no power"):
        folder.write(snapshot(step=2))
    found = folder.resume(snapshot().identity, lambda _: None)
    assert found is not None
    assert found.step == 1
    assert not folder.passed_over


@pytest.mark.parametrize("job_id", ["../other", "a/b", "", "x" * 81, "."])
def test_a_job_id_is_no_path(tmp_path: Path, job_id: str) -> None:
    with pytest.raises(Fault, match="job id"):
        SnapshotFolder(tmp_path).forget(job_id)


def test_what_nobody_came_back_for_is_swept(tmp_path: Path) -> None:
    folder = SnapshotFolder(tmp_path)
    for name in ("old", "new"):
        folder.write(snapshot(name))
    os.utime(tmp_path / "old", (1_000, 1_000))
    folder.sweep(older_than=2_000)
    assert [one.name for one in tmp_path.iterdir()] == ["new"]


class SlowFolder(SnapshotFolder):
    """A disk that answers when it is told to."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.go = threading.Event()
        self.written: list[int] = []

    def write(self, snapshot: Snapshot) -> None:
        assert self.go.wait(10)
        self.written.append(snapshot.step)


def test_a_slow_disk_skips_to_the_newest_and_holds_nobody_up(tmp_path: Path) -> None:
    folder = SlowFolder(tmp_path)
    writer = SnapshotWriter(folder)
    for step in range(1, 6):
        writer.save(snapshot(step=step))
    assert not writer.flush(timeout_s=0.01)
    folder.go.set()
    assert writer.flush()
    assert folder.written[-1] == 5
    assert len(folder.written) <= 2


def test_a_full_disk_costs_the_snapshot_not_the_job(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(self: SnapshotFolder, snapshot: Snapshot) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(SnapshotFolder, "write", full)
    with caplog.at_level(logging.CRITICAL):
        assert desk.render(recipe(steps=3), snapshot_every=1).pictures
    assert desk.engine.snapshots.failures > 0
