"""What ends by itself does, through the chores of the leading dispatcher; snapshots of ended jobs go."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text

from farm import leftovers
from farm.child import Child, Engine
from farm.engine.messages import Drop, ToChild
from farm.retention import Retention
from shared import hookdeliveries, hookrows, taskrows
from shared.config import SafetySettings, Settings
from shared.connections import Database, Session
from shared.jobs import JobState
from shared.moderation import bans, cases, proposals
from shared.storage import LocalStore
from tests.shared.rows import Ruling, bring_to, make_account, make_job

LATER = "update {table} set {column} = clock_timestamp() - interval '31 days'"


@pytest.fixture
async def session(database: Database) -> AsyncIterator[Session]:
    async with database.begin() as session:
        yield session


async def test_every_chore_ends_what_is_over_and_nothing_else(
    database: Database, settings: Settings
) -> None:
    store = LocalStore(settings.storage.folder, "http://images.example")
    retention = Retention(database, store, SafetySettings())
    async with database.begin() as session:
        ada = await make_account(session)
        await bans.ban(session, ada.id, guild_id=None, reason="x", actor="discord:1")
        await session.execute(text("update bans set until = clock_timestamp() + interval '1 day'"))
        await proposals.propose(session, "unban", guild_id="g", detail={}, actor="discord:1")
        verdict = Ruling(decision="block", category="gore")
        await cases.note(
            session,
            kind="prompt",
            account_id=ada.id,
            guild_id="g",
            verdict=verdict,
            prompt="what was typed",
        )
        await session.execute(text("insert into inquiries (key) values ('inbox/asked')"))
        await session.execute(
            text("insert into drafts (account_id, kind, ask) values (:of, 'confirm', '{}')"),
            {"of": ada.id},
        )
        for job_id in (None, (await make_job(session, ada)).id):
            await taskrows.add(session, ada.id, action="SHORTEN", memo="", job_id=job_id)
        told = await hookrows.add(session, ada.id, "https://receiver.example", ("job.waiting",))
        assert told is not None
        await hookdeliveries.add_ping(session, told.id)
        await hookdeliveries.give_up_all(session, told.id, "no")
    chores = {chore.name: chore.work for chore in retention.chores}
    assert {name: await work() for name, work in chores.items()} == dict.fromkeys(chores, 0)
    ends = (
        *(("bans", "until"), ("proposals", "expires_at")),
        *(("cases", "at"), ("inquiries", "at"), ("drafts", "at")),
        *(("webhook_deliveries", "ended_at"), ("tasks", "submitted_at")),
    )
    async with database.begin() as session:
        for table, column in ends:
            await session.execute(text(LATER.format(table=table, column=column)))
    done = {name: await work() for name, work in chores.items()}
    assert done == dict.fromkeys(chores, 1) | {"remove_withdrawn": 0}
    assert {name: await work() for name, work in chores.items()} == dict.fromkeys(chores, 0)
    async with database.read() as session:
        assert await session.scalar(text("select standing from accounts")) == "good"
        assert await session.scalar(text("select prompt from cases")) is None
        assert await session.scalar(text("select state from proposals")) == "expired"


class Told(Child):
    """A child that writes down what it is told."""

    def __init__(self) -> None:
        super().__init__(self._never)
        self.said: list[ToChild] = []

    async def send(self, message: ToChild) -> None:
        self.said.append(message)

    async def _never(self) -> Engine:
        raise AssertionError


async def test_snapshots_of_ended_jobs_go_whoever_had_them(
    database: Database, tmp_path: Path
) -> None:
    child = Told()
    assert await leftovers.forget_ended(child, tmp_path / "none", database) == 0
    async with database.begin() as session:
        ada = await make_account(session)
        states = (JobState.WAITING, JobState.RUNNING, JobState.CANCELLED, JobState.FAILED)
        jobs = [await bring_to(session, await make_job(session, ada), state) for state in states]
    for name in (*(str(job.id) for job in jobs), str(uuid4()), "of-somebody-else"):
        (tmp_path / name).mkdir()
    assert await leftovers.forget_ended(child, tmp_path, database) == 2
    wanted = {str(job.id) for job in jobs[2:]}
    assert {one.job_id for one in child.said if isinstance(one, Drop) and one.forget} == wanted
