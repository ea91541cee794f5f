"""Books that disagree are found, told and left as they are."""

import logging
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from farm.auditor import Auditor
from farm.chores import Tally
from shared import jobstore, tables
from shared.config import Settings
from shared.connections import Database
from shared.jobs import JobState
from shared.reports import closings
from tests.farm.rows import a_job, an_account, claim, dispatch, end, execute
from tests.shared.rows import bring_to, make_account, make_job

BREAKS = {
    "money": "update balances set held_ms = held_ms + 1",
    "assets": """insert into assets
        (job_id, kind, index, key, sha256, size, width, height, mime, verdict_id)
        select id, 'image', 0, 'k', 's', 1, 1, 1, 'image/png', :verdict from jobs where id = :id""",
    "transitions": "update jobs set state = 'waiting', worker = null, lease_until = null",
    "chains": """insert into transitions (job_id, source, target, attempt, crashes)
        select id, 'waiting', state, attempt, 0 from jobs where state = 'running'""",
}
# Of what is settled, or of a month that is closed.
SETTLED = {
    "drift": "update jobs set gpu_ms = gpu_ms * 3 + 9 where state = 'succeeded'",
    "months": "update closings set sha256 = 'x'",
}


@pytest.fixture
def tally() -> Tally:
    return Tally()


@pytest.fixture
def auditor(settings: Settings, tally: Tally) -> Auditor:
    return Auditor(settings.database, tally)


def wrong(tally: Tally, check: str) -> float | None:
    return tally.registry.get_sample_value("pictor_mismatches", {"check": check})


async def told(database: Database) -> list[dict[str, list[str]]]:
    async with database.read() as session:
        query = select(tables.audit.c.detail).where(tables.audit.c.action == "mismatch")
        return list((await session.execute(query)).scalars())


async def test_sound_books_are_silent(database: Database, auditor: Auditor, tally: Tally) -> None:
    account_id = await an_account(database)
    await end(database, await a_job(database, account_id))
    running = await a_job(database, account_id)
    await claim(database, await dispatch(database, running, "gpu"))
    assert await auditor.reconcile() == 0
    assert [wrong(tally, check) for check in (*BREAKS, *SETTLED)] == [0] * 6
    assert await told(database) == []


@pytest.mark.parametrize("check", BREAKS)
async def test_what_disagrees_is_counted_written_down_and_logged(
    database: Database,
    auditor: Auditor,
    tally: Tally,
    caplog: pytest.LogCaptureFixture,
    check: str,
) -> None:
    job = await a_job(database, await an_account(database))
    await claim(database, await dispatch(database, job, "gpu"))
    await break_the_books(database, job.id, check)
    with caplog.at_level(logging.ERROR):
        assert await auditor.reconcile() == 1
    assert wrong(tally, check) == 1
    assert f"{check}: 1 mismatches" in caplog.text
    ((found, lines),) = (await told(database))[0].items()
    assert (found, len(lines)) == (check, 1)
    assert await auditor.reconcile() == 1, "it is found again, and nothing was repaired"
    assert len(await told(database)) == 1, "but it is no news"


@pytest.mark.parametrize("check", SETTLED)
async def test_a_charge_that_drifts_and_a_closed_month_that_changes_are_found(
    database: Database, auditor: Auditor, tally: Tally, check: str
) -> None:
    async with database.begin() as session:
        job = await make_job(session, await make_account(session))
        await bring_to(session, job, JobState.SUCCEEDED)
        await closings.close(session, "2026-01", now=datetime(2026, 3, 1, tzinfo=UTC))
    await auditor.reconcile()
    assert wrong(tally, check) == 0
    await execute(database, "alter table jobs disable trigger jobs_move")
    await execute(database, SETTLED[check])
    await auditor.reconcile()
    assert wrong(tally, check) == 1
    assert check in (await told(database))[-1]


async def break_the_books(database: Database, job_id: object, check: str) -> None:
    """As only a bug, or a hand in the database, could."""
    async with database.begin() as session:
        verdict = (
            await session.execute(
                tables.verdicts.insert()
                .values(job_id=job_id, subject="image", decision="allow", sha256="s", policy="p")
                .returning(tables.verdicts.c.id)
            )
        ).scalar_one()
    names = {"id": job_id, "verdict": verdict} if check == "assets" else {}
    await execute(database, "alter table jobs disable trigger jobs_moved")
    await execute(database, BREAKS[check], **names)
    await execute(database, "alter table jobs enable trigger jobs_moved")


async def test_a_job_of_the_time_before_the_history_is_no_mismatch(
    database: Database, auditor: Auditor
) -> None:
    await execute(database, "alter table jobs disable trigger jobs_born")
    job = await a_job(database, await an_account(database))
    assert await auditor.reconcile() == 0
    async with database.begin() as session:
        assert await jobstore.dispatched(session, job.id, worker="gpu")
    assert await auditor.reconcile() == 0
