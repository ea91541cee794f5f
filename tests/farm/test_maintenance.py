"""The leader's chores on a real Postgres."""

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis
from sqlalchemy import select

from farm import litter
from farm.maintenance import Maintenance
from shared import deliveries, drafts, history, jobstore, ledger, tables, uploads, workers
from shared.assets import add_asset, add_verdict
from shared.assets import assets as assets_of
from shared.config import FarmSettings, Settings
from shared.connections import Database, Session, connect_redis
from shared.events import EventKind, Events
from shared.jobs import Job, JobState, Route
from shared.orders import NOWHERE, Ask, Person
from shared.spec import RenderKind, Source
from shared.storage import LocalStore
from tests.farm.rows import (
    a_job,
    a_worker,
    an_account,
    books,
    claim,
    dispatch,
    end,
    execute,
    see,
    the_catalog,
)
from tests.farm.workshop import PACKER, finding, picture
from tests.shared.rows import SPEC

ROUTE = Route(channel_id="1", message_id="2", user_id="3", application_id="4", token="secret")


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator["Redis"]:
    client = connect_redis(settings.redis)
    yield client
    await client.aclose()


@pytest.fixture
def heard() -> list[UUID]:
    return []


@pytest.fixture
def store(settings: Settings) -> LocalStore:
    return LocalStore(settings.storage.folder, "http://images.example")


@pytest.fixture
def maintenance(
    database: Database, redis: "Redis", store: LocalStore, heard: list[UUID]
) -> Maintenance:
    farm = FarmSettings(max_crashes=5, purge_grace_s=0)
    return Maintenance(
        database, Events(redis), store=store, catalog=the_catalog(), farm=farm, heard=heard.append
    )


async def crashed(database: Database, job: Job) -> None:
    """Dispatched, claimed, and the worker dies: its lease runs out."""
    await claim(database, await dispatch(database, job, "gpu"), lease_s=-1.0)


async def test_a_dead_workers_job_waits_again_and_counts_a_crash(
    database: Database, maintenance: Maintenance, heard: list[UUID]
) -> None:
    job = await a_job(database, await an_account(database))
    await crashed(database, job)
    assert await maintenance.rescue_lost() == 1
    found = await see(database, job.id)
    assert (found.state, found.crashes, found.worker) == (JobState.WAITING, 1, None)
    assert heard == [job.id]
    assert await maintenance.rescue_lost() == 0


async def test_a_living_lease_is_left_alone(database: Database, maintenance: Maintenance) -> None:
    job = await a_job(database, await an_account(database))
    await claim(database, await dispatch(database, job, "gpu"), lease_s=15.0)
    assert await maintenance.rescue_lost() == 0
    assert (await see(database, job.id)).state is JobState.RUNNING


async def test_right_after_an_outage_the_living_may_renew_first(
    database: Database, redis: "Redis", store: LocalStore
) -> None:
    just_back = True
    maintenance = Maintenance(
        database,
        Events(redis),
        store=store,
        catalog=the_catalog(),
        farm=FarmSettings(),
        merciful=lambda: just_back,
    )
    living, dead = [await a_job(database, await an_account(database)) for _ in range(2)]
    for job in (living, dead):
        await crashed(database, job)
    assert await maintenance.rescue_lost() == 0
    async with database.begin() as session:
        await jobstore.renew_leases(session, "gpu", {living.id: 1}, 15.0)
    just_back = False
    assert await maintenance.rescue_lost() == 1
    assert (await see(database, living.id)).state is JobState.RUNNING
    assert (await see(database, dead.id)).crashes == 1


