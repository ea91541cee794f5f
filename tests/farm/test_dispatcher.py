"""The dispatcher as a whole: bells, events, a Redis that dies, a leader that is killed."""

import asyncio
import os
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pydantic import SecretStr

from farm import dispatcher as dispatcher_module
from farm.dispatcher import Dispatcher, _kept_up, _stop, run_dispatcher
from farm.embedded import Server, redis_server
from shared import jobstore
from shared.bell import QUEUES, Bell
from shared.config import ROOT, FarmSettings, RedisSettings, Settings
from shared.connections import Database, connect_redis
from shared.events import EventKind, Events, JobEvent
from shared.jobs import Job, JobState
from shared.leadership import Leadership, is_led
from shared.outlooks import Outlooks
from shared.plans import Speed
from shared.storage import open_store
from tests.conftest import TestServers
from tests.farm.rows import (
    a_job,
    a_worker,
    an_account,
    claim,
    dispatch,
    end,
    execute,
    see,
    the_book,
    the_catalog,
)
from tests.freezing import frozen

SWEEPS = (
    "rescue_lost",
    "expire_waiting",
    "re_ring",
    "reconcile",
    "release_stale_holds",
    "purge_assets",
    "forget_silent_workers",
    "drop_expired_tokens",
)
NEVER_SCAN = FarmSettings(scan_every_s=3600.0)


@asynccontextmanager
async def dispatching(settings: Settings, database: Database) -> AsyncIterator[Dispatcher]:
    redis, bell = connect_redis(settings.redis), Bell(settings.redis)
    dispatcher = Dispatcher(
        settings,
        database=database,
        bell=bell,
        events=Events(redis),
        outlooks=Outlooks(redis),
        store=open_store(settings.storage),
        book=the_book(),
        catalog=the_catalog(),
    )
    running = asyncio.create_task(dispatcher.run())
    try:
        async with asyncio.timeout(5.0):
            await dispatcher.leads.wait()
        yield dispatcher
    finally:
        running.cancel()
        await asyncio.wait([running])
        await bell.close()
        await redis.aclose()


async def until(
    condition: Callable[[], Awaitable[bool]], *, within_s: float, every_s: float = 0.02
) -> float:
    """Seconds until it holds."""
    began = time.monotonic()
    async with asyncio.timeout(within_s):
        while not await condition():
            await asyncio.sleep(every_s)
    return time.monotonic() - began


async def in_state(database: Database, job: Job, state: JobState) -> bool:
    return (await see(database, job.id)).state is state


async def dispatched(database: Database, job: Job, *, within_s: float = 5.0) -> float:
    return await until(lambda: in_state(database, job, JobState.DISPATCHED), within_s=within_s)


@asynccontextmanager
async def a_gpu(database: Database, name: str, *, slots: int) -> AsyncIterator[set[str]]:
    """A worker that hears no bell, looks at Postgres, and is done with every job at once."""
    await a_worker(database, name, slots=slots)
    done: set[str] = set()

    async def work() -> None:
        while True:
            async with database.read() as session:
                jobs = await jobstore.dispatched_to(session, name)
            for job in jobs:
                await end(database, job)
                done.add(str(job.id))
            await asyncio.sleep(0.01)

    working = asyncio.create_task(work())
    yield done
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working


# --- the ways to hear -------------------------------------------------------------------------


@pytest.mark.parametrize("speed", list(Speed))
async def test_the_bell_of_each_speed_is_heard(
    settings: Settings, database: Database, speed: Speed
) -> None:
    deaf_to_time = settings.model_copy(update={"farm": NEVER_SCAN})
    await a_worker(database)
    bell = Bell(settings.redis)
    async with dispatching(deaf_to_time, database):
        await asyncio.sleep(0.5)  # past the scans that starting up causes
        job = await a_job(database, await an_account(database), speed=speed)
        assert await bell.ring(speed, job.id)
        await dispatched(database, job, within_s=2.0)
        await until(lambda: _quiet(bell, speed), within_s=2.0)
    await bell.close()


async def _quiet(bell: Bell, speed: Speed) -> bool:
    return await bell.depth(QUEUES[speed]) == 0


async def test_a_state_event_is_heard(settings: Settings, database: Database) -> None:
    deaf_to_time = settings.model_copy(update={"farm": NEVER_SCAN})
    await a_worker(database)
    redis = connect_redis(settings.redis)
    async with dispatching(deaf_to_time, database):
        await asyncio.sleep(0.5)
        job = await a_job(database, await an_account(database))
        await Events(redis).publish(JobEvent(job.id, EventKind.STATE, state="waiting"))
        await dispatched(database, job, within_s=2.0)
    await redis.aclose()


async def test_a_lost_ring_costs_a_second(settings: Settings, database: Database) -> None:
    await a_worker(database)
    async with dispatching(settings, database):
        job = await a_job(database, await an_account(database))
        assert await dispatched(database, job) < 2.0


