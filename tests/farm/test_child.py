import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest
from prometheus_client import generate_latest

from farm import child as child_module
from farm.child import Child, EngineGone, OwnershipLost
from farm.engine.messages import (
    Drain,
    Drop,
    Expect,
    Failed,
    GivenBack,
    Loading,
    Paused,
    Ready,
    Render,
    Stepped,
    Tier,
)
from farm.pulse import Patience, Pulse
from shared.errors import Fault
from tests.farm.workshop import ScriptedEngine, report

PATIENCE = Patience(start_s=100, load_s=50, least_s=10, steps=20)
READY = Ready("cpu", "cpu", [])


@contextlib.asynccontextmanager
async def running(child: Child) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(child.run())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Fault):
            await task


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(child_module, "WATCH_EVERY_S", 0.01)


class Nursery:
    """Starts scripted engines and remembers them."""

    def __init__(self) -> None:
        self.born: list[ScriptedEngine] = []

    async def start(self) -> ScriptedEngine:
        self.born.append(ScriptedEngine())
        return self.born[-1]


def step(rate: float) -> Stepped:
    return Stepped("job", 1, 12, rate)


def told(child: Child) -> str:
    return generate_latest(child.meters.registry).decode()


def test_a_cold_start_may_take_long() -> None:
    pulse = Pulse(PATIENCE, now=0)
    assert not pulse.overdue(now=99, jobs=())
    assert pulse.overdue(now=101, jobs=())


def test_silence_is_measured_in_usual_steps() -> None:
    pulse = Pulse(PATIENCE, now=0)
    pulse.heard(step(0.5), now=1)  # 2 s a step
    assert not pulse.overdue(now=40, jobs=["job"])
    assert pulse.overdue(now=42, jobs=["job"])


def test_quick_steps_still_leave_time_to_decode() -> None:
    pulse = Pulse(PATIENCE, now=0)
    pulse.heard(step(100), now=0)
    assert not pulse.overdue(now=9.9, jobs=["job"])
    assert pulse.overdue(now=10.1, jobs=["job"])


def test_loading_weights_may_take_longer_than_a_step() -> None:
    pulse = Pulse(PATIENCE, now=0)
    pulse.heard(step(100), now=0)
    pulse.heard(Loading("job", "postcards"), now=1)
    assert not pulse.overdue(now=50, jobs=["job"])
    assert pulse.overdue(now=52, jobs=["job"])


def test_others_that_step_meanwhile_do_not_shorten_a_load() -> None:
    pulse = Pulse(PATIENCE, now=0)
    pulse.heard(Loading("job", "postcards"), now=0)
    pulse.heard(Stepped("other", 1, 12, 100), now=1)
    assert not pulse.overdue(now=50, jobs=["job", "other"])
    assert pulse.overdue(now=52, jobs=["job", "other"])


def test_a_job_that_gives_way_is_not_taken_for_a_hang() -> None:
    """Nothing is heard of it for an hour while a faster one is drawn; its weights are there."""
    pulse = Pulse(PATIENCE, now=0)
    pulse.heard(Loading("parked", "postcards"), now=0)
    pulse.heard(Paused("parked", 3, 12), now=1)
    for second in range(1, 3600, 9):
        pulse.heard(Stepped("turbo", 1, 12, 100), now=second)
        assert not pulse.overdue(now=second + 8, jobs=["parked", "turbo"])
    assert pulse.overdue(now=3611, jobs=["parked", "turbo"]), "but when nobody steps it is one"


def test_a_load_that_nobody_waits_for_any_more_buys_no_time() -> None:
    pulse = Pulse(PATIENCE, now=0)
    pulse.heard(Loading("cancelled", "postcards"), now=0)
    pulse.heard(step(100), now=1)
    assert pulse.overdue(now=12, jobs=["job"])


def test_a_load_is_over_with_the_first_word_of_its_job() -> None:
    pulse = Pulse(PATIENCE, now=0)
    pulse.heard(Loading("job", "postcards"), now=0)
    pulse.heard(step(100), now=1)
    assert pulse.overdue(now=12, jobs=["job"])


def test_a_report_of_the_loop_is_no_life_of_a_job() -> None:
    pulse = Pulse(PATIENCE, now=0)
    pulse.heard(step(100), now=0)
    pulse.heard(report(), now=9)
    assert pulse.overdue(now=11, jobs=["job"])