async def test_after_five_crashes_it_fails_and_everything_goes_back(
    database: Database, maintenance: Maintenance, redis: "Redis"
) -> None:
    account_id = await an_account(database)
    async with database.read() as session:
        before = await ledger.balance(session, account_id)
    await a_worker(database)
    job = await a_job(database, account_id)
    for _ in range(4):
        await crashed(database, job)
        await maintenance.rescue_lost()
        assert (await see(database, job.id)).state is JobState.WAITING
    await crashed(database, job)
    async with Events(redis).subscribe() as stream:
        await maintenance.rescue_lost()
        event = await anext(stream)
    assert (event.job_id, event.kind, event.state) == (job.id, EventKind.STATE, "failed")
    found = await see(database, job.id)
    assert (found.state, found.error_code, found.crashes) == (JobState.FAILED, "worker_lost", 5)
    async with database.read() as session:
        assert await ledger.balance(session, account_id) == before
        dump = await history.gave_up(session, job.id)
    assert await books(database) == []
    assert dump is not None
    assert [move["target"] for move in dump["transitions"]].count("running") == 5
    assert dump["transitions"][-1]["target"] == dump["job"]["state"] == "failed"
    assert dump["job"]["spec"]["checkpoint"] == "postcards"
    assert "sailboat" not in str(
        dump
    )  # that book is never changed, and people may ask to be erased
    assert [row["name"] for row in dump["farm"]["workers"]] == ["gpu"]


async def test_a_deploy_and_an_unheard_bell_count_nothing(
    database: Database, maintenance: Maintenance
) -> None:
    job = await a_job(database, await an_account(database))
    for _ in range(6):
        running = await claim(database, await dispatch(database, job, "gpu"))
        async with database.begin() as session:
            back = await jobstore.given_back(session, job.id, attempt=running.attempt, worker="gpu")
        assert back is not None
        await dispatch(database, job, "gpu")
        await execute(database, "update jobs set lease_until = clock_timestamp() - interval '1 s'")
        assert await maintenance.rescue_lost() == 1
    found = await see(database, job.id)
    assert (found.state, found.crashes, found.attempt) == (JobState.WAITING, 0, 12)


async def test_one_broken_book_keeps_nobody_from_rescue(
    database: Database, redis: "Redis", store: LocalStore
) -> None:
    farm = FarmSettings(max_crashes=1)
    maintenance = Maintenance(
        database, Events(redis), store=store, catalog=the_catalog(), farm=farm
    )
    account_id = await an_account(database)
    broken, sound = await a_job(database, account_id), await a_job(database, account_id)
    await execute(database, "alter table ledger disable trigger all")
    await execute(database, "delete from ledger where job_id = :id", id=broken.id)
    await execute(database, "alter table ledger enable trigger all")
    await crashed(database, broken)
    await crashed(database, sound)
    assert await maintenance.rescue_lost() == 2
    assert (await see(database, broken.id)).state is JobState.FAILED
    assert (await see(database, sound.id)).state is JobState.FAILED
    async with database.read() as session:
        assert (await ledger.balance(session, account_id)).held_ms == broken.estimate_ms


async def test_a_hold_left_behind_goes_back(database: Database, maintenance: Maintenance) -> None:
    account_id = await an_account(database)
    left, whole, fresh = [await a_job(database, account_id) for _ in range(3)]
    for job in (left, fresh):
        async with database.begin() as session:
            await jobstore.cancelled(session, job.id, account_id)
    await end(database, whole)
    await execute(database, "alter table jobs disable trigger jobs_move")
    await execute(
        database,
        "update jobs set finished_at = finished_at - interval '2 minutes' where id <> :id",
        id=fresh.id,
    )
    assert await maintenance.release_stale_holds() == 1
    async with database.read() as session:
        assert (await ledger.balance(session, account_id)).held_ms == fresh.estimate_ms
    assert await maintenance.release_stale_holds() == 0


async def test_expired_tokens_are_dropped_and_living_ones_kept(
    database: Database, maintenance: Maintenance
) -> None:
    account_id = await an_account(database)
    now = datetime.now(UTC)
    routes = {
        "past": replace(ROUTE, token_expires_at=now - timedelta(seconds=1)),
        "living": replace(ROUTE, token_expires_at=now + timedelta(minutes=5)),
        "undated": ROUTE,
        "old": ROUTE,
    }
    jobs = {name: await a_job(database, account_id, route=r) for name, r in routes.items()}
    await execute(
        database,
        "update deliveries set at = at - interval '16 minutes' where job_id = :id",
        id=jobs["old"].id,
    )
    assert await maintenance.drop_expired_tokens() == 2
    async with database.read() as session:
        found = {name: await deliveries.route(session, job.id) for name, job in jobs.items()}
    assert found["living"] == routes["living"]
    assert found["undated"] == ROUTE
    assert found["past"] == found["old"] == replace(ROUTE, token=None)