async def test_a_dead_workers_job_goes_to_a_living_one(
    settings: Settings, database: Database
) -> None:
    dead = await a_job(database, await an_account(database))
    async with database.begin() as session:
        await jobstore.dispatched(session, dead.id, worker="dead")
        await jobstore.running(session, dead.id, attempt=1, worker="dead", lease_s=0.2)
    async with a_gpu(database, "alive", slots=1) as done, dispatching(settings, database):
        await until(lambda: _has(done, dead), within_s=3.0)
    assert (await see(database, dead.id)).crashes == 1


async def _has(done: set[str], *jobs: Job) -> bool:
    return done >= {str(job.id) for job in jobs}


# --- Redis may go -----------------------------------------------------------------------------


async def test_redis_wiped_again_and_again_loses_nobody(
    settings: Settings, database: Database
) -> None:
    bell, redis = Bell(settings.redis), connect_redis(settings.redis)
    accounts = [await an_account(database) for _ in range(5)]
    async with a_gpu(database, "gpu", slots=3) as done, dispatching(settings, database):
        jobs = []
        for number in range(24):
            job = await a_job(database, accounts[number % 5], speed=list(Speed)[number % 3])
            await bell.ring(job.speed, job.id)
            jobs.append(job)
            if number % 8 == 4:
                await redis.flushall()
        await until(lambda: _has(done, *jobs), within_s=15.0)
    await bell.close()
    await redis.aclose()


@pytest.fixture
def address() -> Iterator[Path]:
    """A Redis socket's address that stays when the server behind it is another."""
    with TemporaryDirectory(prefix="pictor-") as folder:
        yield Path(folder) / "redis.sock"


def a_redis(folder: Path, address: Path) -> Server:
    server = redis_server(folder)
    address.unlink(missing_ok=True)
    address.symlink_to(server.url.removeprefix("unix://"))
    return server


async def test_without_redis_the_scan_goes_on_and_the_bell_comes_back(
    settings: Settings, database: Database, tmp_path: Path, address: Path
) -> None:
    own = RedisSettings(url=SecretStr(f"unix://{address}"), socket_timeout_s=0.5)
    mine = settings.model_copy(update={"redis": own})
    account_id = await an_account(database)
    server = a_redis(tmp_path / "first", address)
    async with a_gpu(database, "gpu", slots=2) as done, dispatching(mine, database):
        server.stop()
        jobs = [await a_job(database, account_id) for _ in range(6)]
        await until(lambda: _has(done, *jobs), within_s=8.0)
        server = a_redis(tmp_path / "second", address)
        bell, rung = Bell(own), await a_job(database, account_id)
        assert await bell.ring(rung.speed, rung.id)
        await until(lambda: _quiet(bell, rung.speed), within_s=15.0)
        await until(lambda: _has(done, rung), within_s=3.0)
        await bell.close()
    server.stop()


async def test_a_frozen_redis_holds_nobody_up(
    settings: Settings, database: Database, tmp_path: Path, address: Path
) -> None:
    own = RedisSettings(url=SecretStr(f"unix://{address}"), socket_timeout_s=2.0)
    mine = settings.model_copy(update={"redis": own})
    account_id = await an_account(database)
    server = a_redis(tmp_path / "redis", address)
    async with a_gpu(database, "gpu", slots=1) as done, dispatching(mine, database):
        os.kill(server.pid, signal.SIGSTOP)
        jobs = [await a_job(database, account_id) for _ in range(4)]
        try:
            # one slot: a step for each job, and none of them waits for Redis
            await until(lambda: _has(done, *jobs), within_s=7.0)
        finally:
            os.kill(server.pid, signal.SIGCONT)
    server.stop()


async def test_a_part_that_fails_begins_again() -> None:
    begun = 0

    async def part() -> None:
        nonlocal begun
        begun += 1
        raise ConnectionError if begun == 1 else KeyError

    keeping = asyncio.create_task(_kept_up("part", part))

    async def thrice() -> bool:
        return begun >= 3

    await until(thrice, within_s=3.0)
    keeping.cancel()
    await asyncio.wait([keeping])


async def test_a_part_that_swallows_a_cancel_is_asked_again() -> None:
    """As a client does that awaits `asyncio.wait_for` on Python 3.11."""

    async def deaf_once() -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)

    part = asyncio.create_task(deaf_once())
    await asyncio.sleep(0)
    async with asyncio.timeout(2.0):
        await _stop([part])
    assert part.cancelled()


# --- leaders ----------------------------------------------------------------------------------


