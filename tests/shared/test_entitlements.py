"""What Discord sold: credited once however often it is told, ended with it, taken back with it."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from shared import accounts, ledger
from shared.cashier import Cashier
from shared.connections import Database
from shared.entitlements import Outcome, Told
from shared.errors import Refusal
from shared.jobs import JobState
from shared.orders import Person
from shared.oversight import traces
from shared.plangrants import Source
from shared.plans import Sku, Trial
from tests.shared.books import wrongs
from tests.shared.rows import BOOK, bring_to, make_job

HOUR = 3_600_000
SKUS = {
    "11": Sku("11", "Pro, each month", "pro", 0, 6000, "USD"),
    "12": Sku("12", "One hour", None, HOUR, 400, "USD"),
}
BOOK_OF_SALES = replace(BOOK, skus=SKUS, trial=Trial("paid", 7, HOUR))
ADA = Person("1", "Ada", "free")
FREE_MS = BOOK.plan("free").grant_ms
TOP_UP = Told("100", "12", "1")
MONTHLY = Told("200", "11", "1", starts_at=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def cashier(database: Database) -> Cashier:
    return Cashier(database, BOOK_OF_SALES)


async def row(database: Database, id: str) -> dict[str, object]:
    async with database.read() as session:
        query = text("select * from entitlements where id = :id")
        return dict((await session.execute(query, {"id": id})).one()._mapping)


async def balanced(database: Database) -> bool:
    async with database.read() as session:
        return [*await ledger.audit_sums(session), *await wrongs(session)] == []


async def test_a_purchase_told_50_times_at_once_is_credited_once(
    cashier: Cashier, database: Database
) -> None:
    told = await asyncio.gather(*(cashier.take(TOP_UP) for _ in range(50)))
    assert sorted(told) == [Outcome.CREDITED, *[Outcome.KNOWN] * 49]
    left = (await cashier.membership(ADA)).balance
    assert (left.lasting_ms, left.expiring_ms) == (HOUR, FREE_MS)
    assert await balanced(database)


async def test_it_is_consumed_after_the_credit_and_only_then(cashier: Cashier) -> None:
    assert await cashier.to_consume() == []
    await cashier.take(TOP_UP)
    assert await cashier.to_consume() == ["100"]
    await cashier.consumed("100")
    assert await cashier.to_consume() == []
    assert await cashier.take(replace(TOP_UP, consumed=True)) is Outcome.KNOWN
    assert (await cashier.membership(ADA)).balance.lasting_ms == HOUR


async def test_what_somebody_else_consumed_is_not_credited(cashier: Cashier) -> None:
    assert await cashier.take(replace(TOP_UP, consumed=True)) is Outcome.KNOWN
    assert (await cashier.membership(ADA)).balance.lasting_ms == 0
    assert await cashier.to_consume() == []


async def test_a_plan_is_in_force_while_it_is_paid_for(
    cashier: Cashier, database: Database
) -> None:
    assert (await cashier.membership(ADA)).plan.name == "free"
    await cashier.take(MONTHLY)
    bought = await cashier.membership(ADA)
    assert (bought.plan.name, bought.balance.expiring_ms) == ("pro", BOOK.plan("pro").grant_ms)
    assert [(one.plan, one.source, one.until) for one in bought.given] == [
        ("pro", Source.ENTITLEMENT, None)
    ]
    soon = datetime.now(UTC) + timedelta(days=3)
    await cashier.take(replace(MONTHLY, ends_at=soon))
    assert (await cashier.membership(ADA)).given[0].until == soon
    await cashier.take(replace(MONTHLY, ends_at=datetime.now(UTC) - timedelta(seconds=1)))
    ended = await cashier.membership(ADA)
    assert (ended.plan.name, ended.given) == ("free", [])
    assert await balanced(database)


async def test_a_server_s_plan_is_nobody_s_own(cashier: Cashier, database: Database) -> None:
    await cashier.take(replace(MONTHLY, guild_id="7"))
    assert (await cashier.membership(ADA)).plan.name == "free"
    assert (await row(database, "200"))["guild_id"] == "7"


async def test_a_refund_takes_back_what_is_left_and_writes_down_the_rest(
    cashier: Cashier, database: Database
) -> None:
    await cashier.take(TOP_UP)
    account = (await cashier.membership(ADA)).account
    async with database.begin() as session:
        job = await make_job(session, account, estimate_ms=FREE_MS + 500)
    await cashier.take(replace(TOP_UP, deleted=True))
    for _ in range(2):
        assert await cashier.take(replace(TOP_UP, deleted=True)) is Outcome.KNOWN
        assert await cashier.take(TOP_UP) is Outcome.KNOWN
    left = (await cashier.membership(ADA)).balance
    assert (left.lasting_ms, left.held_ms) == (0, FREE_MS + 500)
    async with database.begin() as session:
        told = await session.scalar(text("select detail from audit where action = 'refund_short'"))
        assert told == {"given_ms": HOUR, "spent_ms": 500, "account": str(account.id)}
        await bring_to(session, job, JobState.CANCELLED)
    assert await cashier.to_consume() == []
    assert await balanced(database)


async def test_a_plan_that_is_refunded_ends_at_once(cashier: Cashier) -> None:
    await cashier.take(MONTHLY)
    assert await cashier.lose("200") is Outcome.GONE
    assert await cashier.lose("200") is Outcome.KNOWN
    assert await cashier.lose("9999") is Outcome.KNOWN
    assert (await cashier.membership(ADA)).plan.name == "free"


async def test_an_unknown_sku_is_kept_until_the_plans_file_has_it(
    cashier: Cashier, database: Database
) -> None:
    strange = replace(TOP_UP, sku_id="13", test=True)
    assert await cashier.take(strange) is Outcome.UNKNOWN
    assert (await row(database, "100"))["test"] is True
    wiser = replace(BOOK_OF_SALES, skus=SKUS | {"13": replace(SKUS["12"], id="13")})
    assert await Cashier(database, wiser).take(strange) is Outcome.CREDITED


async def test_what_the_whole_list_has_not_is_asked_for(cashier: Cashier) -> None:
    await cashier.take(MONTHLY)
    await cashier.take(TOP_UP)
    assert await cashier.unlisted(["200"]) == ["100"]
    await cashier.consumed("100")
    assert await cashier.unlisted(["200"]) == []
    assert await cashier.unlisted([]) == ["200"]


async def test_a_trial_is_had_once_for_each_person(database: Database) -> None:
    cashier = Cashier(database, BOOK_OF_SALES, SecretStr("pepper"))
    assert not (await cashier.membership(ADA)).tried
    begun = await cashier.begin_trial(ADA)
    assert (begun.plan.name, begun.balance.expiring_ms, begun.tried) == ("paid", HOUR, True)
    assert begun.given[0].source is Source.TRIAL
    with pytest.raises(Refusal, match="Paid plan"):
        await cashier.begin_trial(ADA)
    async with database.begin() as session:
        await session.execute(text("update plan_grants set until = since"))
        await traces.erase(session, begun.account.id)
    with pytest.raises(Refusal, match="once for each person"):
        await cashier.begin_trial(ADA)
    with pytest.raises(Refusal, match="no trial"):
        await Cashier(database, BOOK).begin_trial(ADA)
    assert await balanced(database)


async def test_who_was_erased_does_not_come_back_with_the_list(
    cashier: Cashier, database: Database
) -> None:
    await cashier.take(TOP_UP)
    account = (await cashier.membership(ADA)).account
    async with database.begin() as session:
        await traces.erase(session, account.id)
    assert await cashier.take(TOP_UP) is Outcome.KNOWN
    async with database.read() as session:
        assert await accounts.by_discord(session, "1") is None
    assert (await row(database, "100"))["user_id"] is None
