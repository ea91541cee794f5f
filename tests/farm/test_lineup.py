"""What operators see: real rows, the real board, and the words in a terminal."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from rich.console import Console
from sqlalchemy import text

from farm import panels as panels_module
from farm.lineup import Lineup, facts, read_lineup
from farm.panels import panels, show_lineup
from shared import jobstore, workers
from shared.config import DatabaseSettings, RedisSettings, Settings
from shared.connections import Database, connect_redis
from shared.errors import Fault
from shared.jobs import Job
from shared.leadership import Leadership
from shared.outlooks import Outlooks
from shared.plans import Speed
from shared.waits import Outlook
from tests.farm.rows import a_job, an_account


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator["Redis"]:
    client = connect_redis(settings.redis)
    yield client
    await client.aclose()


@pytest.fixture
async def led(settings: Settings) -> AsyncIterator[None]:
    """A dispatcher leads."""
    leadership = Leadership(settings.database)
    assert await leadership.won()
    yield
    await leadership.close()


async def look(database: Database, redis: "Redis | None", *, limit: int = 20) -> Lineup:
    return await read_lineup(database, redis, limit=limit, lost_after_s=15)


def said(lineup: Lineup) -> str:
    screen = io.StringIO()
    Console(file=screen, width=160).print(panels(lineup))
    return screen.getvalue()


def lines(lineup: Lineup) -> list[list[str]]:
    """Each row's cells."""
    return [
        [cell.strip() for cell in line.split("  ") if cell.strip()]
        for line in said(lineup).splitlines()
    ]


def foreseen(job: Job, position: int, reason: str = "the model is loading") -> Outlook:
    return Outlook(
        job.id, position, start_s=90, eta_s=170, eta_low_s=118, eta_high_s=251, reason=reason
    )


async def a_worker(database: Database, name: str, *, ago_s: float = 0, **fields: Any) -> None:
    async with database.begin() as session:
        await workers.heartbeat(session, name, "NVIDIA L4", 4, ["postcards"], False, **fields)
        await session.execute(
            text(
                "update workers set seen_at = now() - make_interval(secs => :ago) where name = :name"
            ),
            {"ago": ago_s, "name": name},
        )


async def test_who_waits_is_told_by_lane_in_the_order_of_their_turns(
    database: Database, redis: "Redis", led: None
) -> None:
    ada, bo = await an_account(database, "pro"), await an_account(database, "free")
    early = await a_job(database, ada)
    late = await a_job(database, bo, plan="free")
    turbo = await a_job(database, ada, speed=Speed.TURBO)
    fresh = await a_job(database, ada)
    await Outlooks(redis).publish(
        [foreseen(turbo, 1), foreseen(late, 2, "next in line"), foreseen(early, 3)]
    )
    lineup = await look(database, redis)
    assert [place.job.id for place in lineup.places[Speed.FAST]] == [late.id, early.id, fresh.id]
    told = lines(lineup)
    assert told[0] == ["4 waiting (turbo 1, fast 3), 0 at work"]
    assert told[2][:5] == ["turbo", "1", "0 s", "about 2 to 4 min", "the model is loading"]
    assert told[3] == [
        *("fast", "2", "0 s", "about 2 to 4 min", "next in line"),
        *(bo.hex[:8], "free", "postcards"),
    ]
    assert told[4][:2] == ["3", "0 s"]
    assert told[5][:4] == ["–", "0 s", "–", "–"]
    assert "prompt" not in json.dumps(facts(lineup))


async def test_how_long_a_job_waits_already_is_told(database: Database, led: None) -> None:
    job = await a_job(database, await an_account(database))
    lineup = await look(database, None)
    (place,) = lineup.places[Speed.FAST]
    assert (place.job.id, 0 <= place.age_s < 30) == (job.id, True)
    for age_s, words in ((75.4, "1 min 15 s"), (59.4, "59 s"), (7500, "2 h 5 min")):
        aged = replace(lineup, places={Speed.FAST: [replace(place, age_s=age_s)]})
        assert words in said(aged)


async def test_a_long_lane_is_cut_and_hides_no_other(
    database: Database, redis: "Redis", led: None
) -> None:
    ada = await an_account(database)
    for _ in range(4):
        await a_job(database, ada, speed=Speed.RELAX)
    turbo = await a_job(database, ada, speed=Speed.TURBO)
    lineup = await look(database, redis, limit=1)
    assert [place.job.id for place in lineup.places[Speed.TURBO]] == [turbo.id]
    assert said(lineup).count("and 3 more") == 1


