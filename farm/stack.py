"""Pictor's processes on one machine: start them, wait until each is healthy, stop them all."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from farm.embedded import start_postgres, start_redis, stop_postgres, stop_redis
from shared.errors import Fault

STOP_S = 25.0  # what a worker may take to snapshot and give its jobs back
HEALTHY_EVERY_S = 0.1


@dataclass(slots=True)
class Part:
    name: str
    process: asyncio.subprocess.Process
    log: Path

    @property
    def alive(self) -> bool:
        return self.process.returncode is None


@dataclass(slots=True)
class Stack:
    """`folder` keeps data and logs; `environment` is what every part is started with."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # The parts are told absolute paths: a relative one would follow their working folder.
        self.folder = self.folder.resolve()

    async def open_servers(self) -> None:
        """Embedded Postgres (migrated) and Redis; their addresses join the environment."""
        from migrations.run import upgrade

        self.folder.mkdir(parents=True, exist_ok=True)
        postgres, redis = await asyncio.gather(
            asyncio.to_thread(start_postgres, self.folder / "postgres"),
            asyncio.to_thread(start_redis, self.folder / "redis"),
        )
        await asyncio.to_thread(upgrade, postgres)
        self.environment |= {"PICTOR_DATABASE__URL": postgres, "PICTOR_REDIS__URL": redis}

    async def start(
        self, name: str, *command: str, environment: Mapping[str, str] | None = None
    ) -> Part:
        """Runs `python -m <command>` in a session of its own: Ctrl-C reaches us alone, we stop the rest."""
        log = self.folder / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as target:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *command,
                env=os.environ | self.environment | dict(environment or {}),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=target,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        self.parts[name] = Part(name, process, log)
        return self.parts[name]

    async def healthy(
        self, name: str, check: Callable[[], Awaitable[bool]], *, within_s: float
    ) -> None:
        """Waits until `check` answers yes. A part that ended or is too late is a Fault that shows its log."""
        try:
            async with asyncio.timeout(within_s):
                while not await check():
                    self.raise_if_ended(name)
                    await asyncio.sleep(HEALTHY_EVERY_S)
        except TimeoutError:
            raise self._fault(name, f"was not healthy within {within_s:.0f} s") from None

    def raise_if_ended(self, name: str) -> None:
        if not self.parts[name].alive:
            raise self._fault(name, f"ended with code {self.parts[name].process.returncode}")

    def _fault(self, name: str, what: str) -> Fault:
        log = self.parts[name].log
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        return Fault(
            "part_not_healthy", f"The {name} {what}. The end of {log}:\n{tail}", retryable=True
        )

    async def wait_for_end(self) -> None:
        """Returns when any part ends by itself (it should not)."""
        waits = [asyncio.create_task(part.process.wait()) for part in self.parts.values()]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def close(self) -> None:
        """Stops the parts, the last started first, then the servers. Safe to call twice."""
        for part in reversed(list(self.parts.values())):
            await _stop(part)
        self.parts.clear()
        await asyncio.to_thread(stop_redis, self.folder / "redis")
        await asyncio.to_thread(stop_postgres, self.folder / "postgres")


async def _stop(part: Part) -> None:
    if not part.alive:
        return
    part.process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(part.process.wait(), STOP_S)
    except TimeoutError:
        os.killpg(part.process.pid, signal.SIGKILL)
        await part.process.wait()
