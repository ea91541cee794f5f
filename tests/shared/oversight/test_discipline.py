"""Discipline: a ban is one transaction that leaves nothing running and nothing shown."""

import asyncio
from typing import Any

import pytest

from shared import assets, jobstore, ledger
from shared.bell import QUEUES
from shared.errors import Fault, Refusal
from shared.jobs import Job, JobState
from shared.moderation import bans
from shared.moderation.ranks import Moderator, Rank
from shared.moderation.strikes import Consequence
from shared.oversight import withdrawals
from shared.plans import Speed
from shared.storage import LocalStore
from tests.shared.deeds import succeed
from tests.shared.oversight.people import (
    ADA,
    ADMIN,
    BO,
    ELSEWHERE,
    GUILD,
    MOD,
    MOD_TWO,
    OPERATOR,
    STRANGER,
    VIEWER,
    House,
    assets_of,
    refused,
)
from tests.shared.oversight.test_house import HOME
from tests.shared.rows import bring_to, make_job

OPEN = "select count(*) from jobs where finished_at is null"
SHOWN = "select count(*) from assets where withdrawn_at is null"
LEFT = "select count(*) from assets where withdrawn_at is not null and removed_at is null"


async def busy(house: House, *, guild: str = GUILD) -> None:
    """One job in each open state, one that is drawn, and one on another server."""
    ada = await house.account()
    async with house.database.begin() as session:
        for state in (JobState.WAITING, JobState.DISPATCHED, JobState.RUNNING):
            await bring_to(session, await make_job(session, ada, guild_id=guild), state)
        await make_job(session, ada, guild_id=ELSEWHERE)
    await house.drawn()


async def test_a_servers_ban_ends_what_is_open_there_and_withdraws_it(house: House) -> None:
    await busy(house)
    rung = (await house.submit("a red sailboat")).jobs[0]
    assert await house.bell.depth(QUEUES[Speed.FAST]) == 1
    elsewhere = await house.drawn(guild=ELSEWHERE)
    banned = await house.oversight.discipline.ban(MOD, ADA.discord_id, "spam")
    assert (banned.jobs, banned.files) == (4, 5)
    assert await house.bell.depth(QUEUES[Speed.FAST]) == 0
    assert await house.scalar(OPEN) == 1
    assert {key.split("/")[0] for key in await house.files()} == {str(elsewhere.id)}
    assert (await house.scalar(SHOWN), await house.scalar(LEFT)) == (5, 0)
    assert await refused(house.submit("a red sailboat")) == "banned_here"
    assert (await house.submit("a red sailboat", guild=ELSEWHERE)).created
    async with house.database.read() as session:
        held = await ledger.balance(session, rung.account_id)
        assert held.held_ms > 0  # of the two that are elsewhere
        running = await jobstore.running_and_waiting(session, rung.account_id)
    assert running == (0, 2)
    assert (await house.actions())[-2:] == ["ban", "withdrawn"]
    again = house.oversight.discipline.ban(MOD_TWO, ADA.discord_id, "spam")
    assert await refused(again) == "banned_before"
    await house.check_books()


async def test_the_operators_ban_is_everywhere_and_a_worker_loses_its_job(house: House) -> None:
    await busy(house)
    await house.oversight.discipline.ban(OPERATOR, ADA.discord_id, "spam", days=3)
    assert (await house.scalar(OPEN), await house.scalar(SHOWN)) == (0, 0)
    assert await house.files() == []
    assert await refused(house.submit("a boat", guild=ELSEWHERE)) == "account_banned"
    async with house.database.begin() as session:
        [running] = [
            job
            for job in await jobstore.recent(session, (await _ada(house)).id, 9)
            if job.started_at and job.state is JobState.CANCELLED
        ]
        lost = await jobstore.blocked(
            session, running.id, attempt=1, worker="w1", code="x", sentence="x", gpu_ms=1
        )
        assert lost is None
        await house.database.ping()
    await house.check_books()


async def test_a_ban_that_breaks_off_has_done_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await busy(house)

    async def broken(*_: Any) -> list[str]:
        raise Fault("broken", "It broke.")

    monkeypatch.setattr(assets, "withdraw_all", broken)
    before = await house.actions()
    with pytest.raises(Fault):
        await house.oversight.discipline.ban(MOD, ADA.discord_id, "spam")
    assert (await house.scalar(OPEN), await house.scalar(SHOWN)) == (4, 5)
    assert await house.scalar("select count(*) from bans") == 0
    assert (await house.actions(), len(await house.files())) == (before, 5)


