"""What workers are to have at hand, or not: the operator's word, which each of them carries out when it can.

The warm pool's rules hold: what a job holds stays, what is hot never leaves, and what was loaded may leave
again for what is wanted more.
"""

from dataclasses import dataclass
from uuid import UUID

from shared import lorarows, wishes, workers
from shared.catalog import Catalog
from shared.connections import Database, Session
from shared.errors import Refusal
from shared.moderation.audit import audit
from shared.moderation.ranks import Moderator
from shared.oversight import access
from shared.wishes import CHECKPOINT, LORA, Wish


@dataclass(frozen=True, slots=True)
class Stock:
    """`silent_s`: a worker that was silent for longer is away."""

    database: Database
    catalog: Catalog
    silent_s: float

    async def checkpoint(
        self, mod: Moderator, name: str, action: str, worker: str | None = None
    ) -> list[Wish]:
        """One wish for each worker that is up, or for the one that is named."""
        access.require_house(mod)
        known = self._known(name)
        async with self.database.begin() as session:
            await _write_down(session, mod, action, f"checkpoint:{known}")
            names = await self._workers(session, worker)
            told = {"kind": CHECKPOINT, "name": known, "action": action}
            return await wishes.add(session, names, **told)

    async def lora(
        self, mod: Moderator, lora_id: UUID, action: str, worker: str | None = None
    ) -> list[Wish]:
        access.require_house(mod)
        async with self.database.begin() as session:
            await _write_down(session, mod, action, f"lora:{lora_id}")
            handle = await _handle(session, lora_id)
            names = await self._workers(session, worker)
            told = {"kind": LORA, "name": handle, "action": action}
            return await wishes.add(session, names, **told)

    async def told(self, mod: Moderator, name: str) -> list[Wish]:
        """What was wanted of this checkpoint lately, and what came of it."""
        access.require_house(mod)
        known = self._known(name)
        async with self.database.begin() as session:
            return await _told(session, CHECKPOINT, known)

    async def told_of_lora(self, mod: Moderator, lora_id: UUID) -> list[Wish]:
        access.require_house(mod)
        async with self.database.begin() as session:
            return await _told(session, LORA, await _handle(session, lora_id))

    def _known(self, name: str) -> str:
        try:
            return self.catalog.get(name).name
        except Refusal as unknown:
            raise Refusal("not_found", unknown.sentence, field="name") from unknown

    async def _workers(self, session: Session, worker: str | None) -> list[str]:
        up = [one.name for one in await workers.live_workers(session, self.silent_s)]
        if worker is None and not up:
            sentence = "No GPU is up that could do it. Start a worker, then ask again."
            raise Refusal("no_worker", sentence, field="worker")
        if worker is not None and worker not in up:
            here = ", ".join(up) if up else "none"
            sentence = f"There is no worker called “{worker[:40]}”. Up are: {here}."
            raise Refusal("unknown_worker", sentence, field="worker")
        return up if worker is None else [worker]


async def _write_down(session: Session, mod: Moderator, action: str, subject: str) -> None:
    await audit(session, mod.actor, f"stock_{action}", subject)


async def _handle(session: Session, lora_id: UUID) -> str:
    found = await lorarows.find(session, lora_id)
    if found is None:
        raise Refusal("not_found", "There is no such LoRA.")
    return found.handle


async def _told(session: Session, kind: str, name: str) -> list[Wish]:
    await wishes.expire(session)
    return await wishes.told(session, kind, name)
