"""What webhooks are told is written down with what happened, claimed once, and told in order."""

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from shared import hookdeliveries, hookrows
from shared.accounts import Account
from shared.connections import Database, Session
from shared.hookdeliveries import Claim
from shared.hookrows import Webhook
from shared.hooks import COMPLETED, Answer, HookEvent
from shared.jobs import Job, JobState
from tests.shared.rows import bring_to, end, make_account, make_job

URL = "https://receiver.example/told"
EVERY = tuple(HookEvent)
LATE = Answer(error="late")


@pytest.fixture
async def session(database: Database) -> AsyncIterator[Session]:
    async with database.begin() as session:
        yield session


@pytest.fixture
async def account(session: Session) -> Account:
    return await make_account(session)


async def hook(session: Session, account: Account, *events: str) -> Webhook:
    made = await hookrows.add(session, account.id, URL, events or EVERY)
    assert made is not None
    return made


async def told(session: Session, hook_id: UUID) -> list[str]:
    rows = await hookdeliveries.log(session, hook_id, state=None, before=None, limit=99)
    return [row.event for row in reversed(rows)]


async def claim(session: Session, **changes: Any) -> list[Claim]:
    usual: dict[str, Any] = {"most": 99, "share": 99, "full": (), "lease_s": 30}
    return await hookdeliveries.claim(session, **usual | changes)


async def due(session: Session) -> None:
    await session.execute(text("update webhook_deliveries set next_at = clock_timestamp()"))


@pytest.mark.parametrize("state", [JobState(event.removeprefix("job.")) for event in COMPLETED])
async def test_everything_that_happens_to_a_job_is_written_down_once(
    session: Session, account: Account, state: JobState
) -> None:
    made = await hook(session, account)
    await bring_to(session, await make_job(session, account), state)
    started = [] if state is JobState.CANCELLED else ["job.started"]
    assert await told(session, made.id) == ["job.waiting", *started, f"job.{state.value}"]


async def test_who_waits_again_after_a_crash_is_not_told_of_as_new(
    session: Session, account: Account
) -> None:
    made = await hook(session, account, "job.waiting", "job.started")
    job = await bring_to(session, await make_job(session, account), JobState.RUNNING)
    back = "update jobs set state = 'waiting', worker = null, lease_until = null where id = :id"
    await session.execute(text(back), {"id": job.id})
    assert await told(session, made.id) == ["job.waiting", "job.started"]


async def test_the_database_names_the_same_events(session: Session) -> None:
    """For every move that there is, what SQL calls it is what the code knows."""
    named = set()
    for source, target in product([None, *JobState], JobState):
        query = text("select hook_event(cast(:source as text), cast(:target as text))")
        named.add(await session.scalar(query, {"source": source, "target": target}))
    assert named - {None} == set(HookEvent)


async def test_only_what_was_asked_for_and_only_the_owner_is_told(
    session: Session, account: Account
) -> None:
    mine = await hook(session, account, *COMPLETED)
    others = await hook(session, await make_account(session, "bo"))
    await bring_to(session, await make_job(session, account), JobState.SUCCEEDED)
    assert await told(session, mine.id) == ["job.succeeded"]
    assert await told(session, others.id) == []


async def test_what_is_off_or_ended_is_told_nothing(session: Session, account: Account) -> None:
    off, ended = await hook(session, account), await hook(session, account)
    assert await hookrows.switch_off(session, off.id, "why")
    assert await hookrows.end(session, account.id, ended.id)
    await make_job(session, account)
    assert await told(session, off.id) == await told(session, ended.id) == []


async def attach(session: Session, job: Job, *events: str) -> Webhook:
    about: dict[str, Any] = {"url": URL, "events": events or EVERY, "dialect": "pictor"}
    await hookrows.attach(session, job.account_id, job.id, **about)
    return (await hookrows.of_job(session, job.account_id, job.id))[-1]


async def test_the_hook_of_one_job_is_told_of_it_alone_and_of_what_was_before(
    session: Session, account: Account
) -> None:
    job = await make_job(session, account)
    await make_job(session, account)
    made = await attach(session, job)
    await bring_to(session, job, JobState.SUCCEEDED)
    assert await told(session, made.id) == ["job.waiting", "job.started", "job.succeeded"]
    late = await attach(session, job, "job.succeeded")
    assert await told(session, late.id) == ["job.succeeded"]
    assert await hookrows.of_account(session, account.id) == []


