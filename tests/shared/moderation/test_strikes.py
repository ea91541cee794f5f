"""A strike says why and against whom, never what was typed; it adds up, and it expires."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from shared.config import SafetySettings
from shared.connections import Database, Session
from shared.moderation import bans, cases, strikes
from shared.moderation.audit import audit
from shared.moderation.strikes import Consequence, consequence, crossed, strike, strike_by_hand
from tests.shared.rows import Ruling, make_account, make_job

GORE = Ruling(decision="block", category="gore", score=0.9, rule="lexicon:gore:12")
RULES = SafetySettings()


@pytest.fixture
async def session(database: Database) -> AsyncIterator[Session]:
    async with database.begin() as session:
        yield session


async def told(session: Session) -> list[Any]:
    return list(await session.execute(text("select * from audit order by id")))


@pytest.mark.parametrize(
    ("weight", "follows"),
    [
        (0, Consequence.NONE),
        (2, Consequence.NONE),
        (3, Consequence.WARN),
        (5, Consequence.WARN),
        (6, Consequence.DAY),
        (10, Consequence.WEEK),
        (14, Consequence.WEEK),
        (15, Consequence.BAN),
        (99, Consequence.BAN),
    ],
)
def test_what_weights_lead_to(weight: int, follows: Consequence) -> None:
    assert consequence(weight, RULES) is follows


def test_each_threshold_acts_once_when_it_is_passed() -> None:
    assert crossed(2, 3, RULES) is Consequence.WARN
    assert crossed(3, 5, RULES) is Consequence.NONE
    assert crossed(0, 12, RULES) is Consequence.WEEK
    assert crossed(15, 30, RULES) is Consequence.NONE


async def test_a_strike_says_why_and_against_whom(session: Session) -> None:
    await audit(session, "mod:1", "suspend", "account:2", {"why": "spam"})
    account = await make_account(session)
    job = await make_job(session, account)
    await strike(session, account.id, job.id, GORE, guild_id="g")
    await strike(session, account.id, None, GORE)
    first, *rows = await told(session)
    assert tuple(first)[1:5] == ("mod:1", "suspend", "account:2", {"why": "spam"})
    assert [tuple(row)[1:4] for row in rows] == [("filter", "strike", f"account:{account.id}")] * 2
    assert [row.detail["job"] for row in rows] == [str(job.id), None]
    assert rows[0].detail["category"] == "gore"
    assert (rows[0].detail["rule"], rows[0].detail["guild"]) == ("lexicon:gore:12", "g")


async def test_strikes_add_up_to_a_warning_a_day_a_week_and_a_proposal(session: Session) -> None:
    account = await make_account(session)
    follows = [await strike(session, account.id, None, GORE) for _ in range(15)]
    acted = {number: one for number, one in enumerate(follows, 1) if one}
    assert acted == {
        3: Consequence.WARN,
        6: Consequence.DAY,
        10: Consequence.WEEK,
        15: Consequence.BAN,
    }
    held = await bans.current(session, account.id, None)
    lasts = [ban.until - ban.at for ban in held if ban.until]
    assert [round(one / timedelta(days=1)) for one in lasts] == [1, 7]
    standing = await session.scalar(text("select standing from accounts"))
    assert standing == "suspended"  # only people ban
    passed = [row.detail["consequence"] for row in await told(session) if "threshold" in row.action]
    assert passed == ["warn", "day", "week", "ban"]


async def test_what_is_expired_lifted_or_weighs_nothing_does_not_count(session: Session) -> None:
    account = await make_account(session)
    mild = Ruling(decision="block", category="self_harm")
    assert await strike(session, account.id, None, mild) is Consequence.NONE
    case_id = await cases.note(
        session, kind="prompt", account_id=account.id, guild_id=None, verdict=GORE
    )
    await strike(session, account.id, None, GORE, case_id=case_id)
    await strike(session, account.id, None, GORE)
    assert await strikes.active_weight(session, account.id, None) == 2
    assert await strikes.lift_of_case(session, case_id, "discord:1") == 1
    assert await strikes.lift_of_case(session, case_id, "discord:1") == 0
    assert await strikes.active_weight(session, account.id, None) == 1
    await session.execute(text("update strikes set expires_at = clock_timestamp()"))
    assert await strikes.active_weight(session, account.id, None) == 0


async def test_a_moderators_strike_counts_on_their_server_alone(session: Session) -> None:
    account = await make_account(session)
    by: dict[str, Any] = {"guild_id": "a", "reason": "spam", "actor": "discord:1"}
    await strike(session, account.id, None, GORE, guild_id="b")
    follows = await strike_by_hand(session, account.id, weight=6, **by)
    weights = [
        await strikes.active_weight(session, account.id, where) for where in ("a", "b", None)
    ]
    assert (weights, follows) == ([7, 1, 1], Consequence.DAY)
    assert await session.scalar(text("select standing from accounts")) == "good"
    [ban] = await bans.current(session, account.id, "a")
    assert (ban.guild_id, await bans.current(session, account.id, "b")) == ("a", [])


async def test_two_strikes_at_once_pass_a_threshold_once(database: Database) -> None:
    async with database.begin() as session:
        account = await make_account(session)
        for _ in range(2):
            await strike(session, account.id, None, GORE)

    async def one_more() -> Consequence:
        async with database.begin() as session:
            return await strike(session, account.id, None, GORE)

    follows = await asyncio.gather(*(one_more() for _ in range(3)))
    assert sorted(follows) == [Consequence.NONE, Consequence.NONE, Consequence.WARN]
