"""The child's loop: what it tells of itself, and how it leaves."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from farm.engine import reporting, serving
from farm.engine.cohort import Cohort
from farm.engine.job import EngineJob
from farm.engine.mailbox import Mailbox
from farm.engine.messages import (
    Drain,
    Finding,
    GivenBack,
    Inspect,
    Inspected,
    Picture,
    Render,
    Rendered,
    Report,
)
from farm.engine.reporting import Reporter, report_of
from farm.engine.serving import Service
from farm.engine.snapshots import Identity, Snapshot
from farm.engine.watchdog import Watchdog
from tests.farm.engine.desk import Desk, Willing, recipe

NewDesk = Callable[..., Desk]
SHORT = recipe(steps=1, images=1)


class Parent:
    """A service in a thread of its own, and what it is told."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.mailbox = Mailbox()
        self.service = Service(desk.engine, self.mailbox, Watchdog())
        self.thread = threading.Thread(target=self.service.run, daemon=True)

    def render(self, job_id: str, **changes: Any) -> None:
        spec = recipe(**{"images": 1} | changes)
        self.mailbox.put(Render(job_id, 1, spec.as_dict()))

    def until(self, said: Callable[[], object]) -> None:
        deadline = time.monotonic() + 20
        while not said():
            assert time.monotonic() < deadline, self.desk.sent
            time.sleep(0.005)


@pytest.fixture
def parent(desk: Desk) -> Iterator[Parent]:
    yield Parent(desk)
    desk.settle()  # a thread that is inside torch when this process ends would end it badly


def given_back(desk: Desk) -> list[tuple[str, int]]:
    return [(one.job_id, one.step) for one in desk.sent if isinstance(one, GivenBack)]


def reports(desk: Desk) -> list[Report]:
    return [one for one in desk.sent if isinstance(one, Report)]


# --- what it tells of itself -----------------------------------------------------------------


def test_a_report_holds_the_engines_own_numbers(desk: Desk) -> None:
    before = report_of(desk.engine)
    desk.render(recipe(steps=3), snapshot_every=1)
    damaged = next(desk.folder.root.glob("job/*"))
    damaged.write_bytes(b"no snapshot")
    nobody = Identity("job", "", "", "")
    assert desk.engine.snapshots.resume(nobody, lambda _: None) is None
    desk.engine.snapshots.failures = 5
    desk.engine.counts |= {"redrawn": 6, "out_of_memory": 7}
    desk.engine.ladder.after_oom(8)
    after, pool = report_of(desk.engine), desk.engine.pool
    assert (after.forwards, after.rows) == (3, 3 * 4)
    assert after.hits > before.hits
    assert after.snapshots_passed_over == {"damaged": 1, "foreign": 1}
    assert (after.snapshots_failed, after.redrawn, after.out_of_memory) == (5, 6, 7)
    assert (before.rung, after.rung) == (0, 1)
    assert after.checkpoints == ["postcards"]
    assert after.loads["disk"].count == pool.report().misses == after.misses > 0
    assert after.loads["disk"].seconds > 0
    device = after.tiers["device"]
    assert 0 < device.used <= after.loads["disk"].bytes
    assert device.used <= device.budget


def test_what_broke_and_what_did_not_fit_is_counted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def once(owner: Any, name: str, problem: Exception) -> None:
        plain, left = getattr(owner, name), [problem]

        def fail(*asked: Any, **rest: Any) -> Any:
            if left:
                raise left.pop()
            return plain(*asked, **rest)

        monkeypatch.setattr(owner, name, fail)

    once(desk.engine.finishing.decoder, "pictures", ArithmeticError())
    once(Cohort, "denoise", MemoryError())
    desk.render(recipe(steps=2, images=1))
    report = report_of(desk.engine)
    assert (report.redrawn, report.out_of_memory) == (1, 1)


def test_a_report_comes_every_so_often_and_only_with_news(desk: Desk) -> None:
    now = [0.0]
    reporter = Reporter(desk.engine, clock=lambda: now[0])
    for second in range(30):
        now[0] = second
        reporter.look()
    assert len(reports(desk)) == 1
    for forwards in range(1, 41):
        now[0] += 1
        desk.engine.counts["forwards"] = forwards
        reporter.look()
    assert len(reports(desk)) == 1 + 40 // reporting.EVERY_S
    desk.engine.counts["forwards"] = 99
    reporter.tell()
    assert reports(desk)[-1].forwards == 99


