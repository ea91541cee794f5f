"""Real dispatchers and workers of one farm, with the engine that draws hashes and leases scaled down."""

import asyncio
import contextlib
import json
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
from sqlalchemy import text

from shared import accounts, jobstore, ledger, workers
from shared.bell import Bell
from shared.config import SHARED, Settings
from shared.connections import Database
from shared.jobs import JobKind
from shared.plans import Speed, read_plans
from shared.weights import WeightedText
from tests.chaos.points import Points
from tests.proof.scale import as_drawn, told, without_caps
from tests.shared.books import wrongs
from tests.shared.rows import SPEC

ROOT = Path(__file__).parents[2]
UP_WITHIN_S, EXIT_WITHIN_S = 60.0, 25.0
TINY = replace(SPEC, width=8, height=8, images=1, scale=1, steps=20)
FLOOD = """
with made as (
    insert into jobs (account_id, plan, kind, state, speed, prompt, spec, spec_sha256,
        submission_key, estimate_ms, attempt)
    select :account, :plan, 'imagine', 'waiting', 'relax', 'a boat', cast(:spec as jsonb), '',
        cast(:key as text) || ':' || n, 1000, 0
    from generate_series(1, :number) n returning id, account_id
)
insert into ledger (account_id, job_id, kind, debit, credit, amount_ms, entry_key)
select account_id, id, 'hold', 'available:' || account_id, 'held:' || account_id, 0, 'hold:' || id
from made
"""
_numbers = count(1)


