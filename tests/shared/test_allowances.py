"""Months in the book: what ends and what lasts, exact under parallel spending across a month's end."""

import asyncio
import random
from dataclasses import dataclass, field

import pytest
from sqlalchemy import text

from shared import accounts, allowances, ledger
from shared.accounts import Account
from shared.connections import Database, Session
from shared.errors import Refusal
from shared.jobs import Job, JobState
from tests.shared.books import wrongs
from tests.shared.rows import BOOK, bring_to, make_account, make_job

FREE, PRO = BOOK.plan("free"), BOOK.plan("pro")


async def end_month(session: Session, account: Account) -> None:
    """As if it had begun a month and a little earlier."""
    await session.execute(
        text("""update balances set expires_at = month_anchor - interval '10 seconds',
            month_anchor = month_anchor - interval '1 month 10 seconds' where account_id = :id"""),
        {"id": account.id},
    )


async def shares(session: Session, account: Account) -> tuple[int, int]:
    """What lasts, and what ends."""
    left = await ledger.balance(session, account.id)
    return left.lasting_ms, left.expiring_ms


async def kinds(session: Session) -> list[tuple[str, int, int]]:
    rows = await session.execute(
        text("select kind, amount_ms, expiring_ms from ledger order by id")
    )
    return [tuple(row) for row in rows]


async def funded(session: Session, lasting_ms: int) -> Account:
    account = await make_account(session)
    assert await ledger.grant(session, account.id, lasting_ms, key="top-up")
    return account


async def test_what_ends_is_held_first_and_goes_back_where_it_came_from(
    database: Database,
) -> None:
    async with database.begin() as session:
        account = await funded(session, 500)
        job = await make_job(session, account, estimate_ms=FREE.grant_ms + 100)
        assert await shares(session, account) == (400, 0)
        ended = await bring_to(session, job, JobState.SUCCEEDED)
        assert ended.charged_ms == 900
        assert await shares(session, account) == (500, FREE.grant_ms - 900)
        other = await make_job(session, account, estimate_ms=FREE.grant_ms - 500)
        assert await shares(session, account) == (100, 0)
        await bring_to(session, other, JobState.FAILED)
        assert await shares(session, account) == (500, FREE.grant_ms - 900)
        assert await ledger.audit_sums(session) == []
        assert await wrongs(session) == []


async def test_a_month_that_ends_takes_what_is_left_and_the_next_is_given_once(
    database: Database,
) -> None:
    async with database.begin() as session:
        account = await funded(session, 500)
        await end_month(session, account)
        for _ in range(3):
            await make_account(session)
        assert await shares(session, account) == (500, FREE.grant_ms)
        assert await kinds(session) == [
            ("grant", FREE.grant_ms, FREE.grant_ms),
            ("grant", 500, 0),
            ("expire", FREE.grant_ms, FREE.grant_ms),
            ("grant", FREE.grant_ms, FREE.grant_ms),
        ]
        keys = list(await session.scalars(text("select entry_key from ledger order by id")))
        assert keys[0].startswith(f"month:{account.id}:free:")
        assert keys[2].startswith(f"expire:{account.id}:")
        assert await ledger.audit_sums(session) == []


async def test_what_was_held_of_a_month_that_is_over_goes_with_it(database: Database) -> None:
    async with database.begin() as session:
        account = await funded(session, 500)
        failed = await make_job(session, account, estimate_ms=FREE.grant_ms - 2000)
        paid = await make_job(session, account, estimate_ms=2200)
        assert await shares(session, account) == (300, 0)
        await end_month(session, account)
        await make_account(session)
        assert await shares(session, account) == (300, FREE.grant_ms)
        await bring_to(session, failed, JobState.CANCELLED)
        assert await shares(session, account) == (300, FREE.grant_ms)
        await bring_to(session, paid, JobState.SUCCEEDED)
        assert await shares(session, account) == (500, FREE.grant_ms)
        assert [amount for kind, amount, _ in await kinds(session) if kind == "expire"] == [
            FREE.grant_ms - 2000,
            2000 - 900,
        ]
        assert await ledger.audit_sums(session) == []
        assert await wrongs(session) == []


async def test_nothing_of_a_month_that_is_over_can_be_held(database: Database) -> None:
    """Whether or not anybody turned it."""
    async with database.begin() as session:
        account = await funded(session, 500)
        await end_month(session, account)
        job = await make_job(session, account, estimate_ms=400)
        assert (await ledger.balance(session, account.id)).lasting_ms == 100
        await bring_to(session, job, JobState.FAILED)
    with pytest.raises(Refusal, match="GPU time"):
        async with database.begin() as session:
            await make_job(session, account, estimate_ms=501)
    async with database.begin() as session:
        assert await allowances.expire(session) == 1
        assert await allowances.expire(session) == 0
        assert await shares(session, account) == (500, 0)
        await make_account(session)
        assert await shares(session, account) == (500, FREE.grant_ms)
        assert await ledger.audit_sums(session) == []


async def test_a_sweep_leaves_what_still_runs(database: Database) -> None:
    async with database.begin() as session:
        account = await funded(session, 500)
        assert await allowances.expire(session) == 0
        assert await shares(session, account) == (500, FREE.grant_ms)