async def test_who_loses_the_lock_stops_at_once_and_leads_again_later(
    settings: Settings, database: Database
) -> None:
    rival = Leadership(settings.database)
    async with dispatching(settings, database) as dispatcher:
        await _cut(database, "application_name = 'pictor leadership'")
        async with asyncio.timeout(3.0):
            while not await rival.won():
                await asyncio.sleep(0.01)
        await until(lambda: _leads(dispatcher, False), within_s=1.0)
        await a_worker(database)
        job = await a_job(database, await an_account(database))
        await asyncio.sleep(1.5)
        assert await in_state(database, job, JobState.WAITING), "it led without the lock"
        await rival.close()
        await dispatched(database, job, within_s=3.0)


async def test_postgres_drops_every_connection_and_it_goes_on(
    settings: Settings, database: Database
) -> None:
    await a_worker(database, slots=4)
    account_id = await an_account(database)
    async with dispatching(settings, database) as dispatcher:
        await dispatched(database, await a_job(database, account_id))
        await _cut(database, "true")
        await until(lambda: _leads(dispatcher, False), within_s=2.0, every_s=0.001)
        await dispatched(database, await a_job(database, account_id), within_s=6.0)


async def _leads(dispatcher: Dispatcher, expected: bool) -> bool:
    return dispatcher.leads.is_set() is expected


async def _cut(database: Database, which: str) -> None:
    await execute(
        database,
        "select pg_terminate_backend(pid) from pg_stat_activity"
        f" where datname = current_database() and pid <> pg_backend_pid() and {which}",
    )


@asynccontextmanager
async def a_process(settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    assert settings.database.url
    assert settings.redis.url
    environment = {
        **os.environ,
        "PICTOR_DATABASE__URL": settings.database.url.get_secret_value(),
        "PICTOR_REDIS__URL": settings.redis.url.get_secret_value(),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "farm", "dispatch", cwd=ROOT, env=environment
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _someone_leads(database: Database) -> bool:
    async with database.read() as session:
        return await is_led(session)


async def test_a_stand_by_takes_over_from_a_killed_leader(
    settings: Settings, database: Database
) -> None:
    await a_worker(database, slots=2)
    account_id = await an_account(database)
    async with a_process(settings) as first:
        await until(lambda: _someone_leads(database), within_s=20.0, every_s=0.1)
        async with a_process(settings) as second:
            before = await a_job(database, account_id)
            await dispatched(database, before)
            await asyncio.sleep(2.0)  # the second one is up and stands by
            _is_lean(first.pid)
            first.kill()
            after = await a_job(database, account_id)
            assert await dispatched(database, after) < 3.0
            second.send_signal(signal.SIGTERM)
            async with asyncio.timeout(5.0):
                assert await second.wait() == 0
            assert not await _someone_leads(database)


def _is_lean(pid: int) -> None:
    status = Path(f"/proc/{pid}/status")
    if not status.exists():
        return
    (resident,) = [line for line in status.read_text().splitlines() if line.startswith("VmRSS")]
    assert int(resident.split()[1]) < 150 * 1024, resident
    assert "torch" not in Path(f"/proc/{pid}/maps").read_text()


# --- Postgres may go --------------------------------------------------------------------------


async def test_right_after_an_outage_nobody_is_judged(
    servers: TestServers, settings: Settings, database: Database
) -> None:
    """A lease that nobody could renew says nothing, for as long as the living need to say so."""
    grace_s = 6.0
    quick = settings.database.model_copy(update={"statement_timeout_ms": 500})
    farm = settings.farm.model_copy(update={"outage_grace_s": grace_s})
    settings = settings.model_copy(update={"farm": farm, "database": quick})
    own = Database.connect(quick)
    job = await a_job(database, await an_account(database))
    async with dispatching(settings, own):
        sent = await dispatch(database, job, "dead")
        await claim(database, sent, lease_s=3.0)
        with frozen(servers.servers.postgres.pid):
            await asyncio.sleep(5.0)
        thawed = time.monotonic()
        await until(lambda: in_state(database, job, JobState.WAITING), within_s=15.0)
        assert time.monotonic() - thawed > grace_s - 1.0
    await own.close()
    assert (await see(database, job.id)).crashes == 1


# --- what Prometheus is told ------------------------------------------------------------------


async def test_each_sweep_of_the_leader_is_counted(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher_module, "configure_logging", lambda _: None)
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]

    def page() -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            return str(answer.read().decode())

    async def all_told() -> bool:
        text = await asyncio.to_thread(page)
        return all(f'pictor_sweep_runs_total{{sweep="{name}"}}' in text for name in SWEEPS)

    farm = settings.farm.model_copy(update={"metrics_port": port})
    running = asyncio.create_task(run_dispatcher(settings.model_copy(update={"farm": farm})))
    await until(lambda: is_up(database), within_s=10.0)
    await until(all_told, within_s=10.0, every_s=0.1)
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(10.0):
        await running


async def is_up(database: Database) -> bool:
    async with database.read() as session:
        return await is_led(session)
