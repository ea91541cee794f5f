"""What one worker alone may have: its name, and its GPU. Locks of Postgres, held while the process lives."""

import asyncio
import contextlib
import hashlib
import logging
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from farm import gpu
from shared.config import Settings
from shared.errors import Fault
from shared.leadership import Leadership

log = logging.getLogger(__name__)

ASK_EVERY_S = 1.0


@dataclass(slots=True)
class Ownership:
    """`of` in words. `exclusive`: a second owner does harm, and not only waits for us to leave.
    `ours` is False while it may be another's."""

    of: str
    lock: Leadership
    exclusive: bool = False
    ours: bool = False

    async def win(self) -> None:
        told = False
        while not await self.lock.won():
            if not told:
                log.warning("%s is another worker's, or Postgres is away; waiting.", self.of)
                told = True
            await asyncio.sleep(ASK_EVERY_S)
        self.ours = True

    async def keep(self) -> None:
        """A Postgres that restarts frees the lock: nothing is claimed until it is ours again. Two on
        one GPU would take each other's memory, so who finds that taken leaves in order."""
        while True:
            await self.lock.lost()
            self.ours = False
            while not await self.lock.won():
                if self.exclusive and self.lock.taken:
                    raise Fault("gpu_taken", f"{self.of} is another worker's now.")
                await asyncio.sleep(ASK_EVERY_S)
            self.ours = True


@contextlib.asynccontextmanager
async def owning(settings: Settings) -> AsyncIterator[Sequence[Ownership]]:
    """Not won yet: the name first, then the GPU if it has one."""
    worker = settings.worker
    owned = [Ownership(f"The name {worker.name}", _lock(settings, f"worker {worker.name}"))]
    name = await gpu.name_of(worker.device, os.environ)
    if name is not None:
        # For the child: else CUDA counts the fastest first, and nvidia-smi by slot.
        os.environ.setdefault(gpu.ORDER, "PCI_BUS_ID")
        lock = _lock(settings, f"gpu {name}", patient=True)
        owned.append(Ownership(f"The GPU {name}", lock, exclusive=True))
    try:
        yield owned
    finally:
        for one in owned:
            await one.lock.close()


def _lock(settings: Settings, name: str, *, patient: bool = False) -> Leadership:
    """`patient` does not let go of what is frozen: its memory stays on the GPU all the same."""
    digest = hashlib.sha256(name.encode()).digest()
    number = int.from_bytes(digest[:8], signed=True)
    return Leadership(settings.database, lock=number, patient=patient)