async def test_workers_are_told_with_their_load_memory_and_silence(
    database: Database, redis: "Redis", led: None
) -> None:
    await Outlooks(redis).publish([])
    gib = 2**30
    await a_worker(database, "gpu-0", vram_bytes=22 * gib, free_bytes=9 * gib)
    await a_worker(database, "gpu-1", ago_s=75)
    await a_worker(database, "gpu-2", ago_s=3600)
    ada = await an_account(database)
    async with database.begin() as session:
        for speed in (Speed.FAST, Speed.RELAX, Speed.RELAX):
            job = await a_job(database, ada, speed=speed)
            await jobstore.dispatched(session, job.id, worker="gpu-0")
    lineup = await look(database, redis)
    told = lines(lineup)
    assert told[0] == ["0 waiting, 3 at work"]
    assert told[1] == ["Nobody waits."]
    assert told[-2] == [
        *("gpu-0", "NVIDIA L4", "3 of 4", "1 fast, 2 relax", "postcards"),
        *("9.0 of 22.0 GB free", "0 s ago"),
    ]
    assert told[-1] == [
        *("gpu-1", "NVIDIA L4", "0 of 4", "idle, lost", "postcards", "not known"),
        "1 min 15 s ago",
    ]
    first, second = facts(lineup)["workers"]
    assert (first["busy"], first["lost"], second["lost"]) == ({"fast": 1, "relax": 2}, False, True)


async def test_it_works_without_redis_and_says_so(
    database: Database, tmp_path: Path, led: None
) -> None:
    await a_job(database, await an_account(database))
    nowhere = connect_redis(RedisSettings(url=SecretStr(f"unix://{tmp_path}/no.sock")))
    for redis, words in ((nowhere, "Redis does not answer"), (None, "PICTOR_REDIS__URL")):
        lineup = await look(database, redis)
        assert words in lineup.trouble
        assert said(lineup).splitlines()[1] == "1 waiting (fast 1), 0 at work"
        assert facts(lineup)["waiting"]["fast"][0]["position"] is None
    await nowhere.aclose()


async def test_it_says_when_no_dispatcher_leads(database: Database, redis: "Redis") -> None:
    await Outlooks(redis).publish([])
    assert "No dispatcher leads" in said(await look(database, redis))
    assert "No worker is up." in said(await look(database, redis))


async def test_scripts_get_one_object(
    settings: Settings,
    database: Database,
    redis: "Redis",
    led: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    job = await a_job(database, await an_account(database))
    await Outlooks(redis).publish([foreseen(job, 1)])
    await show_lineup(settings, watch=False, as_json=True, limit=5)
    told = json.loads(capsys.readouterr().out)
    (waits,) = told["waiting"]["fast"]
    assert told["trouble"] is None
    assert UUID(waits["job"]) == job.id
    assert (waits["position"], waits["eta_low_s"], waits["reason"]) == (
        1,
        118,
        "the model is loading",
    )
    assert told["counts"] == {
        "waiting": {"turbo": 0, "fast": 1, "relax": 0},
        "running": {"turbo": 0, "fast": 0, "relax": 0},
    }


async def test_a_watch_goes_on_while_the_database_is_away(
    database: Database, redis: "Redis", led: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(panels_module, "EVERY_S", 0.01)
    screen, away = io.StringIO(), True

    async def look_again() -> Lineup:
        if away:
            raise Fault("database_down", "The database is away.", retryable=True)
        return await look(database, redis)

    console = Console(file=screen, force_terminal=True, width=120)
    watch = asyncio.create_task(panels_module._keep_showing(look_again, console))
    async with asyncio.timeout(10):
        for words in ("The database is away.", "Nobody waits."):
            while words not in screen.getvalue():
                await asyncio.sleep(0.01)
            away = False
    watch.cancel()
    await asyncio.gather(watch, return_exceptions=True)


@pytest.mark.parametrize(
    ("url", "code"),
    [(None, "no_database"), (SecretStr("postgresql://ada@127.0.0.1:1/none"), "database_down")],
)
async def test_without_a_database_it_says_what_is_wrong(
    settings: Settings, url: SecretStr | None, code: str
) -> None:
    away = settings.model_copy(update={"database": DatabaseSettings(url=url)})
    with pytest.raises(Fault) as fault:
        await show_lineup(away, watch=False, as_json=False, limit=5)
    assert fault.value.code == code
