"""Every transition is one statement, fenced by state, attempt and worker, on the database's clock."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from shared import jobstore, ledger
from shared.connections import Database, Session
from shared.errors import Refusal
from shared.jobs import Job, JobState, Route
from shared.plans import Speed
from tests.shared.rows import Ruling, bring_to, end, make_account, make_job

OPEN = (JobState.WAITING, JobState.DISPATCHED, JobState.RUNNING)


@pytest.fixture
async def session(database: Database) -> AsyncIterator[Session]:
    async with database.begin() as session:
        yield session


@pytest.fixture
async def job(session: Session) -> Job:
    return await make_job(session, await make_account(session))


async def expire(session: Session, job: Job) -> None:
    await session.execute(
        text("update jobs set lease_until = clock_timestamp() - interval '1 s' where id = :id"),
        {"id": job.id},
    )


async def test_a_job_comes_back_as_it_went_in(session: Session, job: Job) -> None:
    assert await jobstore.load(session, job.id) == job
    assert await jobstore.by_submission(session, job.submission_key) == job
    assert (job.state, job.attempt, job.crashes) == (JobState.WAITING, 0, 0)
    assert await jobstore.load(session, uuid4()) is None


async def test_a_key_is_used_once(session: Session, job: Job) -> None:
    other = await make_account(session, "eve")
    with pytest.raises(Refusal) as refused:
        await make_job(session, other, submission_key=job.submission_key)
    assert refused.value.code == "key_reused"


async def test_the_whole_way_to_success(session: Session, job: Job) -> None:
    sent = await jobstore.dispatched(session, job.id, worker="w1")
    assert sent is not None
    assert (sent.state, sent.attempt, sent.worker) == (JobState.DISPATCHED, 1, "w1")
    assert sent.dispatched_at is not None
    assert sent.lease_until is not None
    assert timedelta(seconds=29) < sent.lease_until - sent.dispatched_at <= timedelta(seconds=30.1)

    claimed = await jobstore.running(session, job.id, attempt=1, worker="w1", lease_s=15)
    assert claimed is not None
    assert claimed.started_at is not None
    assert claimed.lease_until is not None
    assert (
        timedelta(seconds=14) < claimed.lease_until - claimed.started_at <= timedelta(seconds=15.1)
    )

    done = await end(session, job.id, JobState.SUCCEEDED)
    assert (done.state, done.gpu_ms, done.charged_ms) == (JobState.SUCCEEDED, 900, 900)
    assert done.finished_at is not None


async def test_only_one_dispatcher_wins(database: Database) -> None:
    async with database.begin() as session:
        job = await make_job(session, await make_account(session))

    async def dispatch(worker: str) -> Job | None:
        async with database.begin() as session:
            return await jobstore.dispatched(session, job.id, worker=worker)

    won = await asyncio.gather(*(dispatch(f"w{number}") for number in range(8)))
    assert sum(job is not None for job in won) == 1


async def test_a_job_is_claimed_once(session: Session, job: Job) -> None:
    running = await bring_to(session, job, JobState.RUNNING)
    again = await jobstore.running(session, job.id, attempt=1, worker="w1", lease_s=99)
    assert again is None
    assert await jobstore.load(session, job.id) == running


@pytest.mark.parametrize(("attempt", "worker"), [(2, "w1"), (0, "w1"), (1, "w2")])
async def test_who_lost_the_job_changes_nothing(
    session: Session, job: Job, attempt: int, worker: str
) -> None:
    """A zombie, an older attempt, a worker of another name: the fence holds for each transition."""
    sent = await bring_to(session, job, JobState.DISPATCHED)
    told: dict[str, Any] = {"code": "why", "sentence": "Because."}
    claim = await jobstore.running(session, job.id, attempt=attempt, worker=worker, lease_s=15)
    assert claim is None
    assert await jobstore.load(session, job.id) == sent

    running = await jobstore.running(session, job.id, attempt=1, worker="w1", lease_s=15)
    verdict = await jobstore.add_verdict(session, job.id, "job", Ruling(), attempt=attempt)
    mine: dict[str, Any] = {"attempt": attempt, "worker": worker}
    assert await jobstore.renew_leases(session, worker, {job.id: attempt}, 60) == set()
    assert await jobstore.given_back(session, job.id, **mine) is None
    assert await jobstore.failed(session, job.id, **mine, **told) is None
    assert await jobstore.blocked(session, job.id, **mine, **told, gpu_ms=1) is None
    done = await jobstore.succeeded(
        session, job.id, **mine, verdict_id=verdict, gpu_ms=1, charged_ms=1
    )
    assert done is None
    assert await jobstore.load(session, job.id) == running


@pytest.mark.parametrize("state", [JobState.DISPATCHED, JobState.CANCELLED])
async def test_what_is_not_in_the_right_state_does_not_move(
    session: Session, job: Job, state: JobState
) -> None:
    """The right worker and attempt, but not claimed yet, or over by now: somebody else was first."""
    before = await bring_to(session, job, state)
    verdict = await jobstore.add_verdict(session, job.id, "job", Ruling(), attempt=1)
    mine: dict[str, Any] = {"attempt": before.attempt, "worker": "w1"}
    told: dict[str, Any] = {"code": "why", "sentence": "Because."}
    moved = [
        await jobstore.blocked(session, job.id, **mine, **told, gpu_ms=1),
        await jobstore.succeeded(
            session, job.id, **mine, verdict_id=verdict, gpu_ms=1, charged_ms=1
        ),
    ]
    if state.terminal:
        moved.append(await jobstore.given_back(session, job.id, **mine))
        moved.append(await jobstore.failed(session, job.id, **mine, **told))
    assert moved == [None] * len(moved)
    assert await jobstore.load(session, job.id) == before


async def test_leases_are_renewed_for_what_is_owned(session: Session, job: Job) -> None:
    account = await make_account(session)
    running = await bring_to(session, job, JobState.RUNNING)
    lost = await bring_to(session, await make_job(session, account), JobState.CANCELLED)
    asked = {job.id: 1, lost.id: 1, uuid4(): 1}
    assert await jobstore.renew_leases(session, "w1", asked, 60) == {job.id}
    renewed = await jobstore.load(session, job.id)
    assert renewed is not None
    assert renewed.lease_until is not None
    assert running.lease_until is not None
    assert renewed.lease_until - running.lease_until > timedelta(seconds=44)
    assert await jobstore.renew_leases(session, "w1", {}, 60) == set()


@pytest.mark.parametrize("state", [JobState.DISPATCHED, JobState.RUNNING])
async def test_giving_back_counts_no_crash(session: Session, job: Job, state: JobState) -> None:
    await bring_to(session, job, state)
    back = await jobstore.given_back(session, job.id, attempt=1, worker="w1")
    assert back is not None
    assert (back.state, back.worker, back.lease_until) == (JobState.WAITING, None, None)
    assert (back.attempt, back.crashes) == (1, 0)
    again = await jobstore.dispatched(session, job.id, worker="w2")
    assert again is not None
    assert again.attempt == 2


@pytest.mark.parametrize("state", OPEN)
async def test_an_open_job_can_be_cancelled_by_its_owner_alone(
    session: Session, job: Job, state: JobState
) -> None:
    await bring_to(session, job, state)
    assert await jobstore.cancelled(session, job.id, uuid4()) is None
    cancelled = await jobstore.cancelled(session, job.id, job.account_id)
    assert cancelled is not None
    assert (cancelled.state, cancelled.charged_ms) == (JobState.CANCELLED, 0)
    assert await jobstore.cancelled(session, job.id, job.account_id) is None


async def test_a_waiting_job_can_fail_without_a_worker(session: Session, job: Job) -> None:
    failed = await jobstore.failed(
        session, job.id, attempt=0, worker=None, code="no_workers", sentence="Nobody came."
    )
    assert failed is not None
    assert (failed.state, failed.error_sentence) == (JobState.FAILED, "Nobody came.")


async def test_a_running_job_is_not_failed_by_who_holds_nothing(session: Session, job: Job) -> None:
    await bring_to(session, job, JobState.RUNNING)
    told: dict[str, Any] = {"code": "why", "sentence": "Because."}
    assert await jobstore.failed(session, job.id, attempt=1, worker=None, **told) is None


async def test_rescue_leaves_living_leases_alone(session: Session, job: Job) -> None:
    await bring_to(session, job, JobState.RUNNING)
    assert await jobstore.rescued(session, max_crashes=5) == []


async def test_rescue_of_an_unheard_ring_counts_no_crash(session: Session, job: Job) -> None:
    await expire(session, await bring_to(session, job, JobState.DISPATCHED))
    [back] = await jobstore.rescued(session, max_crashes=1)
    assert (back.state, back.crashes, back.attempt, back.worker) == (JobState.WAITING, 0, 1, None)


async def test_rescue_counts_crashes_and_gives_up_at_the_last(session: Session, job: Job) -> None:
    for crash in (1, 2):
        await jobstore.dispatched(session, job.id, worker="w1")
        await jobstore.running(session, job.id, attempt=crash, worker="w1", lease_s=15)
        await expire(session, job)
        [back] = await jobstore.rescued(session, max_crashes=3)
        assert (back.state, back.crashes) == (JobState.WAITING, crash)
    await jobstore.dispatched(session, job.id, worker="w1")
    await jobstore.running(session, job.id, attempt=3, worker="w1", lease_s=15)
    await expire(session, job)
    [lost] = await jobstore.rescued(session, max_crashes=3)
    assert (lost.state, lost.crashes, lost.error_code) == (JobState.FAILED, 3, "worker_lost")
    assert lost.error_sentence is not None
    assert "Nothing was charged" in lost.error_sentence
    await ledger.release(session, lost)
    assert await ledger.audit_sums(session) == []


async def test_two_rescuers_share_nothing(database: Database) -> None:
    async with database.begin() as session:
        account = await make_account(session)
        for _ in range(6):
            job = await make_job(session, account)
            await expire(session, await bring_to(session, job, JobState.RUNNING))

    async def rescue() -> list[Job]:
        async with database.begin() as session:
            return await jobstore.rescued(session, max_crashes=5)

    rescued = await asyncio.gather(rescue(), rescue(), rescue())
    ids = [job.id for batch in rescued for job in batch]
    assert len(ids) == len(set(ids)) == 6
    assert all(job.crashes == 1 for batch in rescued for job in batch)


async def test_rescue_does_not_wait_for_a_worker_that_is_just_committing(
    database: Database,
) -> None:
    async with database.begin() as session:
        account = await make_account(session)
        jobs = [await make_job(session, account) for _ in range(2)]
        for job in jobs:
            await expire(session, await bring_to(session, job, JobState.RUNNING))
    async with database.begin() as committing:
        await end(committing, jobs[0].id, JobState.FAILED)
        async with asyncio.timeout(1), database.begin() as session:
            rescued = await jobstore.rescued(session, max_crashes=5)
    assert [job.id for job in rescued] == [jobs[1].id]


async def test_lists(session: Session) -> None:
    account = await make_account(session)
    jobs = [await make_job(session, account, speed=speed) for speed in Speed]
    child = await make_job(session, account, parent_id=jobs[0].id)
    await bring_to(session, jobs[1], JobState.DISPATCHED)
    await bring_to(session, jobs[2], JobState.SUCCEEDED)
    names = {job.id: name for job, name in zip([*jobs, child], "abcd", strict=True)}

    def told(found: list[Job]) -> str:
        return "".join(names[job.id] for job in found)

    assert told(await jobstore.waiting(session)) == "ad"
    assert told(await jobstore.open_jobs(session, account.id)) == "abd"
    assert told(await jobstore.recent(session, account.id, 2)) == "dc"
    assert told(await jobstore.children(session, jobs[0].id)) == "d"
    assert told(await jobstore.dispatched_to(session, "w1")) == "b"
    assert told(await jobstore.dispatched_to(session, "w2")) == ""
    assert told(await jobstore.sent(session)) == "b"
    assert await jobstore.running_and_waiting(session, account.id) == (1, 2)
    assert await jobstore.running_and_waiting(session, uuid4()) == (0, 0)
    assert await jobstore.state_counts(session, account.id) == {
        "waiting": 2,
        "dispatched": 1,
        "succeeded": 1,
    }
    assert await jobstore.queue_counts(session) == {
        (JobState.WAITING, Speed.TURBO): 1,
        (JobState.WAITING, Speed.FAST): 1,
        (JobState.DISPATCHED, Speed.FAST): 1,
    }


async def test_assets_need_a_passed_verdict_of_the_same_job(session: Session, job: Job) -> None:
    other = await make_job(session, await make_account(session))
    good = await jobstore.add_verdict(session, job.id, "image", Ruling(), attempt=1)
    wrong = [
        await jobstore.add_verdict(session, other.id, "image", Ruling()),
        await jobstore.add_verdict(session, job.id, "image", Ruling(decision="block")),
        await jobstore.add_verdict(session, job.id, "image", Ruling(decision="review")),
        await jobstore.add_verdict(session, job.id, "prompt", Ruling()),
        999_999,
    ]
    file: dict[str, Any] = {
        "sha256": "0" * 64,
        "size": 9,
        "width": 64,
        "height": 64,
        "mime": "image/png",
    }
    for index, verdict in enumerate(wrong):
        with pytest.raises(IntegrityError, match="fk_assets_verdict"):
            async with session.begin_nested():
                await jobstore.add_asset(
                    session,
                    job.id,
                    kind="image",
                    index=index,
                    key=f"k{index}",
                    verdict_id=verdict,
                    **file,
                )
    for kind, index in (("image", 1), ("image", 0), ("grid", 0)):
        await jobstore.add_asset(
            session, job.id, kind=kind, index=index, key=f"{kind}{index}", verdict_id=good, **file
        )
    kept = await jobstore.assets(session, job.id)
    assert [(asset.kind, asset.index, asset.key) for asset in kept] == [
        ("grid", 0, "grid0"),
        ("image", 0, "image0"),
        ("image", 1, "image1"),
    ]


async def test_a_delivery_is_open_until_it_is_closed_once(database: Database) -> None:
    async with database.begin() as session:
        moment = await database.now()
        job = await make_job(session, await make_account(session))
        route = Route("1", "2", "3", application_id="4", token="secret", token_expires_at=moment)
        await jobstore.set_route(session, job.id, route)
        assert await jobstore.open_deliveries(session) == [(job, route)]
        assert await jobstore.route(session, job.id) == route
        moved = Route("1", "9", "3")
        await jobstore.set_route(session, job.id, moved)
        assert await jobstore.route(session, job.id) == moved
        await jobstore.set_route(session, job.id, route)
        assert await jobstore.delivered(session, job.id)
        assert not await jobstore.delivered(session, job.id)
        assert not await jobstore.undeliverable(session, job.id, "late")
        assert await jobstore.open_deliveries(session) == []
        kept = await jobstore.route(session, job.id)
        assert kept is not None
        assert kept.token is None
        assert await jobstore.route(session, uuid4()) is None


async def test_workers_are_known_while_they_beat(session: Session, job: Job) -> None:
    await jobstore.heartbeat(session, "w1", "cpu", 4, ["postcards"], False)
    await jobstore.heartbeat(session, "w2", "cuda:0", 8, [], False)
    await jobstore.heartbeat(session, "w2", "cuda:0", 8, [], True)
    await bring_to(session, job, JobState.RUNNING)
    first, second = await jobstore.live_workers(session, 15)
    assert (first.name, first.slots, first.checkpoints, first.jobs) == ("w1", 4, ("postcards",), 1)
    assert (second.draining, second.jobs) == (True, 0)
    await session.execute(
        text("update workers set seen_at = seen_at - interval '16 s' where name = 'w1'")
    )
    assert [row.name for row in await jobstore.live_workers(session, 15)] == ["w2"]
    await jobstore.forget_worker(session, "w2")
    assert await jobstore.live_workers(session, 15) == []
