"""Privacy: an export is complete; after a deletion the person is in no row and no file, and a ban holds."""

import asyncio
import io
import json
import logging
import zipfile
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from shared import hookrows, jobstore, taskrows
from shared.admission import Person
from shared.connections import Session
from shared.errors import Fault
from shared.jobs import Job, JobState, Route
from shared.moderation import cases, chain
from shared.oversight.privacy import Privacy
from tests.shared.deeds import succeed
from tests.shared.desks import insisting
from tests.shared.oversight.people import (
    ADMIN,
    BLOCKED,
    BO,
    GUILD,
    OPERATOR,
    House,
    an_account,
    assets_of,
    refused,
)
from tests.shared.rows import SPEC, Ruling, bring_to, make_job

# Snowflakes and words that are found nowhere else.
ZOE = Person("774411885522996633", "Zoe Zirkon", "pro")
WORDS = "a quixotic marmalade lighthouse"
MINOR = Ruling(decision="block", category="minor", rule="minor_and_sexual", score=1.0)
TEXTS = """
select table_name || '.' || column_name from information_schema.columns
where table_schema = 'public' and data_type in ('text', 'jsonb')
"""


async def a_life(house: House, jobs: int = 12) -> Any:
    """Jobs in every state with routes, pictures, a blocked and a hard prompt, reports both ways, webhooks."""
    async with house.database.begin() as session:
        zoe = await an_account(session, ZOE)
        events = ("job.waiting", "job.cancelled")
        await hookrows.add(session, zoe.id, f"https://hooks.example/{ZOE.discord_id}", events)
        await hookrows.rotate_job_signer(session, zoe.id)
    for number in range(jobs):
        async with house.database.begin() as session:
            zoe = await an_account(session, ZOE)
            spec = replace(SPEC, region=WORDS)
            told = {
                "guild_id": GUILD,
                "prompt": WORDS,
                "speed": "relax",
                "memo": WORDS,
                "spec": spec,
            }
            job = await make_job(session, zoe, **told)
            route = Route("10", str(number), ZOE.discord_id, guild_id=GUILD, token="secret")
            await jobstore.set_route(session, job.id, route)
            states = [JobState.WAITING, JobState.DISPATCHED, JobState.RUNNING, JobState.FAILED]
            await bring_to(session, job, states[number % 4])
    drawn = await house.drawn(ZOE)
    await house.blocked(ZOE)
    others = await house.drawn(BO)
    async with house.database.begin() as session:
        bo = await an_account(session, BO)
        await cases.report(session, bo.id, drawn, picture=0, reason="gore", text="by bo")
        await cases.report(session, zoe.id, others, picture=1, reason="hate", text=WORDS)
        await cases.note(
            session,
            kind="prompt",
            account_id=zoe.id,
            guild_id=GUILD,
            verdict=MINOR,
            prompt=WORDS,
            submission={"person": ZOE.discord_id},
        )
        await session.execute(
            text("insert into inquiries (account_id, key) values (:of, 'asked/zoe.png')"),
            {"of": zoe.id},
        )
        await session.execute(
            text("insert into fingerprints (job_id, picture, code, looks) values (:of, 0, 1, 2)"),
            {"of": drawn.id},
        )
        await taskrows.add(session, zoe.id, action="SHORTEN", memo="", prompt=WORDS)
        ask = {"text": WORDS, "person": {"discord_id": ZOE.discord_id}}
        for table, kept in (
            ("drafts", {"kind": "confirm", "ask": ask}),
            ("preferences", {"chosen": ask}),
        ):
            await keep(session, table, zoe.id, kept)
    await house.store.put("asked/zoe.png", b"asked", mime="image/png")
    return zoe, drawn


async def keep(session: Session, table: str, account_id: UUID, kept: dict[str, Any]) -> None:
    values = {name: json.dumps(one) if isinstance(one, dict) else one for name, one in kept.items()}
    columns, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    statement = f"insert into {table} (account_id, {columns}) values (:of, {marks})"
    await session.execute(text(statement), {"of": account_id, **values})


async def where(house: House, word: str) -> list[str]:
    """Every column of every table in which this still stands."""
    found = []
    async with house.database.read() as session:
        for name in list(await session.scalars(text(TEXTS))):
            table, column = name.split(".")
            query = f"select count(*) from {table} where {column}::text like :word"
            if await session.scalar(text(query), {"word": f"%{word}%"}):
                found.append(name)
    return found


async def test_an_export_holds_everything_and_nobody_else(house: House) -> None:
    _, drawn = await a_life(house)
    bo = await house.account(BO)
    export = await house.oversight.privacy.export(ZOE.discord_id)
    assert (export.jobs, export.pictures, export.left_out) == (13, 5, 0)
    with zipfile.ZipFile(io.BytesIO(export.data)) as archive:
        told = {
            name: json.loads(archive.read(name))
            for name in archive.namelist()
            if name.endswith(".json")
        }
        assert archive.read(f"pictures/{drawn.id}/image-3.webp") == b"picture"
    counts = {name.removesuffix(".json"): len(rows) for name, rows in told.items()}
    assert counts["jobs"] == 13
    assert (counts["account"], counts["pictures"], counts["links"]) == (1, 5, 5)
    assert (counts["cases"], counts["reports"], counts["strikes"]) == (3, 1, 1)
    assert counts["ledger"] >= 14
    whole = json.dumps(told)
    for secret in ("secret", str(bo.id), "by bo", ADMIN.actor, "w1"):
        assert secret not in whole
    assert WORDS in whole
    small = await house.oversight.privacy.export(ZOE.discord_id, most_bytes=15)
    assert (small.pictures, small.left_out) == (2, 3)
    assert await refused(house.oversight.privacy.export("404")) == "unknown_person"


