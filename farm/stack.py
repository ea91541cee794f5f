"""Pictor's processes on one machine: start them, wait until each is healthy, stop them all."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from farm.embedded import EmbeddedServers
from shared.config import Settings
from shared.errors import Fault

STOP_S = 25  # what a worker may take to snapshot and give its jobs back
HEALTHY_EVERY_S = 0.1
# A core for everybody else: torch's threads wait for each other, so one busy neighbour slows them all.
THREADS = max(1, (os.cpu_count() or 1) - 1)
KEYS, PROVEN = "PICTOR_PROVENANCE__KEYS", "PICTOR_PROVENANCE__ENABLED"
_GUARDIAN = Path(__file__).with_name("guardian.py")


@dataclass(slots=True)
class Part:
    """A process under its guardian, which stops it when we do, also when we are killed. `pid` is its own."""

    name: str
    guardian: asyncio.subprocess.Process
    pid: int
    log: Path

    @property
    def alive(self) -> bool:
        return self.guardian.returncode is None

    async def stop(self) -> None:
        assert self.guardian.stdin is not None
        self.guardian.stdin.close()
        await self.guardian.wait()


@dataclass(slots=True)
class Stack:
    """`folder` keeps data and logs; `environment` is what every part is started with."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)
    servers: EmbeddedServers | None = None

    def __post_init__(self) -> None:
        # The parts are told absolute paths: a relative one would follow their working folder.
        self.folder = self.folder.resolve()

    async def open_servers(self) -> None:
        """Embedded Postgres (migrated) and Redis; their addresses join the environment."""
        from migrations.run import upgrade

        self.servers = await asyncio.to_thread(EmbeddedServers, self.folder)
        await asyncio.to_thread(upgrade, self.servers.database_url)
        self.environment |= {
            "PICTOR_DATABASE__URL": self.servers.database_url,
            "PICTOR_REDIS__URL": self.servers.redis_url,
            "PICTOR_WORKER__THREADS": str(THREADS),
        }
        await asyncio.to_thread(self._have_keys)

    def _have_keys(self) -> None:
        """The keys of the farm's provenance, made on first use where the settings say they lie: `pictor
        verify` then finds them without a word. The parts are told where that is."""
        from farm.safety.keys import make_keys, present

        told = os.environ | self.environment
        settings = Settings().provenance
        folder = Path(told.get(KEYS, settings.keys)).resolve()
        wanted = told.get(PROVEN, str(settings.enabled)).lower() not in ("0", "false", "off", "no")
        if wanted and not present(folder):
            make_keys(folder, now=datetime.now(UTC), name=settings.claim_generator)
        self.environment[KEYS] = str(folder)

    async def start(
        self, name: str, *command: str, environment: Mapping[str, str] | None = None
    ) -> Part:
        """Runs `python -m <command>` in a session of its own: Ctrl-C reaches us alone."""
        log = self.folder / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        watched = [sys.executable, "-m", *command]
        with log.open("wb") as target:
            guardian = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", str(_GUARDIAN), f"--grace={STOP_S}", "--", *watched),
                env=os.environ | self.environment | dict(environment or {}),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=target,
                start_new_session=True,
            )
        assert guardian.stdout is not None
        pid = int(await guardian.stdout.readline() or 0)
        self.parts[name] = Part(name, guardian, pid, log)
        return self.parts[name]

    async def healthy(
        self, name: str, check: Callable[[], Awaitable[bool]], *, within_s: float
    ) -> None:
        """Waits until `check` says yes. A part that ended or is late is a Fault that shows its log."""
        try:
            async with asyncio.timeout(within_s):
                while not await check():
                    self.raise_if_ended(name)
                    await asyncio.sleep(HEALTHY_EVERY_S)
        except TimeoutError:
            raise self._fault(name, f"was not healthy within {within_s:.0f} s") from None

    def raise_if_ended(self, name: str) -> None:
        if not self.parts[name].alive:
            raise self._fault(name, f"ended with code {self.parts[name].guardian.returncode}")

    def _fault(self, name: str, what: str) -> Fault:
        log = self.parts[name].log
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        sentence = f"The {name} {what}. The end of {log}:\n{tail}"
        return Fault("part_not_healthy", sentence, retryable=True)

    async def wait_for_end(self) -> None:
        """Returns when any part ends by itself (it should not)."""
        waits = [asyncio.create_task(part.guardian.wait()) for part in self.parts.values()]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def close(self) -> None:
        """Stops the parts, the last started first, then the servers. May be called twice."""
        for part in reversed(list(self.parts.values())):
            await part.stop()
        self.parts.clear()
        if self.servers is not None:
            await asyncio.to_thread(self.servers.stop)
            self.servers = None
