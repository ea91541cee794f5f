"""Loads, texts, decoding and the filter go on beside the loop: no step waits for them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from farm.engine.memory.pool import Pool
from farm.engine.messages import Expect, Failed, Render, Rendered
from shared.catalog import Catalog
from tests.farm.engine.desk import Desk
from tests.farm.engine.families import drive, pair_sd15
from tests.farm.engine.shelf import pool_of


@contextmanager
def gated(owner: Any, name: str) -> Iterator[threading.Event]:
    """`owner.name` waits until the event is set."""
    plain, gate = getattr(owner, name), threading.Event()

    def wait(*asked: Any, **rest: Any) -> Any:
        assert gate.wait(20)
        return plain(*asked, **rest)

    setattr(owner, name, wait)
    try:
        yield gate
    finally:
        gate.set()
        setattr(owner, name, plain)


class Shelf:
    """Two checkpoints; the reading of `cold` can be held up."""

    def __init__(self, catalog: Catalog) -> None:
        self.gate = threading.Event()
        self.gate.set()
        plain: Any = ("sd15", lambda dtype: pair_sd15.fresh("plain", dtype))
        builds = {"home": plain, "warm": plain, "cold": ("sd15", self._build)}
        self.pool = pool_of(catalog, builds)

    def _build(self, dtype: torch.dtype) -> Any:
        assert self.gate.wait(20)
        return pair_sd15.fresh("plain", dtype)


@pytest.fixture
def shelf(catalog: Catalog) -> Shelf:
    return Shelf(catalog)


@pytest.fixture
def desk(shelf: Shelf, tmp_path: Path) -> Desk:
    return Desk(shelf.pool, tmp_path)


def spec_of(**changes: Any) -> Any:
    return drive.recipe(**{"checkpoint": "warm", "steps": 6} | changes)


def test_the_loop_goes_on_while_pictures_are_decoded(desk: Desk) -> None:
    desk.admit(spec_of(steps=1), "short")
    desk.admit(spec_of(steps=6), "long")
    long = desk.engine.running["long"]
    with gated(long.eye, "decode"):
        desk.steps(5)
        assert "short" not in desk.engine.running
        assert long.step == 5
        assert not any(isinstance(one, Rendered) for one in desk.sent)
    desk.finish()
    assert {one.job_id for one in desk.sent if isinstance(one, Rendered)} == {"short", "long"}


def test_pictures_of_a_faster_job_are_decoded_first(desk: Desk) -> None:
    desk.admit(spec_of(steps=1), "first", rank=2)
    eye = desk.engine.running["first"].eye
    with gated(eye, "decode"):
        desk.steps(1)
        for name, rank in (("relaxed", 2), ("turbo", 0)):
            desk.admit(spec_of(steps=1), name, rank=rank)
            desk.steps(1)
    desk.finish()
    done = [one.job_id for one in desk.sent if isinstance(one, Rendered)]
    assert done == ["first", "turbo", "relaxed"]


def test_a_faster_job_is_prepared_while_loads_of_relax_jobs_hold_their_threads(
    desk: Desk, shelf: Shelf
) -> None:
    shelf.gate.clear()
    for number in range(4):
        desk.admit(spec_of(checkpoint="cold"), f"relaxed-{number}", wait=False, rank=2)
    for name, rank in (("fast", 1), ("turbo", 0)):
        desk.engine.admit(Render(name, 1, spec_of().as_dict(), rank=rank))
    deadline = time.monotonic() + 20
    while not {"fast", "turbo"} <= desk.engine.running.keys():
        assert time.monotonic() < deadline, "they wait behind relax"
        desk.engine.collect()
    assert len(desk.engine.entrance.preparing) == 4
    shelf.gate.set()
    desk.finish()


def test_the_loop_goes_on_and_others_join_while_a_checkpoint_loads(
    desk: Desk, shelf: Shelf
) -> None:
    desk.admit(spec_of(), "first")
    shelf.gate.clear()
    desk.admit(spec_of(checkpoint="cold"), "waiting", wait=False)
    desk.steps(2)
    desk.engine.admit(Render("turbo", 1, spec_of(seed=2).as_dict(), rank=0))
    while "turbo" not in desk.engine.running:
        desk.steps(0)
        desk.engine.collect()
    desk.steps(2)
    assert "waiting" in desk.engine.entrance.preparing
    assert desk.engine.running["turbo"].step == 2
    shelf.gate.set()
    desk.finish()
    desk.rendered("waiting")


def test_a_job_dropped_while_its_checkpoint_loads_never_runs(desk: Desk, shelf: Shelf) -> None:
    shelf.gate.clear()
    desk.admit(spec_of(checkpoint="cold"), "job", wait=False)
    desk.engine.drop("job", forget=True)
    shelf.gate.set()
    desk.finish()
    assert not desk.engine.running
    assert not any(isinstance(one, Rendered) for one in desk.sent)


def test_a_second_attempt_while_the_first_is_prepared_runs_once(desk: Desk, shelf: Shelf) -> None:
    shelf.gate.clear()
    for attempt in (1, 2):
        desk.admit(spec_of(checkpoint="cold"), "job", wait=False, attempt=attempt)
    shelf.gate.set()
    desk.finish()
    assert [one.attempt for one in desk.sent if isinstance(one, Rendered)] == [2]


def test_a_text_is_encoded_once_for_all_who_write_it(desk: Desk, shelf: Shelf) -> None:
    family: Any = shelf.pool.get("warm").family
    plain, texts = family.pipeline.encode_prompt, list[str]()

    def counted(text: str, *asked: Any, **rest: Any) -> Any:
        texts.append(text)
        return plain(text, *asked, **rest)

    family.pipeline.encode_prompt = counted
    for seed in range(4):
        desk.admit(spec_of(seed=seed, steps=1), f"job-{seed}")
    desk.finish()
    assert len(texts) == len(set(texts)) <= 2


def test_what_is_expected_is_read_ahead(desk: Desk, shelf: Shelf) -> None:
    assert not shelf.pool.is_warm("cold")
    desk.engine.expect(Expect(["cold"]))
    deadline = time.monotonic() + 20
    while not shelf.pool.report().traffic["ahead"].loads:
        assert time.monotonic() < deadline, "nothing was read ahead"
        time.sleep(0.01)
    misses = shelf.pool.report().misses
    desk.render(spec_of(checkpoint="cold", steps=1))
    report = shelf.pool.report()
    assert report.misses == misses, "it was at hand"
    assert report.hits + report.warm_hits >= 1


def test_a_job_without_room_waits_until_another_ends(desk: Desk, shelf: Shelf) -> None:
    """Beside the default one, the device holds one other, and that is in use."""
    one = max(shelf.pool.get(name).bytes for name in ("home", "cold", "warm"))
    shelf.pool.resize(2 * one + one // 2)
    shelf.pool.trim()
    desk.admit(spec_of(steps=3), "first")
    desk.admit(spec_of(checkpoint="cold", steps=2), "second", wait=False)
    while not desk.engine.entrance.shut_out:
        desk.engine.collect()
    assert not any(isinstance(message, Failed) for message in desk.sent)
    desk.finish()
    assert [message.job_id for message in desk.sent if isinstance(message, Rendered)] == [
        "first",
        "second",
    ]


def test_no_step_runs_without_a_job(tmp_path: Path, pool: Pool) -> None:
    desk = Desk(pool, tmp_path)
    desk.steps(3)
    assert desk.engine.idle
    assert not desk.engine.busy_beside
    assert desk.engine.counts["forwards"] == 0