def test_idleness_is_no_silence() -> None:
    pulse = Pulse(PATIENCE, now=0)
    pulse.heard(step(100), now=0)
    pulse.idle(now=1000)
    assert not pulse.overdue(now=1009, jobs=["job"])


async def test_answers_reach_the_job_they_are_for() -> None:
    nursery = Nursery()
    child = Child(nursery.start)
    async with running(child):
        await until(lambda: child.ready)
        one, two = child.open("one", 1), child.open("two", 1)
        nursery.born[0].say(Stepped("two", 3, 12, 1.0), Stepped("one", 5, 12, 1.0))
        assert (await one.hear()) == Stepped("one", 5, 12, 1.0)
        assert (await two.hear()) == Stepped("two", 3, 12, 1.0)


async def test_an_answer_to_an_earlier_attempt_is_not_heard() -> None:
    nursery = Nursery()
    child = Child(nursery.start)
    async with running(child):
        await until(lambda: child.ready)
        talk = child.open("job", 2)
        nursery.born[0].say(GivenBack("job", 1, 10), GivenBack("job", 2, 4))
        assert (await talk.hear()) == GivenBack("job", 2, 4)


async def test_a_death_is_told_to_each_job_and_another_child_is_born(quick: None) -> None:
    nursery = Nursery()
    child = Child(nursery.start)
    async with running(child):
        await until(lambda: child.ready)
        talk = child.open("job", 1)
        finished = child.open("other", 1)
        finished.leave()
        nursery.born[0].die()
        with pytest.raises(EngineGone):
            await talk.hear()
        await until(lambda: len(nursery.born) == 2 and child.ready)
        finished.check()
        await child.open("job", 2).say(Drop("job"))
        assert nursery.born[1].sent == [Drop("job")]