async def test_only_the_long_silent_are_forgotten(
    database: Database, maintenance: Maintenance
) -> None:
    for name in ("gone", "holds-a-job", "alive"):
        await a_worker(database, name)
    job = await a_job(database, await an_account(database))
    await dispatch(database, job, "holds-a-job")
    await execute(
        database,
        "update workers set seen_at = seen_at - interval '1 hour' where name <> 'alive'",
    )
    assert await maintenance.forget_silent_workers() == 1
    async with database.read() as session:
        left = {row.name for row in await workers.live_workers(session, 1e6)}
    assert left == {"holds-a-job", "alive"}


# --- files that nobody names ------------------------------------------------------------------


async def put(store: LocalStore, job: Job) -> list[str]:
    """The files of this attempt as its worker would store them: grid, images, recipe and a preview."""
    drawn = [picture(index, width=8, height=8) for index in range(4)]
    packed = await PACKER.pack(job, drawn)
    parcels = [*packed.parcels, await PACKER.pack_preview(job, drawn)]
    for parcel in parcels:
        await store.put(parcel.key, parcel.data, mime=parcel.mime)
        assert litter.origin(parcel.key) == litter.Origin(job.id, job.attempt)
    return [parcel.key for parcel in parcels]


async def left(store: LocalStore, keys: list[str]) -> int:
    return sum([await store.exists(key) for key in keys])


async def success(session: Session, job: Job, keys: list[str]) -> Job | None:
    """What the worker's last transaction writes: the end, and the names of its files."""
    drawn = picture(0)
    verdict = await add_verdict(session, job.id, "image", finding(drawn), attempt=job.attempt)
    assert job.worker is not None
    ended = await jobstore.succeeded(
        session,
        job.id,
        attempt=job.attempt,
        worker=job.worker,
        verdict_id=verdict,
        gpu_ms=1,
        charged_ms=1,
    )
    for index, key in enumerate(keys if ended else ()):
        await add_asset(
            session,
            job.id,
            kind="image",
            index=index,
            key=key,
            sha256=drawn.sha256,
            size=1,
            width=1,
            height=1,
            mime="image/png",
            verdict_id=verdict,
        )
    if ended:
        await ledger.settle(session, ended, 1)
    return ended


async def test_the_files_of_crashed_attempts_go_and_those_of_the_living_stay(
    database: Database, maintenance: Maintenance, store: LocalStore
) -> None:
    job = await a_job(database, await an_account(database))
    first = await claim(database, await dispatch(database, job, "gpu"), lease_s=-1.0)
    orphans = await put(store, first)
    assert await maintenance.purge_assets() == 0, "its lease is past, but the row is still its own"
    await maintenance.rescue_lost()
    second = await claim(database, await dispatch(database, job, "gpu-2"))
    living = await put(store, second)
    assert await maintenance.purge_assets() == len(orphans)
    assert (await left(store, orphans), await left(store, living)) == (0, len(living))


async def test_an_ended_job_keeps_what_it_delivered_and_nothing_else(
    database: Database, maintenance: Maintenance, store: LocalStore
) -> None:
    job = await a_job(database, await an_account(database))
    job = await claim(database, await dispatch(database, job, "gpu"))
    *delivered, preview = await put(store, job)
    async with database.begin() as session:
        assert await success(session, job, delivered)
    zombies = await put(store, job)
    assert await maintenance.purge_assets() == len(zombies) + 1
    assert await left(store, delivered) == len(delivered)
    assert await left(store, [preview, *zombies]) == 0
    assert await maintenance.purge_assets() == 0


