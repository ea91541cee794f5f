"""A filter that cannot answer stops the farm: a pause that everybody sees, tests, and going on."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from farm.engine.messages import Inspect, Inspected, Render, ToChild, ToParent
from farm.fuse import Fuse
from farm.safety.breaker import Limits
from farm.safety.watchlist import Watchlist
from shared.errors import Fault
from shared.jobs import JobState
from shared.moderation import pauses
from shared.moderation.pauses import SAFETY, Pause
from shared.tables import audit
from tests.farm import test_render
from tests.farm.test_render import Stage
from tests.farm.workshop import finding, picture, rendered

stage = test_render.stage  # the fixture

SAFE = {"decision": "allow"}
BROKEN = {"decision": "block", "category": "damaged", "rule": "filter_failed:world:exception"}
GORE = {"decision": "block", "category": "gore", "rule": "test:gore"}
LIMITS = Limits(in_a_row=3, failures=10, of=20, heal_s=60.0)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def script(said: dict[str, Any]) -> Any:
    def answer(message: ToChild) -> Iterable[ToParent]:
        if isinstance(message, Render):
            drawn = [picture(index) for index in range(4)]
            yield rendered(
                message, pictures=drawn, findings=[finding(one, **said) for one in drawn]
            )
        if isinstance(message, Inspect):
            yield Inspected(message.job_id, [finding(one, **said) for one in message.pictures], 5)

    return answer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fuse(stage: Stage, clock: Clock) -> Fuse:
    fuse = Fuse("gpu", LIMITS, clock=clock)
    stage.bench = replace(stage.bench, fuse=fuse)
    return fuse


async def tend(stage: Stage, fuse: Fuse, watch: Watchlist | None = None) -> None:
    await fuse.tend(stage.bench.database, stage.child, watch or stage.bench.watch)


async def draw(stage: Stage, said: dict[str, Any], times: int = 1) -> None:
    stage.engine.script = script(said)
    for _ in range(times):
        await stage.run(await stage.workshop.claimed())


async def paused(stage: Stage) -> Pause | None:
    async with stage.bench.database.read() as session:
        return next((one for one in await pauses.current(session) if one.scope == SAFETY), None)


async def test_failures_in_a_row_pause_the_farm_and_moderators_hear_of_it(
    stage: Stage, fuse: Fuse
) -> None:
    await draw(stage, BROKEN, 2)
    await tend(stage, fuse)
    assert await paused(stage) is None
    await draw(stage, BROKEN)
    await tend(stage, fuse)
    pause = await paused(stage)
    assert pause is not None
    assert pause.actor == "filter:gpu"
    assert pause.reason.endswith("cannot answer: filter_failed:world:exception.")
    async with stage.bench.database.read() as session:
        rows = (await session.execute(select(audit).where(audit.c.action == "pause"))).all()
    assert [row.subject for row in rows] == [SAFETY]


async def test_pictures_that_are_blocked_for_what_they_show_pause_nothing(
    stage: Stage, fuse: Fuse
) -> None:
    await draw(stage, GORE, 4)
    await draw(stage, BROKEN | {"rule": "filter_failed:blank"}, 4)
    await tend(stage, fuse)
    assert not fuse.open
    assert await paused(stage) is None


async def test_it_resumes_when_its_filter_has_answered_for_a_minute(
    stage: Stage, fuse: Fuse, clock: Clock
) -> None:
    await draw(stage, SAFE)
    await draw(stage, BROKEN, 3)
    await tend(stage, fuse)
    await tend(stage, fuse)  # the filter is still broken
    clock.now += 100
    await tend(stage, fuse)
    assert await paused(stage) is not None
    stage.engine.script = script(SAFE)
    for _ in range(6):
        clock.now += 11
        await tend(stage, fuse)
        assert await paused(stage) is not None
    clock.now += 11
    await tend(stage, fuse)
    assert await paused(stage) is None
    assert not fuse.open


async def test_it_tests_with_a_picture_that_passed_and_must_pass_again(
    stage: Stage, fuse: Fuse, clock: Clock
) -> None:
    await draw(stage, SAFE)
    await draw(stage, BROKEN, 3)
    await tend(stage, fuse)
    stage.engine.script = script(GORE)  # it answers, but not as before
    await tend(stage, fuse)
    clock.now += 61
    await tend(stage, fuse)
    assert await paused(stage) is not None
    (asked, *_) = [one for one in stage.engine.sent if isinstance(one, Inspect)]
    assert (asked.checkpoint, asked.pictures) == ("postcards", [picture(0)])


async def test_a_moderator_may_resume_and_it_counts_from_nothing(stage: Stage, fuse: Fuse) -> None:
    await draw(stage, BROKEN, 3)
    await tend(stage, fuse)
    async with stage.bench.database.begin() as session:
        await pauses.resume(session, SAFETY, "person:1")
    await tend(stage, fuse)
    assert not fuse.open
    await draw(stage, BROKEN, 2)
    await tend(stage, fuse)
    assert await paused(stage) is None
    await draw(stage, BROKEN)
    await tend(stage, fuse)
    assert await paused(stage) is not None


async def test_a_worker_that_was_started_again_goes_on_testing(
    stage: Stage, fuse: Fuse, clock: Clock
) -> None:
    async with stage.bench.database.begin() as session:
        await pauses.pause(session, SAFETY, "It failed.", "filter:gpu")
    stage.engine.script = script(SAFE)
    await tend(stage, fuse)
    clock.now += 61
    await tend(stage, fuse)
    assert await paused(stage) is None


async def test_the_pause_of_another_worker_is_that_workers_to_end(
    stage: Stage, fuse: Fuse, clock: Clock
) -> None:
    async with stage.bench.database.begin() as session:
        await pauses.pause(session, SAFETY, "It failed.", "filter:other")
    stage.engine.script = script(SAFE)
    await tend(stage, fuse)
    clock.now += 61
    await tend(stage, fuse)
    assert await paused(stage) is not None
    assert stage.engine.sent == []


async def test_a_hash_list_that_cannot_be_read_keeps_it_paused(
    stage: Stage, fuse: Fuse, clock: Clock, tmp_path: Any
) -> None:
    await draw(stage, SAFE)
    await draw(stage, BROKEN, 3)
    await tend(stage, fuse)
    stage.engine.script = script(SAFE)
    unreadable = Watchlist(tmp_path / "none.csv")
    with pytest.raises(Fault):
        unreadable.open()
    await tend(stage, fuse, unreadable)
    clock.now += 61
    await tend(stage, fuse, unreadable)
    assert await paused(stage) is not None


async def test_a_child_that_is_gone_passes_no_test(stage: Stage, fuse: Fuse, clock: Clock) -> None:
    await draw(stage, BROKEN, 3)
    await tend(stage, fuse)
    stage.engine.die()
    for _ in range(2):
        await tend(stage, fuse)
        clock.now += 61
    assert await paused(stage) is not None


async def test_what_cannot_be_marked_or_signed_stops_the_farm_too(stage: Stage, fuse: Fuse) -> None:
    for _ in range(3):
        fuse.faulted(Fault("not_signed", "The key cannot be used."))
        fuse.faulted(Fault("storage_down", "Away."))
    await tend(stage, fuse)
    pause = await paused(stage)
    assert pause is not None
    assert "not_signed" in pause.reason


async def test_every_job_that_was_stopped_is_refunded(stage: Stage, fuse: Fuse) -> None:
    before = await stage.workshop.balance()
    await draw(stage, BROKEN, 3)
    after = await stage.workshop.balance()
    assert (after.held_ms, after.available_ms) == (0, before.available_ms)
    assert await stage.workshop.books_balance()
    assert stage.heard.states == [JobState.BLOCKED.value] * 3
