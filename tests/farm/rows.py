"""Accounts, jobs and workers in a real database, for the tests of the farm."""

from itertools import count
from uuid import UUID

from sqlalchemy import text

from shared import accounts, deliveries, jobstore, ledger, workers
from shared.catalog import Catalog, read_catalog
from shared.config import SHARED
from shared.connections import Database
from shared.jobs import Job, JobKind, Route
from shared.plans import PlanBook, Speed, read_plans
from shared.spec import RenderSpec, WeightedText
from tests.shared.rows import Ruling

_numbers = count(1)
COST_MS = 2000

SPEC = RenderSpec(
    checkpoint="postcards",
    texts=(WeightedText("a red sailboat"),),
    negative="",
    width=64,
    height=64,
    steps=12,
    guidance=4.0,
    sampler="dpm++2m-karras",
    seed=7,
    images=4,
    scale=8,
)


def the_book() -> PlanBook:
    return read_plans(SHARED / "plans.toml")


def the_catalog() -> Catalog:
    return read_catalog(SHARED / "catalog.toml")


async def an_account(database: Database, plan: str = "pro") -> UUID:
    async with database.begin() as session:
        account = await accounts.ensure(
            session, f"person-{next(_numbers)}", "Ada", plan=plan, book=the_book()
        )
    return account.id


async def a_job(
    database: Database,
    account_id: UUID,
    *,
    speed: Speed = Speed.FAST,
    plan: str = "pro",
    cost_ms: int = COST_MS,
    route: Route | None = None,
    spec: RenderSpec = SPEC,
) -> Job:
    """Accepted as the front desk does it: the row and its hold in one transaction. Nobody is rung."""
    async with database.begin() as session:
        job = await jobstore.insert(
            session,
            account_id=account_id,
            plan=plan,
            kind=JobKind.IMAGINE,
            speed=speed,
            prompt="a red sailboat",
            spec=spec,
            submission_key=f"key-{next(_numbers)}",
            estimate_ms=cost_ms,
        )
        await ledger.hold(session, account_id, job.id, cost_ms)
        if route is not None:
            await deliveries.set_route(session, job.id, route)
    return job


async def a_worker(
    database: Database, name: str = "gpu", *, slots: int = 1, draining: bool = False
) -> str:
    async with database.begin() as session:
        await workers.heartbeat(session, name, "cpu", slots, ["postcards"], draining)
    return name


async def see(database: Database, job_id: UUID) -> Job:
    async with database.read() as session:
        job = await jobstore.load(session, job_id)
    assert job is not None
    return job


async def claim(database: Database, job: Job, *, lease_s: float = 15.0) -> Job:
    assert job.worker is not None
    async with database.begin() as session:
        claimed = await jobstore.running(
            session, job.id, attempt=job.attempt, worker=job.worker, lease_s=lease_s
        )
    assert claimed is not None
    return claimed


async def dispatch(database: Database, job: Job, worker: str) -> Job:
    async with database.begin() as session:
        sent = await jobstore.dispatched(session, job.id, worker=worker)
    assert sent is not None
    return sent


async def end(database: Database, job: Job) -> None:
    """The shortest way out of a slot: its owner cancels it."""
    async with database.begin() as session:
        ended = await jobstore.cancelled(session, job.id, job.account_id)
        assert ended is not None
        await ledger.release(session, ended)


async def finish(database: Database, job: Job, *, gpu_ms: int) -> None:
    """It runs where it was sent and succeeds, having taken that much of a GPU."""
    claimed = await claim(database, job)
    assert claimed.worker is not None
    async with database.begin() as session:
        verdict = await jobstore.add_verdict(session, job.id, "job", Ruling(), attempt=job.attempt)
        ended = await jobstore.succeeded(
            session,
            job.id,
            attempt=job.attempt,
            worker=claimed.worker,
            verdict_id=verdict,
            gpu_ms=gpu_ms,
            charged_ms=0,
        )
        assert ended is not None
        await ledger.settle(session, ended, 0)


async def execute(database: Database, statement: str, **values: object) -> None:
    async with database.begin() as session:
        await session.execute(text(statement), values)


async def books(database: Database) -> list[str]:
    async with database.read() as session:
        return await ledger.audit_sums(session)