async def test_what_people_brought_goes_when_nobody_goes_back_to_it(
    database: Database, maintenance: Maintenance, store: LocalStore
) -> None:
    """Named by a job, by a draft, and by nobody."""
    drawn_from, drafted, _ = keys = [uploads.new_key("png") for _ in range(3)]
    for key in keys:
        await store.put(key, b"a picture", mime="image/png")
    account = await an_account(database)
    begun = replace(SPEC, kind=RenderKind.IMAGE, sources=(Source(drawn_from, "0" * 64),))
    await a_job(database, account, spec=begun)
    person = Person("1", "Ada", "free")
    ask = Ask("blend", person, NOWHERE, "key", None, images=(uploads.link_of(drafted),))
    async with database.begin() as session:
        await drafts.keep(session, account, "confirm", ask)
    assert await maintenance.purge_assets() == 1
    assert [await store.exists(key) for key in keys] == [True, True, False]
    async with database.begin() as session:
        assert await drafts.forget(session, older_than=timedelta(0)) == 1
    assert await maintenance.purge_assets() == 1
    assert [await store.exists(key) for key in keys] == [True, False, False]


async def test_a_slow_commit_finds_all_its_files(
    database: Database, maintenance: Maintenance, store: LocalStore
) -> None:
    job = await a_job(database, await an_account(database))
    job = await claim(database, await dispatch(database, job, "gpu"), lease_s=-1.0)
    keys = await put(store, job)
    async with database.begin() as session:
        assert await success(session, job, keys)
        assert await maintenance.rescue_lost() == 0
        assert await maintenance.purge_assets() == 0, "the commit is on its way"
    assert await maintenance.purge_assets() == 0
    assert await left(store, keys) == len(keys)


async def test_a_commit_that_comes_too_late_names_nothing(
    database: Database, maintenance: Maintenance, store: LocalStore
) -> None:
    job = await a_job(database, await an_account(database))
    zombie = await claim(database, await dispatch(database, job, "gpu"), lease_s=-1.0)
    keys = await put(store, zombie)
    await maintenance.rescue_lost()
    assert await maintenance.purge_assets() == len(keys)
    async with database.begin() as session:
        assert await success(session, zombie, keys) is None
    async with database.read() as session:
        assert await assets_of(session, job.id) == []


async def test_commits_and_purges_at_the_same_time_never_part_a_row_from_its_file(
    database: Database, maintenance: Maintenance, store: LocalStore
) -> None:
    account_id = await an_account(database)

    async def one(number: int) -> None:
        job = await a_job(database, account_id)
        lost = number % 3 == 0
        job = await claim(
            database, await dispatch(database, job, "gpu"), lease_s=-1.0 if lost else 15
        )
        keys = await put(store, job)
        if lost:
            await maintenance.rescue_lost()
        async with database.begin() as session:
            await success(session, job, keys)

    async def purge() -> None:
        while True:
            await maintenance.purge_assets()

    purging = asyncio.create_task(purge())
    for batch in range(8):
        await asyncio.gather(*(one(3 * batch + number) for number in range(3)))
    purging.cancel()
    await asyncio.wait([purging])
    await maintenance.purge_assets()
    async with database.read() as session:
        named = set((await session.execute(select(tables.assets.c.key))).scalars())
    assert len(named) == 16 * 7
    assert named == {one.key async for page in store.list() for one in page}


async def test_what_is_younger_than_the_grace_and_what_is_not_ours_stays(
    database: Database, redis: "Redis", store: LocalStore
) -> None:
    maintenance = Maintenance(
        database, Events(redis), store=store, catalog=the_catalog(), farm=FarmSettings()
    )
    job = await a_job(database, await an_account(database))
    keys = await put(store, await claim(database, await dispatch(database, job, "gpu")))
    await end(database, job)
    others = [f"{uuid4()}/1/somebody-elses.png", "doctor/1.txt"]
    for key in others:
        await store.put(key, b"x", mime="image/png")
    assert await maintenance.purge_assets() == 0
    for key in [*keys, *others]:
        os.utime(store.path(key), (1e9, 1e9))
    assert await maintenance.purge_assets() == len(keys)
    assert await left(store, others) == len(others)