async def test_after_a_deletion_the_person_is_nowhere(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    zoe, drawn = await a_life(house)
    assert await where(house, ZOE.discord_id) != []
    with caplog.at_level(logging.DEBUG, logger="shared"):
        erased = await house.oversight.privacy.delete(ZOE.discord_id)
    assert (erased.jobs, erased.files) == (9, 5)
    assert await where(house, ZOE.discord_id) == []
    assert await where(house, ZOE.name) == []
    assert await where(house, "sailboat") == ["jobs.prompt", "jobs.spec"]  # of somebody else
    assert await where(house, WORDS) == ["cases.prompt"]  # the hard one, until its retention ends
    assert await where(house, BLOCKED.split()[0]) != []  # the list's own word, and the rule's name
    left = {key.split("/")[0] for key in await house.files()}
    assert str(drawn.id) not in left
    assert "asked" not in left
    assert ZOE.discord_id not in caplog.text
    assert await house.scalar("select count(*) from fingerprints") == 0
    assert await house.scalar("select count(*) from jobs where finished_at is null") == 0
    assert await house.scalar("select state from deliveries limit 1") == "undeliverable"
    async with house.database.begin() as session:
        jobs = await jobstore.recent(session, zoe.id, 20)
        assert {job.prompt for job in jobs} == {""}
        assert {job.spec.checkpoint for job in jobs} == {"postcards"}
        # A courier that knew the route before writes it down no more.
        route = Route("10", "1", ZOE.discord_id)
        await jobstore.set_route(session, jobs[-1].id, route)
        assert (await chain.verify(session)).broken is None
    assert await where(house, ZOE.discord_id) == []
    assert await refused(house.oversight.privacy.delete(ZOE.discord_id)) == "unknown_person"
    await house.check_books()
    fresh = await house.account(ZOE)
    assert fresh.id != zoe.id
    assert (await house.submit("a red sailboat", ZOE)).created


async def test_a_deletion_is_no_way_around_a_ban(house: House) -> None:
    discipline, privacy = house.oversight.discipline, house.oversight.privacy
    await house.account(ZOE)
    await discipline.ban(OPERATOR, ZOE.discord_id, "spam")
    keyless = Privacy(
        house.database,
        house.store,
        privacy.withdrawals,
        privacy.safety.model_copy(update={"pepper": None}),
    )
    with pytest.raises(Fault, match="PICTOR_SAFETY__PEPPER"):
        await keyless.delete(ZOE.discord_id)
    await privacy.delete(ZOE.discord_id)
    assert await where(house, ZOE.discord_id) == []
    for _ in range(2):
        assert await refused(house.submit("a red sailboat", ZOE)) == "account_banned"
    assert (await house.account(ZOE)).standing == "banned"
    assert (await house.account(BO)).standing == "good"
    await privacy.delete(ZOE.discord_id)  # and once more
    assert await refused(house.submit("a red sailboat", ZOE)) == "account_banned"
    # A server's ban comes along too, and holds on that server alone.
    await house.account(BO)
    await discipline.ban(ADMIN, BO.discord_id, "spam")
    await privacy.delete(BO.discord_id)
    assert await refused(house.submit("a red sailboat", BO)) == "banned_here"
    assert (await house.submit("a red sailboat", BO, guild="99")).created


@pytest.mark.parametrize("many", [24, pytest.param(200, marks=pytest.mark.slow)])
async def test_a_deletion_while_workers_end_the_jobs_leaves_nothing(
    house: House, many: int
) -> None:
    """Whoever was first: after it there is no row with the id, no file, and the books agree."""
    async with house.database.begin() as session:
        zoe = await an_account(session, ZOE)
        jobs = [
            await make_job(session, zoe, guild_id=GUILD, prompt=WORDS, estimate_ms=10)
            for _ in range(many)
        ]
        for number, job in enumerate(jobs):
            await bring_to(session, job, JobState.RUNNING if number % 3 else JobState.WAITING)
            route = Route("10", str(number), ZOE.discord_id, guild_id=GUILD, token="secret")
            await jobstore.set_route(session, job.id, route)

    async def end(job: Job) -> None:
        async with house.database.begin() as session:
            if not await succeed(session, job, 5, attempt=1, worker="w1"):
                return
            keys = await assets_of(session, job)
            for key in keys:  # put before the commit, as workers do
                await house.store.put(key, b"picture", mime="image/webp")

    erasing = asyncio.create_task(house.oversight.privacy.delete(ZOE.discord_id))
    for start in range(0, many, 8):
        some = jobs[start : start + 8]
        await asyncio.gather(*(insisting(partial(end, job)) for job in some))
    erased = await erasing
    done = await house.scalar("select count(*) from jobs where state = 'succeeded'")
    assert erased.jobs + done == many
    assert (await where(house, ZOE.discord_id), await where(house, WORDS)) == ([], [])
    assert await house.files() == []
    assert await house.scalar("select count(*) from jobs where finished_at is null") == 0
    await house.check_books()