async def test_files_that_a_crash_left_are_removed_by_the_sweep(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await house.drawn()

    async def away(*_: Any) -> None:
        raise Fault("storage_down", "Away.", retryable=True)

    with monkeypatch.context() as patched:
        patched.setattr(LocalStore, "delete", away)
        banned = await house.oversight.discipline.ban(MOD, ADA.discord_id, "spam")
    assert (banned.files, len(await house.files()), await house.scalar(LEFT)) == (5, 5, 5)
    async with house.database.read() as session:
        assert await assets.assets(session, job.id) == []  # nobody is shown it meanwhile
        keys = await house.files()
        assert await assets.named(session, keys) == set()  # and to the other sweep it is litter
    assert await withdrawals.remove_left(house.database, house.store) == 5
    assert (await house.files(), await house.scalar(LEFT)) == ([], 0)
    assert await withdrawals.remove_left(house.database, house.store) == 0


async def test_a_ban_in_the_middle_of_submissions_leaves_nothing_open(house: House) -> None:
    """Who was accepted first is cancelled, who came later is refused; nothing slips between."""
    await house.account()

    async def ban() -> None:
        await asyncio.sleep(0.01)
        await house.oversight.discipline.ban(OPERATOR, ADA.discord_id, "spam")

    asked = [house.submit("a red sailboat") for _ in range(12)]
    answers = await asyncio.gather(ban(), *asked, return_exceptions=True)
    codes = {one.code for one in answers if isinstance(one, Refusal)}
    assert codes <= {"account_banned", "too_many_waiting"}
    assert not [
        one for one in answers if isinstance(one, Exception) and not isinstance(one, Refusal)
    ]
    assert await house.scalar(OPEN) == 0
    await house.check_books()


async def test_a_ban_while_workers_end_its_jobs_loses_nothing(house: House) -> None:
    """Each job is either done and paid for, with its files withdrawn, or cancelled and refunded."""
    ada = await house.account()
    async with house.database.begin() as session:
        jobs = [await make_job(session, ada, guild_id=GUILD, speed="relax") for _ in range(16)]
        for job in jobs:
            await bring_to(session, job, JobState.RUNNING)

    async def end(job: Job) -> None:
        async with house.database.begin() as session:
            deed = succeed(session, job, 500, attempt=1, worker="w1")
            if await deed:
                await assets_of(session, job)

    banning = asyncio.create_task(house.oversight.discipline.ban(MOD, ADA.discord_id, "spam"))
    await asyncio.gather(*map(end, jobs))
    banned = await banning
    assert (await house.scalar(OPEN), await house.scalar(SHOWN), await house.scalar(LEFT)) == (
        0,
        0,
        0,
    )
    done = await house.scalar("select count(*) from jobs where state = 'succeeded'")
    assert banned.jobs + done == len(jobs)
    assert banned.files == 5 * done
    await house.check_books()


async def test_warnings_strikes_and_what_a_server_knows(house: House) -> None:
    discipline = house.oversight.discipline
    await house.blocked()
    await discipline.warn(MOD, ADA.discord_id, "be kind")
    _, follows = await discipline.strike(MOD, ADA.discord_id, "spam", weight=5)
    assert follows is Consequence.DAY
    assert await refused(house.submit("a boat")) == "banned_here"
    here, there = [await discipline.user(who, ADA.discord_id) for who in (VIEWER, STRANGER)]
    assert (here.weight, here.consequence) == (6, Consequence.DAY)
    assert [one.category for one in here.strikes] == ["conduct", "warning", "gore"]
    assert (len(here.cases), len(here.bans)) == (1, 1)
    # Another server hears of the filter's weight, and of nothing that happened here.
    assert (there.weight, there.strikes, there.cases, there.bans) == (1, (), (), ())
    everywhere = await discipline.user(OPERATOR, ADA.discord_id)
    assert len(everywhere.strikes) == 3
    for wrong in (
        discipline.warn(MOD, ADA.discord_id, "  "),
        discipline.strike(MOD, ADA.discord_id, "x", weight=0),
        discipline.warn(MOD, "404", "who"),
        discipline.ban(VIEWER, ADA.discord_id, "x"),
        discipline.ban(Moderator(ADA.discord_id, "Ada", GUILD, Rank.ADMIN), ADA.discord_id, "x"),
    ):
        assert await refused(wrong) in {
            "no_reason",
            "bad_weight",
            "unknown_person",
            "not_allowed",
            "no_self_approval",
        }


async def test_gpu_time_is_granted_taken_and_refunded_once(house: House) -> None:
    discipline, job = house.oversight.discipline, await house.drawn()
    async with house.database.read() as session:
        before = (await ledger.balance(session, job.account_id)).available_ms
    for _ in range(2):
        balance = await discipline.quota(HOME, ADA.discord_id, 10, "a prize", key="press-1")
        assert balance.available_ms == before + 600_000
    for _ in range(2):
        balance = await discipline.quota(HOME, ADA.discord_id, -4, "too much", key="press-2")
        assert balance.available_ms == before + 360_000
    took = discipline.quota(HOME, ADA.discord_id, -99_999, "all of it", key="press-3")
    assert await refused(took) == "too_much"
    for who in (MOD, ADMIN):  # the GPUs are the operator's
        assert (
            await refused(discipline.quota(who, ADA.discord_id, 1, "x", key="k")) == "not_allowed"
        )
    assert await discipline.refund(MOD, job.id, "it came out wrong") == 900
    assert await refused(discipline.refund(MOD, job.id, "again")) == "refunded_before"
    assert await refused(discipline.refund(STRANGER, job.id, "x")) == "unknown_job"
    async with house.database.read() as session:
        now = (await ledger.balance(session, job.account_id)).available_ms
    assert now == before + 360_000 + 900
    assert (await house.actions()).count("quota") == 2
    await house.check_books()


async def test_a_ban_for_a_while_ends(house: House) -> None:
    await house.account(BO)
    await house.oversight.discipline.ban(OPERATOR, BO.discord_id, "spam", days=1)
    async with house.database.begin() as session:
        assert await bans.end_past(session) == 0
    assert await refused(house.submit("a boat", BO)) == "account_banned"
    await _execute(house, "update bans set until = clock_timestamp()")
    async with house.database.begin() as session:
        assert await bans.end_past(session) == 1
        assert await bans.end_past(session) == 0
    assert (await house.submit("a boat", BO)).created


async def _ada(house: House) -> Any:
    return (await house.oversight.discipline.user(OPERATOR, ADA.discord_id)).account


async def _execute(house: House, statement: str) -> None:
    from sqlalchemy import text

    async with house.database.begin() as session:
        await session.execute(text(statement))
