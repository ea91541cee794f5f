"""Plans that admins give: once for each key, the weightiest in force, over when they end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from shared import plangrants
from shared.connections import Database
from shared.errors import Refusal
from shared.plans import Override
from tests.shared.rows import BOOK, make_account

LATER = datetime(2099, 1, 1, tzinfo=UTC)


async def test_a_gift_is_in_force_until_its_end(database: Database) -> None:
    async with database.begin() as session:
        account = await make_account(session)
        for _ in range(2):
            await plangrants.give(session, account.id, "paid", LATER, by="mod", book=BOOK, key="k")
        assert [one.until for one in await plangrants.current(session, account.id)] == [LATER]
        assert (await make_account(session)).plan == "paid"
        assert (await make_account(session, plan="pro")).plan == "pro"
        assert (await make_account(session)).plan == "paid"
        await session.execute(text("update plan_grants set until = clock_timestamp()"))
        assert (await make_account(session)).plan == "free"
        assert await plangrants.current(session, account.id) == []


async def test_a_gift_that_is_taken_ends_and_what_was_bought_stays(database: Database) -> None:
    async with database.begin() as session:
        account = await make_account(session)
        await plangrants.give(session, account.id, "pro", None, by="mod", book=BOOK, key="k")
        source, key = plangrants.Source.ENTITLEMENT, "entitlement:1"
        await plangrants.put(session, account.id, "paid", source, key, since=None, until=None)
        assert (await make_account(session)).plan == "pro"
        assert await plangrants.take(session, account.id, "paid") == 0
        assert await plangrants.take(session, account.id, "pro") == 1
        assert (await make_account(session)).plan == "paid"


async def test_a_gift_names_a_plan_and_an_end_to_come(database: Database) -> None:
    async with database.begin() as session:
        account = await make_account(session)
        for plan, until, field in (
            ("gold", None, "plan"),
            ("pro", datetime.now(UTC) - timedelta(hours=1), "until"),
        ):
            with pytest.raises(Refusal) as refused:
                await plangrants.give(
                    session, account.id, plan, until, by="mod", book=BOOK, key="k"
                )
            assert refused.value.field == field


def test_a_server_s_plan_counts_at_its_door() -> None:
    book = replace(BOOK, guilds={"7": Override("paid")})
    assert book.weightiest(("free", *book.given(guild_id="7"))).name == "paid"
    assert book.weightiest(("pro", *book.given(guild_id="7"))).name == "pro"
    assert book.weightiest(book.given(guild_id="8")).name == "free"
