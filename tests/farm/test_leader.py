"""The leader's step on a real Postgres and a real Redis."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from redis.asyncio import Redis

from farm import leader as leading
from farm.herald import Herald
from farm.leader import Leader
from shared import jobstore
from shared.bell import Bell, gpu_queue
from shared.config import FarmSettings, Settings
from shared.connections import Database, connect_redis
from shared.errors import Fault
from shared.events import EventKind, Events, JobEvent
from shared.jobs import Job, JobState
from shared.moderation import pauses
from shared.outlooks import Outlooks
from shared.plans import ALONE_FROM, Speed
from tests.farm.rows import (
    a_job,
    a_worker,
    an_account,
    claim,
    dispatch,
    end,
    execute,
    finish,
    see,
    the_book,
    the_catalog,
)


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator["Redis"]:
    client = connect_redis(settings.redis)
    yield client
    await client.aclose()


@pytest.fixture
async def bell(settings: Settings) -> AsyncIterator[Bell]:
    bell = Bell(settings.redis)
    yield bell
    await bell.close()


@pytest.fixture
async def leader(database: Database, bell: Bell, redis: "Redis") -> AsyncIterator[Leader]:
    made = a_leader(database, bell, redis)
    yield made
    await made.close()


def a_leader(database: Database, bell: Bell, redis: "Redis") -> Leader:
    """It scans when told to, so that a test knows by which way it learned."""
    farm = FarmSettings(scan_every_s=3600.0)
    return leading_on(database, bell, redis, farm=farm)


def leading_on(database: Database, bell: Bell, redis: "Redis", *, farm: FarmSettings) -> Leader:
    herald = Herald(bell, Events(redis), Outlooks(redis))
    return Leader(database, bell, herald, book=the_book(), catalog=the_catalog(), farm=farm)


async def ended(database: Database, leader: Leader, job: Job) -> None:
    await end(database, job)
    leader.rung(job.id)


async def served(database: Database, leader: Leader, jobs: list[Job]) -> list[Job]:
    """What one slot serves, in order: what is dispatched (and what pushes it aside) ends before the
    next step."""
    left, order = {job.id: job for job in jobs}, []
    leader.rescan()
    while left:
        await leader.step()
        sent = await _sent(database)
        assert sent, "one slot, and work for it"
        for job in sent:
            order.append(left.pop(job.id))
            await finish(database, job, gpu_ms=job.estimate_ms)
            leader.rung(job.id)
    return order


async def _sent(database: Database) -> list[Job]:
    async with database.read() as session:
        return await jobstore.sent(session)


# --- learn and dispatch -----------------------------------------------------------------------


async def test_a_rung_job_is_dispatched_and_its_worker_rung(
    database: Database, leader: Leader, bell: Bell
) -> None:
    await leader.step()
    await a_worker(database)
    job = await a_job(database, await an_account(database))
    leader.rung(job.id)
    await leader.awake()
    await leader.step()
    await leader.close()
    found = await see(database, job.id)
    assert (found.state, found.worker, found.attempt) == (JobState.DISPATCHED, "gpu", 1)
    assert await bell.depth(gpu_queue("gpu")) == 1


async def test_while_the_farm_is_paused_for_safety_what_waits_stays_in_line(
    database: Database, leader: Leader, bell: Bell
) -> None:
    await a_worker(database)
    job = await a_job(database, await an_account(database))
    async with database.begin() as session:
        await pauses.pause(session, pauses.SAFETY, "The filter cannot answer.", "filter:gpu")
    leader.rescan()
    await leader.step()
    assert (await see(database, job.id)).state is JobState.WAITING
    await leader.close()
    async with database.begin() as session:
        await pauses.resume(session, pauses.SAFETY, "person:1")
    leader.rescan()
    await leader.step()
    assert (await see(database, job.id)).state is JobState.DISPATCHED


async def test_a_pause_of_the_desk_alone_lets_the_line_go_on(
    database: Database, leader: Leader
) -> None:
    await a_worker(database)
    job = await a_job(database, await an_account(database))
    async with database.begin() as session:
        await pauses.pause(session, pauses.EVERYWHERE, "Maintenance.", "person:1")
    leader.rescan()
    await leader.step()
    assert (await see(database, job.id)).state is JobState.DISPATCHED


async def test_what_waits_or_was_sent_is_known_until_it_ends(
    database: Database, leader: Leader
) -> None:
    """So that the bell of a job which an event has told of costs no second look."""
    job = await a_job(database, await an_account(database))
    assert not leader.knows(job.id)
    await leader.step()
    assert leader.knows(job.id)
    await a_worker(database)
    leader.rescan()
    await leader.step()
    assert (await see(database, job.id)).state is JobState.DISPATCHED
    assert leader.knows(job.id)
    await ended(database, leader, await see(database, job.id))
    await leader.step()
    assert not leader.knows(job.id)


async def test_a_lost_ring_is_found_by_the_scan(database: Database, leader: Leader) -> None:
    await leader.step()
    await a_worker(database)
    job = await a_job(database, await an_account(database))
    await leader.step()
    assert (await see(database, job.id)).state is JobState.WAITING
    leader.rescan()
    await leader.step()
    assert (await see(database, job.id)).state is JobState.DISPATCHED


async def test_the_next_scan_wakes_the_leader_by_itself(
    database: Database, bell: Bell, redis: "Redis"
) -> None:
    farm = FarmSettings(scan_every_s=0.05)
    leader = leading_on(database, bell, redis, farm=farm)
    await leader.step()
    async with asyncio.timeout(2.0):
        await leader.awake()


async def test_no_more_than_the_slots(database: Database, leader: Leader) -> None:
    await a_worker(database, "a", slots=2)
    await a_worker(database, "leaving", slots=2, draining=True)
    jobs = [await a_job(database, await an_account(database)) for _ in range(3)]
    await leader.step()
    states = [(await see(database, job.id)).state for job in jobs]
    assert states == [JobState.DISPATCHED, JobState.DISPATCHED, JobState.WAITING]
    await ended(database, leader, jobs[0])
    await leader.step()
    assert (await see(database, jobs[2].id)).state is JobState.DISPATCHED


async def test_an_ended_job_frees_its_slot_even_when_nobody_says_so(
    database: Database, leader: Leader
) -> None:
    await a_worker(database)
    first, second = [await a_job(database, await an_account(database)) for _ in range(2)]
    await leader.step()
    await end(database, first)
    leader.rescan()
    await leader.step()
    assert (await see(database, second.id)).state is JobState.DISPATCHED


async def test_a_cancelled_waiting_job_is_never_sent(database: Database, leader: Leader) -> None:
    first, second = [await a_job(database, await an_account(database)) for _ in range(2)]
    await leader.step()
    await end(database, first)
    await a_worker(database)
    leader.rung(second.id)
    await leader.step()  # it still believes in `first`, and loses that race
    await leader.step()
    assert (await see(database, first.id)).state is JobState.CANCELLED
    assert (await see(database, second.id)).state is JobState.DISPATCHED


# --- fair order -------------------------------------------------------------------------------


async def test_first_come_inside_an_account(database: Database, leader: Leader) -> None:
    await a_worker(database)
    account_id = await an_account(database)
    jobs = [await a_job(database, account_id) for _ in range(4)]
    assert await served(database, leader, jobs) == jobs


async def test_lanes_share_ten_to_five_to_one(database: Database, leader: Leader) -> None:
    await a_worker(database)
    account_id = await an_account(database)
    jobs = [
        await a_job(database, account_id, speed=speed, cost_ms=100)
        for speed in Speed
        for _ in range(11)
    ]
    first = [job.speed for job in (await served(database, leader, jobs))[:16]]
    assert [first.count(speed) for speed in Speed] == [10, 5, 1]


async def test_a_heavy_account_does_not_hold_up_a_light_one(
    database: Database, leader: Leader
) -> None:
    await a_worker(database)
    heavy, light = await an_account(database), await an_account(database)
    jobs = [await a_job(database, heavy) for _ in range(8)]
    jobs.append(await a_job(database, light))
    order = [job.account_id for job in await served(database, leader, jobs)]
    assert order.index(light) <= 1


async def test_the_plan_weighs(database: Database, leader: Leader) -> None:
    await a_worker(database)
    pro, free = await an_account(database, "pro"), await an_account(database, "free")
    jobs = [await a_job(database, pro, plan="pro") for _ in range(8)]
    jobs += [await a_job(database, free, plan="free") for _ in range(4)]
    first = [job.account_id for job in (await served(database, leader, jobs))[:5]]
    assert first.count(pro) == 4


async def test_the_running_cap_counts_what_a_leader_before_sent(
    database: Database, bell: Bell, redis: "Redis"
) -> None:
    await a_worker(database, slots=8)
    account_id = await an_account(database, "free")
    jobs = [await a_job(database, account_id, plan="free") for _ in range(4)]
    for _ in range(2):
        await a_leader(database, bell, redis).step()
        sent = await _sent(database)
        assert len(sent) == 2, "the Free plan's cap"
    await claim(database, sent[0])
    successor = a_leader(database, bell, redis)
    await successor.step()
    await ended(database, successor, sent[0])
    await successor.step()
    assert (await see(database, jobs[2].id)).state is JobState.DISPATCHED
    assert (await see(database, jobs[3].id)).state is JobState.WAITING


# --- faults -----------------------------------------------------------------------------------


async def test_a_step_that_fails_loses_nothing(
    database: Database, leader: Leader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database goes away in the middle: the memory says sent, and the rows say waiting."""
    await a_worker(database, slots=2)
    account_id = await an_account(database)
    jobs = [await a_job(database, account_id) for _ in range(2)]

    async def cut(*_: object, **__: object) -> None:
        raise Fault("database_down", "...", retryable=True)

    with monkeypatch.context() as patch:
        patch.setattr(jobstore, "dispatched_all", cut)
        with pytest.raises(Fault):
            await leader.step()
    assert leader.scheduler.running.keys() == {job.id for job in jobs}
    await leader.step()
    assert [(await see(database, job.id)).attempt for job in jobs] == [1, 1]