def test_other_room_is_told_sooner_than_other_numbers(desk: Desk) -> None:
    now = [0.0]
    reporter = Reporter(desk.engine, clock=lambda: now[0])
    reporter.look()
    pool = desk.engine.pool
    pool.reserve("overlay", 1000)
    reporter.look()
    assert len(reports(desk)) == 1
    now[0] = reporting.SOON_S
    reporter.look()
    first, second = (one.tiers["device"] for one in reports(desk))
    assert (second.budget, second.free) == (first.budget, first.free - 1000)
    pool.release("overlay")
    assert reporter.behind
    now[0] = 2 * reporting.SOON_S
    reporter.look()
    assert reports(desk)[-1].tiers["device"].free == first.free
    assert not reporter.behind


def test_an_idle_loop_tells_of_room_before_its_next_report(
    parent: Parent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(reporting, "SOON_S", 0.05)
    monkeypatch.setattr(reporting, "EVERY_S", 3600)  # not by that one
    pool = parent.desk.engine.pool
    parent.thread.start()
    parent.until(lambda: reports(parent.desk))
    before = reports(parent.desk)[-1].tiers["device"].used
    pool.reserve("overlay", 1000)
    parent.render("job", steps=1)  # and in its wake the room beside it
    parent.until(lambda: reports(parent.desk)[-1].tiers["device"].used >= before + 1000)
    parent.until(
        lambda: reports(parent.desk)[-1].tiers["device"].free == pool.report().free["device"]
    )
    parent.mailbox.put(Drain())
    parent.thread.join(10)


def test_an_idle_loop_tells_what_happened_beside_it(
    parent: Parent, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (reporting, serving):
        monkeypatch.setattr(module, "EVERY_S", 0.05)
    parent.thread.start()
    parent.render("job", steps=6)
    parent.until(lambda: any(isinstance(one, Rendered) for one in parent.desk.sent))
    parent.until(lambda: reports(parent.desk)[-1].forwards == 6)
    time.sleep(0.3)  # whatever woke it last is over
    parent.desk.engine.pool.tally.failures += 1  # as of a checkpoint that was to be read ahead
    failures = parent.desk.engine.pool.report().failures
    parent.until(lambda: reports(parent.desk)[-1].failures == failures)
    parent.mailbox.put(Drain())
    parent.thread.join(10)
    assert not parent.thread.is_alive()


def test_what_was_done_since_is_told_when_it_leaves(parent: Parent) -> None:
    parent.thread.start()
    parent.render("job", steps=6)
    parent.until(lambda: any(isinstance(one, Rendered) for one in parent.desk.sent))
    parent.mailbox.put(Drain())
    parent.thread.join(10)
    assert reports(parent.desk)[-1].forwards == 6


# --- what it passes on -----------------------------------------------------------------------


def test_pictures_are_judged_by_the_filter_of_who_drew_them(new_desk: NewDesk) -> None:
    opened = list[str]()

    def open_filter(name: str) -> Willing:
        opened.append(name)
        return Willing()

    desk = new_desk(open_filter=open_filter)
    picture = desk.render(SHORT).pictures[0]
    for checkpoint in ("", "another"):
        desk.engine.inspect(Inspect("tile", [picture], checkpoint))
        desk.finish()
    assert opened == ["postcards", "another"]
    assert sum(isinstance(one, Inspected) for one in desk.sent) == 2


# --- how it leaves ---------------------------------------------------------------------------


PLAIN_SNAPSHOT = EngineJob.snapshot


def unless_lost(job: EngineJob) -> Snapshot:
    if job.id == "lost":
        raise RuntimeError("CUDA error: an illegal memory access was encountered")
    return PLAIN_SNAPSHOT(job)


class Slow(Willing):
    def __init__(self, gate: threading.Event) -> None:
        self._gate = gate

    def inspect(self, pictures: Sequence[Picture], *, strict: bool = False) -> list[Finding]:
        assert self._gate.wait(20)
        return super().inspect(pictures)


@contextmanager
def gated(owner: Any, name: str) -> Iterator[None]:
    """`owner.name` begins when this ends."""
    plain, gate = getattr(owner, name), threading.Event()

    def wait(*asked: Any, **rest: Any) -> Any:
        assert gate.wait(20)
        return plain(*asked, **rest)

    setattr(owner, name, wait)
    try:
        yield
    finally:
        setattr(owner, name, plain)
        gate.set()


def until_inspected(desk: Desk) -> None:
    while desk.engine.finishing.decodings.pending:
        desk._await()
    assert desk.engine.finishing.pending


def test_a_drain_gives_back_what_is_prepared_drawn_decoded_and_inspected_once_each(
    new_desk: NewDesk,
) -> None:
    gate = threading.Event()
    desk = new_desk(open_filter=lambda _: Slow(gate))
    engine = desk.engine
    desk.admit(SHORT, "inspected")
    desk.steps(1)
    until_inspected(desk)
    with gated(engine.finishing.decoder, "pictures"):
        desk.admit(SHORT, "decoded")
        desk.steps(1)
        desk.admit(recipe(steps=6, images=1), "drawn")
        desk.steps(2)
        with gated(engine.entrance.preparation, "job"):
            desk.admit(SHORT, "prepared", wait=False)
            said = len(desk.sent)
            engine.drain()
            engine.drain()
    gate.set()
    desk.settle()
    expected = {("inspected", 1), ("decoded", 1), ("drawn", 2), ("prepared", 0)}
    assert Counter(given_back(desk)) == Counter(expected)
    assert len(desk.sent) == said + len(expected), "nothing else is said of them later"
    assert not engine.running
    saved = {path.name for path in desk.folder.root.iterdir()}
    assert saved == {"inspected", "decoded", "drawn"}


def test_a_job_given_back_after_its_last_step_is_only_decoded(new_desk: NewDesk) -> None:
    expected = new_desk().render(SHORT).pictures
    first = new_desk()
    first.admit(SHORT, "decoded")
    with gated(first.engine.finishing.decoder, "pictures"):
        first.steps(1)
        first.engine.drain()
    again = new_desk()
    again.admit(SHORT, "decoded", attempt=2)
    again.steps(1)
    assert not again.engine.running, "its last step was taken elsewhere"
    again.finish()
    assert again.rendered("decoded").resumed_from == 1
    assert again.rendered("decoded").pictures == expected
    assert again.engine.counts["forwards"] == 0


def test_a_job_that_cannot_be_saved_is_given_back_all_the_same(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.admit(recipe(steps=6, images=1), "lost")
    desk.admit(recipe(steps=6, images=1), "saved")
    desk.steps(2)
    monkeypatch.setattr(EngineJob, "snapshot", unless_lost)
    desk.engine.drain()
    assert Counter(job_id for job_id, _ in given_back(desk)) == Counter(["lost", "saved"])
    assert {path.name for path in desk.folder.root.iterdir()} == {"saved"}


def test_what_was_under_way_to_a_child_that_leaves_goes_back_too(parent: Parent) -> None:
    parent.render("running", steps=50)
    parent.mailbox.put(Drain())
    parent.render("late")
    parent.mailbox.put(Drain())
    parent.service.run()
    assert Counter(given_back(parent.desk)) == Counter([("running", 0), ("late", 0)])
    assert not parent.desk.engine.entrance.preparing


def test_a_message_that_comes_with_the_last_step_goes_back_too(parent: Parent) -> None:
    plain = parent.desk.engine.step

    def step() -> None:
        plain()
        parent.render("late")

    parent.desk.engine.step = step  # type: ignore[method-assign]
    parent.mailbox.put(Drain())
    parent.service.run()
    assert given_back(parent.desk) == [("late", 0)]


def test_a_sick_device_is_left_with_every_job_given_back(parent: Parent) -> None:
    parent.desk.engine.broken_in_a_row = 3
    parent.render("other", steps=50)
    parent.service.run()
    assert [job_id for job_id, _ in given_back(parent.desk)] == ["other"]
