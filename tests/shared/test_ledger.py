"""Money: double entry, append only, exact under parallel spending, harmless to repeat."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from sqlalchemy import text

from shared import ledger
from shared.accounts import Account
from shared.connections import Database, Session
from shared.errors import Fault, Refusal
from shared.jobs import Job, JobState
from shared.ledger import Balance
from tests.shared.rows import BOOK, bring_to, make_account, make_job

GRANT = BOOK.plan("free").grant_ms


@pytest.fixture
async def session(database: Database) -> AsyncIterator[Session]:
    async with database.begin() as session:
        yield session


@pytest.fixture
async def account(session: Session) -> Account:
    return await make_account(session)


@pytest.fixture
async def job(session: Session, account: Account) -> Job:
    return await make_job(session, account)


async def entries(session: Session, job: Job) -> list[tuple[str, int]]:
    rows = await session.execute(
        text("select kind, amount_ms from ledger where job_id = :id order by id"), {"id": job.id}
    )
    return [(kind, amount) for kind, amount in rows]


async def test_a_grant_is_given_once_for_its_key(session: Session, account: Account) -> None:
    assert await ledger.grant(session, account.id, 500, key="gift", note="hello")
    assert not await ledger.grant(session, account.id, 500, key="gift", note="hello")
    assert await ledger.balance(session, account.id) == Balance(GRANT + 500, 0)
    assert await ledger.audit_sums(session) == []


async def test_a_hold_moves_credit_aside(session: Session, account: Account, job: Job) -> None:
    assert await ledger.balance(session, account.id) == Balance(GRANT - 1000, 1000)
    assert await ledger.held(session, job.id) == 1000
    with pytest.raises(Fault) as fault:
        await ledger.hold(session, account.id, job.id, 1)
    assert fault.value.code == "held_twice"


async def test_a_hold_above_the_balance_is_refused_with_price_and_balance(
    database: Database,
) -> None:
    async with database.begin() as session:
        account = await make_account(session)
    with pytest.raises(Refusal) as refused:
        async with database.begin() as session:
            await make_job(session, account, estimate_ms=GRANT + 1)
    assert refused.value.code == "no_credit"
    assert "15.0 min" in refused.value.sentence
    async with database.begin() as session:
        assert await ledger.balance(session, account.id) == Balance(GRANT, 0)
        assert await session.scalar(text("select count(*) from jobs")) == 0


async def test_settling_spends_the_charge_and_releases_the_rest(
    session: Session, account: Account, job: Job
) -> None:
    done = await bring_to(session, job, JobState.SUCCEEDED)
    assert await entries(session, job) == [("hold", 1000), ("settle", 900), ("release", 100)]
    assert await ledger.balance(session, account.id) == Balance(GRANT - 900, 0)
    await ledger.settle(session, done, 900)
    await ledger.release(session, done)
    assert await ledger.balance(session, account.id) == Balance(GRANT - 900, 0)
    assert await ledger.audit_sums(session) == []


async def test_settling_the_whole_hold_releases_nothing(session: Session, job: Job) -> None:
    await ledger.settle(session, job, 1000)
    await ledger.release(session, job)
    assert await entries(session, job) == [("hold", 1000), ("settle", 1000)]


async def test_a_charge_above_the_hold_is_our_fault(session: Session, job: Job) -> None:
    with pytest.raises(Fault) as fault:
        await ledger.settle(session, job, 1001)
    assert fault.value.code == "charge_above_hold"
    assert await entries(session, job) == [("hold", 1000)]


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.BLOCKED, JobState.CANCELLED])
async def test_whatever_does_not_succeed_is_refunded_whole(
    session: Session, account: Account, job: Job, state: JobState
) -> None:
    ended = await bring_to(session, job, state)
    assert await entries(session, job) == [("hold", 1000), ("release", 1000)]
    await ledger.release(session, ended)
    assert await ledger.balance(session, account.id) == Balance(GRANT, 0)
    assert await ledger.audit_sums(session) == []


async def test_a_free_job_leaves_the_same_trail(session: Session, account: Account) -> None:
    free = await make_job(session, account, estimate_ms=0)
    await bring_to(session, free, JobState.CANCELLED)
    assert await entries(session, free) == [("hold", 0), ("release", 0)]
    assert await ledger.audit_sums(session) == []


async def test_a_job_without_a_hold_is_our_fault(session: Session) -> None:
    with pytest.raises(Fault) as fault:
        await ledger.held(session, uuid4())
    assert fault.value.code == "no_hold"
    assert await ledger.balance(session, uuid4()) == Balance(0, 0)


async def test_64_parallel_holds_on_credit_for_10_make_exactly_10(database: Database) -> None:
    async with database.begin() as session:
        account = await make_account(session)
        await make_job(session, account, estimate_ms=GRANT - 10 * 100)

    async def spend() -> bool:
        try:
            async with database.begin() as session:
                await make_job(session, account, estimate_ms=100)
        except Refusal as refusal:
            assert refusal.code == "no_credit"  # noqa: PT017
            return False
        return True

    spent = await asyncio.gather(*(spend() for _ in range(64)))
    assert sum(spent) == 10
    async with database.begin() as session:
        assert (await ledger.balance(session, account.id)).available_ms == 0
        assert await session.scalar(text("select count(*) from jobs")) == 11
        assert await ledger.audit_sums(session) == []


async def test_parallel_ends_of_one_job_settle_once(database: Database) -> None:
    async with database.begin() as session:
        job = await make_job(session, await make_account(session))

    async def end(charged: int | None) -> None:
        async with database.begin() as session:
            if charged is None:
                await ledger.release(session, job)
            else:
                await ledger.settle(session, job, charged)

    tries = (*(end(700) for _ in range(4)), *(end(None) for _ in range(4)))
    await asyncio.gather(*tries, return_exceptions=True)
    async with database.begin() as session:
        taken = [amount for kind, amount in await entries(session, job) if kind != "hold"]
        assert sum(taken) == 1000
        assert (await ledger.balance(session, job.account_id)).held_ms == 0


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("update balances set available_ms = available_ms + 1", "available holds"),
        ("update balances set held_ms = held_ms + 1", "held holds"),
        ("delete from balances", "without a balance"),
        ("update jobs set state = 'cancelled', charged_ms = 0, finished_at = now()", "cancelled"),
    ],
)
async def test_the_audit_finds_each_kind_of_mismatch(
    session: Session, job: Job, damage: str, told: str
) -> None:
    assert await ledger.audit_sums(session) == []
    await session.execute(text(damage))
    found = await ledger.audit_sums(session)
    assert found
    assert any(told in line for line in found)


async def test_the_audit_finds_a_job_without_a_hold_and_a_wrong_charge(
    session: Session, job: Job
) -> None:
    done = await bring_to(session, job, JobState.SUCCEEDED)
    await session.execute(text("alter table jobs disable trigger jobs_move"))
    await session.execute(text("update jobs set charged_ms = 1"))
    assert [str(done.id) in line for line in await ledger.audit_sums(session)] == [True]
    await session.execute(text("update jobs set charged_ms = 900"))
    await session.execute(text("alter table ledger disable trigger append_only"))
    await session.execute(text("delete from ledger where kind = 'hold'"))
    assert any(
        "held <NULL>" in line or "held ," in line for line in await ledger.audit_sums(session)
    )


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [(0, "0.0 s"), (400, "0.4 s"), (12_000, "12 s"), (210_000, "3.5 min"), (54_000_000, "15.0 h")],
)
def test_gpu_time_is_said_for_people(milliseconds: int, said: str) -> None:
    assert ledger.gpu_time(milliseconds) == said
