"""What tests of the worker stand on: an account, jobs in real rows, and an engine with a script."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID, uuid4

from farm.engine.messages import (
    Finding,
    Loads,
    Picture,
    Ready,
    Render,
    Rendered,
    Report,
    Tier,
    ToChild,
    ToParent,
)
from farm.packing import Packer
from farm.recipes import Weights
from farm.safety.provenance import Unproven
from shared import accounts, jobstore, ledger
from shared.accounts import Account
from shared.catalog import read_catalog
from shared.config import SHARED, WorkerSettings
from shared.connections import Database
from shared.cost import estimate_ms, hold_ms
from shared.jobs import Job, JobKind
from shared.plans import PlanBook, Speed, read_plans
from shared.spec import RenderSpec, WeightedText

BOOK: PlanBook = read_plans(SHARED / "plans.toml")
POSTCARDS = read_catalog(SHARED / "catalog.toml").get("postcards")
WORKER = WorkerSettings().name

SPEC = RenderSpec(
    checkpoint="postcards",
    texts=(WeightedText("a red sailboat on the sea at sunset"),),
    negative="",
    width=64,
    height=64,
    steps=12,
    guidance=4.0,
    sampler="dpm++2m-karras",
    seed=7,
    images=4,
    scale=8,
    pixel_art=True,
)


# Of workers whose subject is not where a picture comes from: no mark, no manifest, exact pixels.
PACKER = Packer(Unproven(), Weights(read_catalog(SHARED / "catalog.toml")))


class Workshop:
    """One account with credit, and its jobs."""

    def __init__(self, database: Database, account: Account) -> None:
        self.database = database
        self.account = account

    @classmethod
    async def open(cls, database: Database) -> "Workshop":
        async with database.begin() as session:
            account = await accounts.ensure(session, "4711", "Ada", plan="paid", book=BOOK)
        return cls(database, account)

    async def dispatched(self, *, worker: str = WORKER, **changes: Any) -> Job:
        return await self.dispatch((await self.waiting(**changes)).id, worker=worker)

    async def waiting(self, *, strict: bool = False, **changes: Any) -> Job:
        """A job with its hold, as the desk would have accepted it; `strict`: from the grey zone."""
        spec = replace(SPEC, **changes)
        kind = JobKind.IMAGINE
        estimate = estimate_ms(spec, POSTCARDS)
        async with self.database.begin() as session:
            job = await jobstore.insert(
                session,
                account_id=self.account.id,
                plan="paid",
                kind=kind,
                speed=Speed.FAST,
                prompt="a red sailboat on the sea at sunset",
                spec=spec,
                submission_key=uuid4().hex,
                estimate_ms=estimate,
                strict=strict,
            )
            held = hold_ms(estimate, job.speed, BOOK)
            await ledger.hold(session, self.account.id, job.id, held)
        return job

    async def dispatch(self, job_id: UUID, *, worker: str = WORKER) -> Job:
        async with self.database.begin() as session:
            sent = await jobstore.dispatched(session, job_id, worker=worker)
        assert sent is not None
        return sent

    async def claimed(self, *, worker: str = WORKER, **changes: Any) -> Job:
        return await self.claim((await self.waiting(**changes)).id, worker=worker)

    async def claim(self, job_id: UUID, *, worker: str = WORKER) -> Job:
        """A waiting job, dispatched and claimed."""
        job = await self.dispatch(job_id, worker=worker)
        async with self.database.begin() as session:
            running = await jobstore.running(
                session, job.id, attempt=job.attempt, worker=worker, lease_s=15
            )
        assert running is not None
        return running

    async def row(self, job_id: UUID) -> Job:
        async with self.database.read() as session:
            job = await jobstore.load(session, job_id)
        assert job is not None
        return job

    async def rescue(self, *, max_crashes: int = 5) -> list[Job]:
        async with self.database.begin() as session:
            return await jobstore.rescued(session, max_crashes=max_crashes)

    async def balance(self) -> ledger.Balance:
        async with self.database.read() as session:
            return await ledger.balance(session, self.account.id)

    async def books_balance(self) -> bool:
        async with self.database.read() as session:
            return await ledger.audit_sums(session) == []


Script = Callable[[ToChild], Iterable[ToParent]]


class ScriptedEngine:
    """In the place of a child process: hears what the parent says, answers what the script says."""

    def __init__(self, script: Script | None = None) -> None:
        self.script = script or (lambda _: ())
        self.sent: list[ToChild] = []
        self._out: asyncio.Queue[ToParent | None] = asyncio.Queue()
        self.say(Ready("cpu", "scripted", ["postcards"]))

    @property
    def pid(self) -> int:
        return 0

    def say(self, *messages: ToParent) -> None:
        for message in messages:
            self._out.put_nowait(message)

    def die(self) -> None:
        self._out.put_nowait(None)

    kill = die

    async def send(self, message: ToChild) -> None:
        self.sent.append(message)
        self.say(*self.script(message))

    async def messages(self) -> AsyncIterator[ToParent]:
        while (message := await self._out.get()) is not None:
            yield message

    async def close(self) -> int:
        return 0

    async def heard(self, kind: type) -> Any:
        """The first message of this kind that the parent sent."""
        async with asyncio.timeout(10):
            while True:
                for message in self.sent:
                    if isinstance(message, kind):
                        return message
                await asyncio.sleep(0.01)


def picture(index: int = 0, *, width: int = 64, height: int = 64) -> Picture:
    rgb = Random(index).randbytes(width * height * 3)
    digest = hashlib.sha256(rgb).hexdigest()
    return Picture(index, width, height, rgb, sha256=digest, seed=7 + index)


def finding(of: Picture, **changes: Any) -> Finding:
    fields: dict[str, Any] = {
        "sha256": of.sha256,
        "decision": "allow",
        "category": "none",
        "score": 0.1,
        "rule": "",
        "policy": "images-test",
    }
    return Finding(**(fields | changes))


def rendered(render: Render, *, gpu_ms: int = 300, **changes: Any) -> Rendered:
    """Four pictures, all allowed, unless told otherwise."""
    pictures = [picture(index) for index in range(4)]
    fields: dict[str, Any] = {
        "job_id": render.job_id,
        "attempt": render.attempt,
        "pictures": pictures,
        "findings": [finding(one) for one in pictures],
        "gpu_ms": gpu_ms,
        "load_ms": 0,
        "denoise_ms": 1,
        "decode_ms": 1,
        "filter_ms": 1,
        "resumed_from": 0,
    }
    return Rendered(**(fields | changes))


def report(**changes: Any) -> Report:
    """Of an engine that has done nothing yet, unless told otherwise."""
    nothing = dict.fromkeys(("forwards", "rows", "redrawn", "out_of_memory", "rung"), 0)
    nothing |= dict.fromkeys(("snapshots_failed", "hits", "warm_hits", "misses", "failures"), 0)
    rest: dict[str, Any] = {
        "checkpoints": ["postcards"],
        "snapshots_passed_over": {},
        "loads": {"disk": Loads(1, 0.5, 1000)},
        "tiers": {"device": Tier(1000, 5000, 0), "host": Tier(0, 0, 0)},
    }
    return Report(**(nothing | rest | changes))
