"""Every process of a run: started, kept up by a supervisor as in production, killed by the faults."""

import asyncio
import contextlib
import ctypes
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from shared.config import SHARED
from tests.chaos.plan import DISPATCHERS, LINED
from tests.chaos.points import LEADS, Points
from tests.chaos.servers import Servers

HERE = Path(__file__).parent
LEASE_S, RESTART_S = 2.5, 0.2
STEP_MS = 2.0
# The scale of a run: leases a sixth as long as in production, everything else in proportion.
SCALED = {
    "PICTOR_WORKER__LEASE_S": str(LEASE_S),
    "PICTOR_WORKER__HEARTBEAT_S": "0.5",
    "PICTOR_WORKER__SLOTS": "6",
    "PICTOR_WORKER__SNAPSHOT_EVERY": "4",
    "PICTOR_WORKER__PREVIEW_EVERY": "0",
    "PICTOR_PROVENANCE__ENABLED": "false",  # the judge compares each pixel with what the seed draws
    "PICTOR_FARM__WORKER_SILENT_S": str(LEASE_S),
    "PICTOR_FARM__STANDBY_EVERY_S": "0.5",
    "PICTOR_FARM__PURGE_EVERY_S": "8",
    "PICTOR_FARM__PURGE_GRACE_S": "1",
    "PICTOR_LOG_LEVEL": "WARNING",
}
PR_SET_PDEATHSIG = 1


@dataclass
class Part:
    """A process that is started again whenever it ends; if it is there for `once`, until it is done."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    once: bool = False
    process: asyncio.subprocess.Process | None = None
    starts: int = 0
    keeper: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        alive = self.process is not None and self.process.returncode is None
        return self.process.pid if alive and self.process else None

    @property
    def over(self) -> bool:
        return self.once and self.keeper is not None and self.keeper.done()

    def send(self, number: int) -> bool:
        if self.pid is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
            return True
        return False

    def child(self) -> psutil.Process | None:
        try:
            children = psutil.Process(self.pid).children() if self.pid else []
        except psutil.NoSuchProcess:
            return None
        return children[0] if children else None


@dataclass
class Town:
    folder: Path
    servers: Servers
    parts: dict[str, Part] = field(default_factory=dict)

    @property
    def orders(self) -> Path:
        return self.folder / "orders"

    @property
    def assets(self) -> Path:
        return self.folder / "assets"

    def points(self, name: str) -> Points:
        return Points(self.orders, name)

    async def open(self) -> None:
        for folder in ("orders", "logs", "assets"):
            (self.folder / folder).mkdir(exist_ok=True)
        _write_plans(self.folder / "plans.toml")
        await self.servers.start()
        lines = ("--folder", str(self.folder), "--names", *LINED)
        self.start("lines", "tests.chaos.lines", *lines)
        await until(lambda: (self.folder / "lines" / LINED[-1] / "redis.sock").exists(), 20)

    def leader(self) -> str:
        """The dispatcher that began to lead last."""
        notes = {name: self.orders / f"{name}.{LEADS}" for name in DISPATCHERS}
        led = {name: note.stat().st_mtime for name, note in notes.items() if note.exists()}
        return max(led, key=lambda name: led[name], default=DISPATCHERS[0])

    def launch(self, role: str, name: str, more: Mapping[str, str] | None = None) -> None:
        told = ("--name", name, "--orders", str(self.orders), "--step-ms", str(STEP_MS))
        self.start(name, "tests.chaos.launch", role, *told, more=more)

    def start(
        self,
        name: str,
        *command: str,
        once: bool = False,
        more: Mapping[str, str] | None = None,
    ) -> Part:
        environment = self._environment(name) | dict(more or {})
        self.parts[name] = part = Part(name, command, environment, once)
        part.keeper = asyncio.create_task(self._keep(part))
        return part

    async def close(self) -> None:
        for part in self.parts.values():
            if part.keeper is not None:
                part.keeper.cancel()
            part.send(signal.SIGKILL)
        for part in self.parts.values():
            if part.process is not None:
                await part.process.wait()
        await self.servers.stop()

    async def stop(self, name: str, *, within_s: float = 25.0) -> int | None:
        """For good, in order. None when it did not end in time."""
        part = self.parts[name]
        if part.keeper is not None:
            part.keeper.cancel()
        part.send(signal.SIGTERM)
        try:
            async with asyncio.timeout(within_s):
                return await part.process.wait() if part.process else 0
        except TimeoutError:
            part.send(signal.SIGKILL)
            return None

    async def _keep(self, part: Part) -> None:
        while True:
            await self._start(part)
            assert part.process is not None
            code = await part.process.wait()
            if part.once and code == 0:
                return
            await asyncio.sleep(RESTART_S)

    async def _start(self, part: Part) -> None:
        with (self.folder / "logs" / f"{part.name}.log").open("ab") as log:
            log.write(f"--- started at {time.time():.3f}\n".encode())
            log.flush()
            part.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", *part.command),
                env=part.environment,
                cwd=HERE.parents[1],
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=_die_with_parent,
            )
        part.starts += 1

    def _environment(self, name: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PICTOR_")}
        line = f"lines/{name}" if name in LINED else ""
        return (
            kept
            | SCALED
            | {
                "PICTOR_DATABASE__URL": self.servers.database_url(line or "postgres"),
                "PICTOR_REDIS__URL": self.servers.redis_url(line or "redis"),
                "PICTOR_STORAGE__FOLDER": str(self.assets),
                "PICTOR_STORAGE__PUBLIC_URL": "http://127.0.0.1:1/assets",
                "PICTOR_WORKER__SNAPSHOTS": str(self.folder / "snapshots"),
                "PICTOR_CATALOG_FILE": str(HERE / "catalog.toml"),
                "PICTOR_PLANS_FILE": str(self.folder / "plans.toml"),
            }
        )


async def until(true: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.05)


def _write_plans(target: Path) -> None:
    """The product's own, without the caps that would keep forty people from asking for thousands."""
    text = (SHARED / "plans.toml").read_text()
    for cap in ("max_running", "max_waiting"):
        text = re.sub(rf"^{cap} = \d+", f"{cap} = 100000", text, flags=re.MULTILINE)
    target.write_text(text)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
