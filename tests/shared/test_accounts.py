"""An account is made once, keeps one plan in force, and gets each plan's grant once."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from sqlalchemy import text

from shared import accounts, ledger
from shared.accounts import Standing
from shared.connections import Database, Session
from shared.plans import Speed
from tests.shared.rows import BOOK, make_account


@pytest.fixture
async def session(database: Database) -> AsyncIterator[Session]:
    async with database.begin() as session:
        yield session


async def test_an_account_is_made_on_first_sight_with_its_grant(session: Session) -> None:
    account = await make_account(session)
    assert (account.name, account.plan, account.standing) == ("ada", "free", Standing.GOOD)
    assert account.default_speed is None
    assert (await ledger.balance(session, account.id)).available_ms == BOOK.plan("free").grant_ms
    assert await make_account(session) == account
    assert await accounts.by_id(session, account.id) == account
    assert await accounts.by_discord(session, "discord-ada") == account
    assert await accounts.by_id(session, uuid4()) is None


async def test_a_new_name_is_kept(session: Session) -> None:
    account = await make_account(session)
    renamed = await accounts.ensure(session, account.discord_id, "Ada L.", plan="free", book=BOOK)
    assert (renamed.id, renamed.name) == (account.id, "Ada L.")


async def test_a_new_role_changes_the_plan_and_grants_it_once(session: Session) -> None:
    account = await make_account(session)
    for plan in ("pro", "free", "pro", "free"):
        account = await make_account(session, plan=plan)
        assert account.plan == plan
    rows = await session.execute(text("select plan, until is null from plans_in_force order by id"))
    assert [tuple(row) for row in rows] == [
        ("free", False),
        ("pro", False),
        ("free", False),
        ("pro", False),
        ("free", True),
    ]
    granted = BOOK.plan("pro").grant_ms
    assert (await ledger.balance(session, account.id)).available_ms == granted


async def test_a_plan_that_nobody_knows_is_the_first_one(session: Session) -> None:
    assert (await make_account(session, plan="platinum")).plan == BOOK.first


async def test_many_at_once_make_one_account(database: Database) -> None:
    async def arrive(number: int) -> object:
        async with database.begin() as session:
            return (await make_account(session, plan=("free", "pro")[number % 2])).id

    assert len(set(await asyncio.gather(*(arrive(number) for number in range(24))))) == 1
    async with database.begin() as session:
        granted = await session.scalar(text("select sum(amount_ms) from ledger"))
        assert granted == BOOK.plan("pro").grant_ms
        assert await ledger.audit_sums(session) == []


async def test_settings_and_standing_are_kept(session: Session) -> None:
    account = await make_account(session)
    assert (
        await accounts.set_default_speed(session, account.id, Speed.RELAX)
    ).default_speed is Speed.RELAX
    banned = await accounts.set_standing(session, account.id, Standing.BANNED)
    assert banned.standing is Standing.BANNED
    assert await make_account(session) == banned