async def test_a_commit_without_a_reply_sends_nothing_twice(
    database: Database, leader: Leader, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_worker(database, slots=2)
    account_id = await an_account(database)
    jobs = [await a_job(database, account_id) for _ in range(2)]
    really_dispatched = jobstore.dispatched_all

    async def reply_lost(_: object, picks: list[tuple[UUID, str]]) -> None:
        async with database.begin() as session:
            await really_dispatched(session, picks)
        raise Fault("database_down", "...", retryable=True)

    with monkeypatch.context() as patch:
        patch.setattr(jobstore, "dispatched_all", reply_lost)
        with pytest.raises(Fault):
            await leader.step()
    await leader.step()
    assert [(await see(database, job.id)).attempt for job in jobs] == [1, 1]


async def test_an_unclaimed_job_is_rung_again(
    database: Database, leader: Leader, bell: Bell, redis: "Redis"
) -> None:
    await a_worker(database, slots=2)
    account_id = await an_account(database)
    unheard, claimed = [await a_job(database, account_id) for _ in range(2)]
    await leader.step()
    await leader.close()
    await claim(database, await see(database, claimed.id))
    await redis.flushall()
    leader.rescan()
    await leader.step()
    await leader.close()
    assert await bell.depth(gpu_queue("gpu")) == 0, "it has two seconds"
    await execute(database, "update jobs set dispatched_at = dispatched_at - interval '3 s'")
    leader.rescan()
    await leader.step()
    await leader.close()
    rings = await redis.zrange(gpu_queue("gpu"), 0, -1)
    assert rings == [f"render:{unheard.id}:1".encode()]


async def test_rings_that_nobody_heard_are_counted(
    database: Database, bell: Bell, redis: "Redis"
) -> None:
    counted: list[int] = []
    herald = Herald(bell, Events(redis), Outlooks(redis))
    leader = Leader(
        database,
        bell,
        herald,
        book=the_book(),
        catalog=the_catalog(),
        farm=FarmSettings(),
        ringing_again=counted.append,
    )
    await a_worker(database)
    await a_job(database, await an_account(database))
    await leader.step()
    await execute(database, "update jobs set dispatched_at = dispatched_at - interval '3 s'")
    leader.rescan()
    await leader.step()
    await leader.close()
    assert counted == [0, 1]


# --- what people are told ---------------------------------------------------------------------


async def test_waiting_people_are_told_once_and_again_when_it_changes(
    database: Database, leader: Leader, redis: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leading, "TELL_EVERY_S", 0.0)
    monkeypatch.setattr(leading, "LEAST_REST", 0)
    await a_worker(database)
    jobs = [await a_job(database, await an_account(database)) for _ in range(3)]
    async with Events(redis).subscribe() as stream:
        await leader.step()
        first = await _waiting_events(stream, 2)
        await leader.step()
        await ended(database, leader, jobs[0])
        await leader.step()
        second = await _waiting_events(stream, 1)
    assert [(e.job_id, e.position, e.reason) for e in first] == [
        (jobs[1].id, 1, "next in line"),
        (jobs[2].id, 2, "behind 1 job"),
    ]
    assert all(event.eta_s is not None and event.eta_s > 0 for event in first)
    assert [(e.job_id, e.position) for e in second] == [(jobs[2].id, 1)]


async def test_the_board_says_the_same_and_is_empty_when_the_leader_leaves(
    database: Database, leader: Leader, redis: "Redis"
) -> None:
    await a_worker(database)
    jobs = [await a_job(database, await an_account(database)) for _ in range(3)]
    await leader.step()
    async with asyncio.timeout(5.0):
        while not (told := await Outlooks(redis).read([jobs[2].id])):
            await asyncio.sleep(0.01)
    assert (told[jobs[2].id].position, told[jobs[2].id].reason) == (2, "behind 1 job")
    await leader.close()
    assert await Outlooks(redis).read([jobs[2].id]) is None


async def test_a_running_job_that_is_slow_makes_the_next_one_later(
    database: Database, leader: Leader, redis: "Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leading, "TELL_EVERY_S", 0.0)
    monkeypatch.setattr(leading, "LEAST_REST", 0)
    await a_worker(database)
    jobs = [await a_job(database, await an_account(database)) for _ in range(2)]
    await leader.step()
    leader.drawing(jobs[0].id, 600.0)
    leader.drawing(jobs[1].id, 900.0)  # it does not run: nobody's word
    await leader.step()
    await asyncio.gather(*leader._aside)
    told = await Outlooks(redis).read([jobs[1].id])
    assert told
    assert told[jobs[1].id].start_s == pytest.approx(600.0, abs=5.0)
    await ended(database, leader, jobs[0])
    await leader.step()
    assert leader._due == {}


async def test_a_worker_is_rung_for_what_the_queue_will_need(
    database: Database, leader: Leader, redis: "Redis"
) -> None:
    await a_worker(database)
    await execute(database, "update workers set checkpoints = '[\"other\"]'")
    for _ in range(2):
        await a_job(database, await an_account(database))
    await leader.step()
    await leader.close()
    rings = [ring.decode() for ring in await redis.zrange(gpu_queue("gpu"), 0, -1)]
    assert [ring for ring in rings if ring.startswith("expect:")] == []
    # the first job of it is on its way there, so nothing is left to be read ahead
    assert any(ring.startswith("render:") for ring in rings)


async def test_a_new_leader_knows_who_used_a_lot_of_relax(
    database: Database, bell: Bell, redis: "Redis"
) -> None:
    heavy, light = await an_account(database), await an_account(database)
    await a_worker(database, "past")
    for account in (heavy, heavy, light):
        job = await a_job(database, account, speed=Speed.RELAX)
        if account is heavy:
            await finish(database, await dispatch(database, job, "past"), gpu_ms=60_000)
    await execute(database, "delete from workers")
    leader = a_leader(database, bell, redis)
    await leader.step()
    now = leader._now
    assert leader.scheduler.relax_use.of(heavy, now) == pytest.approx(120_000, rel=0.01)
    assert leader.scheduler.relax_use.of(light, now) == 0
    await leader.close()


async def test_what_a_job_really_took_corrects_its_accounts_place(
    database: Database, leader: Leader
) -> None:
    """A job that took next to nothing costs its account no turn, whatever its estimate was."""
    await a_worker(database)
    quick, other = await an_account(database), await an_account(database)
    first = await a_job(database, quick, cost_ms=4000)
    jobs = [first] + [await a_job(database, one) for one in (other, quick, other)]
    await leader.step()
    await finish(database, await see(database, first.id), gpu_ms=1)
    leader.rung(first.id)
    order = [job.account_id for job in await served(database, leader, jobs[1:])]
    assert order == [other, quick, other]


async def test_a_suspect_job_is_sent_to_an_empty_worker_alone(
    database: Database, leader: Leader
) -> None:
    """Its first two workers died with it; the third takes it without company."""
    await a_worker(database, "a", slots=4)
    suspect = await a_job(database, await an_account(database))
    for _ in range(ALONE_FROM):
        await claim(database, await dispatch(database, suspect, "gone"), lease_s=0.0)
        async with database.begin() as session:
            await jobstore.rescued(session, max_crashes=5)
    others = [await a_job(database, await an_account(database)) for _ in range(3)]
    leader.rescan()
    await leader.step()
    states = {(await see(database, job.id)).state for job in others}
    assert (await see(database, suspect.id)).state is JobState.DISPATCHED
    assert states == {JobState.WAITING}
    await end(database, await see(database, suspect.id))
    leader.rescan()
    await leader.step()
    assert {(await see(database, job.id)).state for job in others} == {JobState.DISPATCHED}


async def test_turbo_is_dispatched_to_a_worker_that_is_full_of_relax(
    database: Database, leader: Leader
) -> None:
    await a_worker(database, slots=2)
    for _ in range(3):
        await a_job(database, await an_account(database), speed=Speed.RELAX)
    await leader.step()
    turbo = await a_job(database, await an_account(database), speed=Speed.TURBO)
    leader.rung(turbo.id)
    await leader.step()
    found = await see(database, turbo.id)
    assert (found.state, found.worker) == (JobState.DISPATCHED, "gpu")


async def test_at_most_once_a_second(database: Database, leader: Leader, redis: "Redis") -> None:
    job = await a_job(database, await an_account(database))
    async with Events(redis).subscribe() as stream:
        await leader.step()
        (told,) = await _waiting_events(stream, 1)
        assert (told.job_id, told.reason, told.eta_s) == (job.id, "no GPU is up", None)
        other = await a_job(database, await an_account(database))
        leader.rung(other.id)
        await leader.step()
        with pytest.raises(TimeoutError):
            await _waiting_events(stream, 1, within_s=0.3)


async def test_finished_jobs_teach_the_pace(database: Database, leader: Leader) -> None:
    await a_worker(database)
    job = await a_job(database, await an_account(database), cost_ms=1000)
    await leader.step()
    await claim(database, await see(database, job.id))
    await execute(
        database,
        "insert into verdicts (job_id, subject, decision, sha256, policy)"
        " values (:id, 'image', 'allow', 'x', 'x')",
        id=job.id,
    )
    await execute(
        database,
        "update jobs set state = 'succeeded', passed_verdict = (select max(id) from verdicts),"
        " charged_ms = 0, gpu_ms = 0, finished_at = started_at + interval '3 s' where id = :id",
        id=job.id,
    )
    leader.rung(job.id)
    await leader.step()
    assert leader._pace.value == pytest.approx(1.2)
    assert not leader.scheduler.running


async def _waiting_events(
    stream: AsyncIterator[JobEvent], number: int, *, within_s: float = 5.0
) -> list[JobEvent]:
    found: list[JobEvent] = []
    async with asyncio.timeout(within_s):
        async for event in stream:
            if event.kind is EventKind.WAITING:
                found.append(event)
            if len(found) == number:
                break
    return found