@dataclass
class Farm:
    """`environment` is what every process is told; `started` are those that run, by name."""

    settings: Settings
    folder: Path
    database: Database
    lease_s: float = 2.0
    environment: dict[str, str] = field(default_factory=dict)
    started: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.orders = self.folder / "orders"
        self.orders.mkdir(exist_ok=True)
        plans = self.folder / "plans.toml"
        plans.write_text(without_caps((SHARED / "plans.toml").read_text()))
        self.book = read_plans(plans)
        self.catalog = self.folder / "catalog.toml"
        self.catalog.write_text(as_drawn((SHARED / "catalog.toml").read_text()))
        self.environment = told(self.settings, self.folder, self.lease_s) | self.environment

    # --- processes -----------------------------------------------------------------------

    async def dispatcher(self, name: str = "d1") -> None:
        await self._start(name, "dispatcher")

    async def worker(
        self,
        name: str,
        *,
        step_ms: float = 10,
        clock_s: float = 0,
        more: Mapping[str, str] | None = None,
    ) -> None:
        """`more` are settings of this worker alone, such as `PICTOR_WORKER__SLOTS`."""
        clock = ("--clock", str(clock_s)) if clock_s else ()
        await self._start(name, "worker", *clock, "--step-ms", str(step_ms), more=more)

    async def _start(
        self, name: str, role: str, *how: str, more: Mapping[str, str] | None = None
    ) -> None:
        ours = ("--name", name, "--orders", str(self.orders))
        await self.run(name, "tests.proof.launch", role, *how, *ours, more=more)

    async def run(self, name: str, *command: str, more: Mapping[str, str] | None = None) -> None:
        with self._log(name).open("ab") as log:
            self.started[name] = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *command),
                env=self.environment | dict(more or {}),
                cwd=ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def send(self, name: str, number: int) -> None:
        self.started[name].send_signal(number)

    async def kill(self, name: str, number: int = signal.SIGKILL) -> float:
        """Returns how long it took to end, in seconds."""
        process, began = self.started.pop(name), time.monotonic()
        process.send_signal(number)
        async with asyncio.timeout(EXIT_WITHIN_S):
            await process.wait()
        return time.monotonic() - began

    async def close(self) -> None:
        for process in self.started.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
        await asyncio.gather(*(process.wait() for process in self.started.values()))

    def children(self, name: str) -> list[psutil.Process]:
        return psutil.Process(self.started[name].pid).children()

    def ended_by_itself(self) -> dict[str, int]:
        codes = {name: process.returncode for name, process in self.started.items()}
        return {name: code for name, code in codes.items() if code is not None}

    def points(self, name: str) -> Points:
        return Points(self.orders, name)

    def logs(self) -> str:
        return "\n".join(log.read_text()[-3000:] for log in sorted(self.folder.glob("*.log")))

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    # --- jobs ----------------------------------------------------------------------------

    async def account(self, *, plan: str = "pro") -> UUID:
        async with self.database.begin() as session:
            name = f"person-{next(_numbers)}"
            made = await accounts.ensure(session, name, name, plan=plan, book=self.book)
        return made.id

    async def submit(
        self,
        account_id: UUID,
        number: int = 1,
        *,
        word: str = "boat",
        speed: Speed = Speed.FAST,
        steps: int = TINY.steps,
    ) -> list[UUID]:
        """Rows and holds as the front desk writes them; nobody is rung."""
        spec = replace(TINY, texts=(WeightedText(f"a {word}"),), steps=steps)
        made: list[UUID] = []
        async with self.database.begin() as session:
            for _ in range(number):
                job = await jobstore.insert(
                    session,
                    account_id=account_id,
                    plan="pro",
                    kind=JobKind.IMAGINE,
                    speed=speed,
                    prompt=f"a {word}",
                    spec=spec,
                    submission_key=f"proof-{next(_numbers)}",
                    estimate_ms=1000,
                )
                await ledger.hold(session, account_id, job.id, 0 if speed == Speed.RELAX else 1000)
                made.append(job.id)
        return made

    async def flood(self, account_id: UUID, number: int, *, plan: str = "pro") -> None:
        """So many relaxed jobs of one account at once, whatever its plan would say to it."""
        spec = replace(TINY, steps=10).as_dict()
        values = {"account": account_id, "plan": plan, "spec": json.dumps(spec), "number": number}
        async with self.database.begin() as session:
            await session.execute(text(FLOOD), values | {"key": f"flood-{next(_numbers)}"})

    async def ring(self, ids: Collection[UUID], speed: Speed) -> None:
        """As the front desk does after its commit."""
        bell = Bell(self.settings.redis)
        for id in ids:
            assert await bell.ring(speed, id)
        await bell.close()

    async def rows(self, query: str, **values: Any) -> Sequence[Any]:
        async with self.database.read() as session:
            return (await session.execute(text(query), values)).all()

    async def states(self, ids: Collection[UUID]) -> list[str]:
        query = "select state from jobs where id = any(:ids)"
        return [row.state for row in await self.rows(query, ids=list(ids))]

    async def ended(self, ids: Collection[UUID], *, within_s: float = 60) -> list[str]:
        async def over() -> bool:
            open_ones = "select 1 from jobs where id = any(:ids) and finished_at is null limit 1"
            return not await self.rows(open_ones, ids=list(ids))

        await self.until(over, within_s=within_s)
        return await self.states(ids)

    async def running_at(self, name: str, number: int = 1) -> None:
        async def enough() -> bool:
            query = "select count(*) from jobs where state = 'running' and worker = :name"
            return bool((await self.rows(query, name=name))[0][0] >= number)

        await self.until(enough)

    async def up(self, *names: str) -> None:
        """All of them are known to the dispatcher, and may be sent something."""

        async def known() -> bool:
            async with self.database.read() as session:
                live = await workers.live_workers(session, self.lease_s)
            return set(names) <= {worker.name for worker in live if not worker.draining}

        await self.until(known, within_s=UP_WITHIN_S)

    async def until(self, true: Callable[[], Awaitable[bool]], *, within_s: float = 60) -> None:
        late = time.monotonic() + within_s
        while not await true():
            assert time.monotonic() < late, self.logs()
            await asyncio.sleep(0.05)

    async def pause(self, seconds: float) -> None:
        """Nobody may end meanwhile."""
        await asyncio.sleep(seconds)
        assert self.ended_by_itself() == {}, self.logs()

    async def wrongs(self) -> list[str]:
        async with self.database.read() as session:
            return await wrongs(session)

    # --- files ---------------------------------------------------------------------------

    async def only_named_files(self) -> None:
        """Waits for the leader's sweep, which runs all the time and knows no grace here."""

        async def swept() -> bool:
            return self.files() == await self.named()

        await self.until(swept, within_s=20)

    def files(self) -> set[str]:
        folder = self.settings.storage.folder
        return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}

    async def named(self) -> set[str]:
        return {row.key for row in await self.rows("select key from assets")}