async def test_a_plan_change_adds_the_difference_and_never_twice(database: Database) -> None:
    async with database.begin() as session:
        account = await make_account(session)
        for plan, granted in (("paid", "paid"), ("free", "paid"), ("pro", "pro"), ("paid", "pro")):
            await make_account(session, plan=plan)
            assert await shares(session, account) == (0, BOOK.plan(granted).grant_ms)
        await end_month(session, account)
        await make_account(session, plan="paid")
        assert await shares(session, account) == (0, BOOK.plan("paid").grant_ms)
        assert await ledger.audit_sums(session) == []


async def test_taking_away_leaves_the_month_for_last(database: Database) -> None:
    async with database.begin() as session:
        account = await funded(session, 500)
        assert await ledger.revoke(session, account.id, 700, key="back")
        assert await shares(session, account) == (0, FREE.grant_ms - 200)
        assert await ledger.audit_sums(session) == []


async def test_64_parallel_spends_across_the_end_of_a_month(database: Database) -> None:
    """Each holds a tenth of a month: ten are paid of the old month, five of what lasts, ten of the new,
    which begins while they crowd."""
    tenth = FREE.grant_ms // 10
    async with database.begin() as session:
        account = await funded(session, 5 * tenth)

    async def spend() -> Job | None:
        try:
            async with database.begin() as session:
                await make_account(session)
                await accounts.locked(session, account.id, plan=FREE)
                return await make_job(session, account, estimate_ms=tenth)
        except Refusal as refusal:
            assert refusal.code == "no_credit"  # noqa: PT017
            return None

    async def over() -> None:
        async with database.begin() as session:
            await end_month(session, account)

    async def spends(count: int) -> list[Job]:
        return [job for job in await asyncio.gather(*(spend() for _ in range(count))) if job]

    old = await spends(20)
    assert len(old) == 15
    crowd, _ = await asyncio.gather(spends(64), over())
    new = crowd + await spends(12)
    assert len(new) == 10
    made = old + new

    async def sweep() -> None:
        async with database.begin() as session:
            await allowances.expire(session)

    async def end(job: Job, state: JobState) -> None:
        async with database.begin() as session:
            await bring_to(session, job, state)

    ends = [JobState.FAILED, JobState.CANCELLED]
    await asyncio.gather(sweep(), *(end(job, ends[n % 2]) for n, job in enumerate(made)), sweep())
    async with database.read() as session:
        left = await ledger.balance(session, account.id)
        assert (left.lasting_ms, left.expiring_ms, left.held_ms) == (5 * tenth, FREE.grant_ms, 0)
        assert await ledger.audit_sums(session) == []
        assert await wrongs(session) == []


@dataclass
class Model:
    """What should be left, in the plainest arithmetic: pots by month, and what each hold took of them."""

    lasting: int = 0
    month: int = 0
    pots: dict[int, int] = field(default_factory=dict)
    holds: list[tuple[Job, int, int, int]] = field(default_factory=list)

    @property
    def expiring(self) -> int:
        return self.pots.get(self.month, 0)

    def hold(self, job: Job, amount: int) -> None:
        taken = min(amount, self.expiring)
        self.pots[self.month] -= taken
        self.lasting -= amount - taken
        self.holds.append((job, self.month, taken, amount - taken))

    def end(self, number: int, charge: int) -> None:
        _, month, taken, rest = self.holds.pop(number)
        of_month = min(charge, taken)
        self.pots[month] += taken - of_month
        self.lasting += rest - (charge - of_month)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_long_walk_agrees_with_plain_arithmetic(database: Database, seed: int) -> None:
    dice, model = random.Random(seed), Model()
    async with database.begin() as session:
        account = await funded(session, 40_000)
        model.lasting, model.pots[0] = 40_000, FREE.grant_ms
        for _ in range(60):
            await step(session, account, model, dice)
            left = await ledger.balance(session, account.id)
            assert (left.lasting_ms, left.expiring_ms) == (model.lasting, model.expiring)
        assert await ledger.audit_sums(session) == []
        assert await wrongs(session) == []


async def step(session: Session, account: Account, model: Model, dice: random.Random) -> None:
    what = dice.choice(["hold", "hold", "hold", "end", "end", "month"])
    if what == "hold":
        amount = dice.randrange(1, 400_000)
        if amount <= model.lasting + model.expiring:
            model.hold(await make_job(session, account, estimate_ms=amount), amount)
    elif what == "end" and model.holds:
        number = dice.randrange(len(model.holds))
        job = model.holds[number][0]
        state = dice.choice([JobState.SUCCEEDED, JobState.FAILED])
        if job.estimate_ms >= 900 or state is JobState.FAILED:
            await bring_to(session, job, state)
            model.end(number, 900 if state is JobState.SUCCEEDED else 0)
    elif what == "month":
        await end_month(session, account)
        if dice.random() < 0.5:
            await allowances.expire(session)
        await make_account(session)
        model.month += 1
        model.pots[model.month] = FREE.grant_ms