async def test_deaths_in_a_row_are_damped(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def stillborn() -> ScriptedEngine:
        raise OSError("no such device")

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 12:
            raise Fault("enough", "seen enough")

    monkeypatch.setattr("asyncio.sleep", pause)
    with pytest.raises(Fault, match="enough"):
        await Child(stillborn).run()
    assert pauses[:4] == [0.01, 0.02, 0.04, 0.08]
    assert max(pauses) == child_module.LONGEST_PAUSE_S


class Unfit(ScriptedEngine):
    async def close(self) -> int:
        return child_module.UNFIT


async def test_a_child_that_cannot_run_here_is_not_started_again() -> None:
    async def start() -> ScriptedEngine:
        unfit = Unfit()
        unfit.die()
        return unfit

    with pytest.raises(Fault, match="cannot run here"):
        await Child(start).run()


async def test_what_a_child_said_before_it_died_is_heard_first() -> None:
    unfit = Unfit()

    async def start() -> ScriptedEngine:
        return unfit

    child = Child(start)
    task = asyncio.create_task(child.run())
    await until(lambda: child.ready)
    given, silent = child.open("given", 1), child.open("silent", 1)
    unfit.say(GivenBack("given", 1, 4))
    unfit.die()
    with pytest.raises(Fault):
        await task
    assert child.unfit
    assert await given.hear() == GivenBack("given", 1, 4)
    for talk in (given, silent):
        with pytest.raises(EngineGone):
            await talk.hear()


async def test_a_picture_drawn_before_a_death_is_not_lost_with_it(quick: None) -> None:
    nursery = Nursery()
    child = Child(nursery.start)
    async with running(child):
        await until(lambda: child.ready)
        talk = child.open("job", 1)
        nursery.born[0].say(GivenBack("job", 1, 4))
        nursery.born[0].die()
        await until(lambda: len(nursery.born) == 2)
        with pytest.raises(EngineGone):
            talk.check()
        await talk.hear()
        talk.leave()
        talk.check()
        began = asyncio.get_running_loop().time()
        await talk.pause(0.05)
        assert asyncio.get_running_loop().time() - began >= 0.05


async def test_a_job_of_a_child_that_died_says_nothing_to_the_next(quick: None) -> None:
    nursery = Nursery()
    child = Child(nursery.start)
    async with running(child):
        await until(lambda: child.ready)
        talk = child.open("job", 1)
        nursery.born[0].die()
        await until(lambda: len(nursery.born) == 2 and child.ready)
        with pytest.raises(EngineGone):
            await talk.say(Render("job", 1, {}))
        assert nursery.born[1].sent == []


async def test_a_report_renews_what_is_at_hand_and_wakes_the_heartbeat() -> None:
    nursery = Nursery()
    child = Child(nursery.start)
    async with running(child):
        await until(lambda: child.ready)
        await child.changed_within(5)
        nursery.born[0].say(report(checkpoints=["other"]))
        async with asyncio.timeout(5):
            await child.changed_within(60)
        assert child.ready is not None
        assert (child.ready.device_name, child.ready.checkpoints) == ("scripted", ["other"])
        nursery.born[0].say(report(checkpoints=["other"], forwards=9))
        await until(lambda: "pictor_engine_forwards_total 9.0" in told(child))
        assert not child._changed.is_set()


async def test_a_report_renews_the_memory_that_the_fleet_is_told_of() -> None:
    nursery = Nursery()
    child = Child(nursery.start)
    async with running(child):
        await until(lambda: child.ready)
        await child.changed_within(5)
        nursery.born[0].say(report(tiers={"device": Tier(1000, 5000, 0, 4200)}))
        async with asyncio.timeout(5):
            await child.changed_within(60)
        assert child.ready is not None
        assert (child.ready.vram_bytes, child.ready.free_bytes) == (5000, 4200)


async def test_a_wish_is_passed_on_once_and_anew_to_another_child(quick: None) -> None:
    nursery = Nursery()
    child = Child(nursery.start)
    await child.expect(["early"])  # nobody is there to hear it, and that is no error
    async with running(child):
        await until(lambda: child.ready)
        for wish in (["a", "b"], ["a", "b"], ["b", "a"], ["b", "a"], []):
            await child.expect(wish)
        assert nursery.born[0].sent == [Expect(["a", "b"]), Expect(["b", "a"]), Expect([])]
        await child.expect(["a"])
        nursery.born[0].die()
        await until(lambda: len(nursery.born) == 2 and child.ready)
        await child.expect(["a"])
        assert nursery.born[1].sent == [Expect(["a"])]


async def test_what_a_child_did_stays_counted_when_it_dies(quick: None) -> None:
    nursery = Nursery()
    child = Child(nursery.start)
    async with running(child):
        await until(lambda: child.ready)
        nursery.born[0].say(report(forwards=5), Failed("job", 1, "not_finite", "No.", False))
        nursery.born[0].die()
        await until(lambda: len(nursery.born) == 2)
        nursery.born[1].say(report(forwards=3))
        await until(lambda: "pictor_engine_forwards_total 8.0" in told(child))
        assert 'pictor_engine_failed_total{code="not_finite"} 1.0' in told(child)
        assert 'pictor_engine_ends_total{status="0"} 1.0' in told(child)


async def test_a_child_that_hangs_is_killed(quick: None) -> None:
    nursery = Nursery()
    child = Child(nursery.start, patience=Patience(start_s=5, load_s=0.05, least_s=0.05))
    async with running(child):
        await until(lambda: child.ready)
        talk = child.open("job", 1)
        with pytest.raises(EngineGone):
            await talk.hear()


async def test_an_idle_child_is_left_in_peace(quick: None) -> None:
    nursery = Nursery()
    child = Child(nursery.start, patience=Patience(start_s=5, load_s=0.05, least_s=0.05))
    async with running(child):
        await until(lambda: child.ready)
        await asyncio.sleep(0.2)
        assert len(nursery.born) == 1


async def test_an_interruption_comes_before_what_was_said_earlier() -> None:
    nursery = Nursery()
    child = Child(nursery.start)
    async with running(child):
        await until(lambda: child.ready)
        talk = child.open("job", 1)
        talk.put(step(1.0))
        talk.interrupt(OwnershipLost())
        with pytest.raises(OwnershipLost):
            await talk.hear()
        with pytest.raises(OwnershipLost):
            await talk.pause(60)


async def test_draining_lets_the_child_go_for_good() -> None:
    nursery = Nursery()
    child = Child(nursery.start)
    async with running(child) as task:
        await until(lambda: child.ready)
        await child.drain()
        nursery.born[0].die()
        await asyncio.wait_for(task, 5)
    assert nursery.born[0].sent == [Drain()]
    assert len(nursery.born) == 1


async def test_nobody_is_spoken_to_when_nobody_is_there() -> None:
    child = Child(Nursery().start)
    with pytest.raises(EngineGone):
        await child.open("job", 1).say(Render("job", 1, {}))
    await child.drop("job", forget=True)
    await child.drain()