async def test_a_later_event_waits_for_the_earlier_one(session: Session, account: Account) -> None:
    await hook(session, account)
    jobs = [await make_job(session, account) for _ in range(2)]
    await bring_to(session, jobs[0], JobState.SUCCEEDED)
    first, other = await claim(session)
    assert {first.job_id, other.job_id} == {job.id for job in jobs}
    assert (first.event, other.event) == ("job.waiting", "job.waiting")
    await due(session)  # whoever had them is dead: they are claimed again, and nothing else is
    assert [one.event for one in await claim(session)] == ["job.waiting"] * 2
    await hookdeliveries.delivered(session, first.id, 204)
    assert [one.event for one in await claim(session)] == ["job.started"]
    assert await claim(session) == []


async def test_who_waits_behind_one_that_failed_waits_as_long(
    session: Session, account: Account
) -> None:
    await hook(session, account)
    await bring_to(session, await make_job(session, account), JobState.SUCCEEDED)
    (first,) = await claim(session)
    await hookdeliveries.postponed(session, first, Answer(500), pause_s=1000)
    waits = "select count(*) from webhook_deliveries where next_at > clock_timestamp() + interval '990 s'"
    assert await session.scalar(text(waits)) == 3
    await due(session)
    (again,) = await claim(session)
    assert (again.id, again.tries) == (first.id, 2)
    await hookdeliveries.given_up(session, again, Answer(500))
    assert [one.event for one in await claim(session)] == ["job.started"]


async def test_a_sender_that_was_taken_for_dead_does_not_undo_what_came_after(
    session: Session, account: Account
) -> None:
    made = await hook(session, account, "job.waiting")
    await make_job(session, account)
    (slow,) = await claim(session)
    await due(session)
    (quick,) = await claim(session)
    await hookdeliveries.postponed(session, slow, LATE, pause_s=9)
    await hookdeliveries.given_up(session, slow, LATE)
    (row,) = await hookdeliveries.log(session, made.id, state=None, before=None, limit=9)
    assert (row.state, row.error) == ("open", None)
    await hookdeliveries.delivered(session, quick.id, 200)
    await hookdeliveries.postponed(session, quick, Answer(500), pause_s=9)
    (row,) = await hookdeliveries.log(session, made.id, state="delivered", before=None, limit=9)
    assert (row.status, row.error) == (200, None)


async def test_senders_share_the_work_and_nobody_gets_what_another_has(
    database: Database,
) -> None:
    async with database.begin() as session:
        account = await make_account(session)
        await hook(session, account, "job.waiting")
        for _ in range(6):
            await make_job(session, account)
    async with database.begin() as one, database.begin() as two:
        mine, others = await claim(one, most=4), await claim(two)
    assert [len(mine), len(others)] == [4, 2]
    assert not {claim.id for claim in mine} & {claim.id for claim in others}


async def test_one_account_gets_no_more_than_its_share(session: Session, account: Account) -> None:
    bo = await make_account(session, "bo")
    for owner, jobs in ((account, 5), (bo, 1)):
        await hook(session, owner, "job.waiting")
        for _ in range(jobs):
            await make_job(session, owner)
    claimed = await claim(session, share=2)
    assert sorted(one.account_id for one in claimed) == sorted([account.id, account.id, bo.id])
    assert await claim(session, full=[account.id]) == []


async def test_since_when_an_address_fails_is_noted_once(
    session: Session, account: Account
) -> None:
    made = await hook(session, account, "job.waiting")
    await make_job(session, account)
    await hookrows.failing(session, made.id, True)
    await session.execute(
        text("update webhooks set failing_since = failing_since - interval '1 h'")
    )
    await hookrows.failing(session, made.id, True)
    (claimed,) = await claim(session)
    assert claimed.failing_s > 3_590
    await hookrows.failing(session, made.id, False)
    found = await hookrows.one(session, account.id, made.id)
    assert found is not None
    assert found.failing_since is None


async def test_old_deliveries_go_and_the_hooks_of_ended_jobs_with_them(
    session: Session, account: Account
) -> None:
    kept, single = await hook(session, account), await make_job(session, account)
    await attach(session, single)
    await end(session, (await bring_to(session, single, JobState.RUNNING)).id, JobState.FAILED)
    month = timedelta(days=30)
    assert await hookdeliveries.forget(session, older_than=month) == 0
    await hookdeliveries.give_up_all(session, kept.id, "no")
    aged = "update {} set {} = clock_timestamp() - interval '31 days'"
    await session.execute(text(aged.format("webhooks", "created_at")))
    await session.execute(
        text(aged.format("webhook_deliveries", "ended_at") + " where state <> 'open'")
    )
    assert await hookdeliveries.forget(session, older_than=month) == 3
    for _ in range(3):
        for one in await claim(session):
            await hookdeliveries.delivered(session, one.id, 200)
    await session.execute(text(aged.format("webhook_deliveries", "ended_at")))
    assert await hookdeliveries.forget(session, older_than=month) == 4
    assert [one.id for one in await hookrows.of_account(session, account.id)] == [kept.id]
