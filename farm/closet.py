"""LoRAs that people brought, as files beside the worker: fetched when a job asks for one, and dropped again."""

import asyncio
import hashlib
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

from farm.engine.messages import Garment
from farm.engine.weights.digests import Digests
from shared import lorarows
from shared.catalog import Catalog
from shared.connections import Database
from shared.errors import Fault
from shared.lorarows import Lora
from shared.spec import RenderSpec
from shared.storage import ObjectStore

TIDY_EVERY_S = 60.0
MOST_BYTES = 20 * 2**30  # of files that are kept; those that were used longest ago go first
ENDING = ".safetensors"


@dataclass
class Closet:
    """Files are called by their SHA-256, and none is handed out that is not what it is called."""

    folder: Path
    store: ObjectStore
    database: Database
    catalog: Catalog
    most_bytes: int = MOST_BYTES
    digests: Digests = field(default_factory=Digests)
    handed_out: dict[str, str] = field(default_factory=dict)  # SHA-256 by name, in this life

    async def wanted(self, spec: RenderSpec) -> list[Garment]:
        """Fault `adapter_gone` for one that its owner has deleted."""
        names = {one.name for one in spec.loras}.difference(self.catalog.adapters)
        return await self.named(sorted(names)) if names else []

    async def named(self, names: Sequence[str]) -> list[Garment]:
        async with self.database.single() as session:
            found = {one.handle: one for one in await lorarows.by_handles(session, names)}
        gone = [name for name in names if name not in found]
        if gone:
            raise _gone(gone[0])
        return [await self._garment(found[name]) for name in names]

    async def drop(self, name: str) -> None:
        """It is fetched again when it is wanted."""
        digest = self.handed_out.pop(name, None)
        if digest is not None and digest not in self.handed_out.values():
            await asyncio.to_thread(self._path(digest).unlink, missing_ok=True)

    async def tidy(self) -> list[str]:
        """The names of those that were deleted meanwhile. Their files go, and what is too much with them."""
        kept = await asyncio.to_thread(self._kept)
        async with self.database.single() as session:
            alive = await lorarows.digests_named(session, kept) if kept else set()
            names = list(self.handed_out)
            rows = await lorarows.by_handles(session, names) if names else []
        await asyncio.to_thread(self._clear, alive)
        gone = set(names) - {one.handle for one in rows}
        for name in gone:
            self.handed_out.pop(name, None)
        return sorted(gone)

    # --- files -------------------------------------------------------------------------------

    async def _garment(self, lora: Lora) -> Garment:
        checkpoint = self.catalog.checkpoints.get(lora.checkpoint)
        if checkpoint is None:
            raise _gone(lora.name)
        path = self._path(lora.sha256)
        if not await asyncio.to_thread(self._is_whole, path, lora.sha256):
            await self._fetch(lora, path)
        self.handed_out[lora.handle] = lora.sha256
        return Garment(lora.handle, checkpoint.family, str(path), lora.sha256)

    async def _fetch(self, lora: Lora, path: Path) -> None:
        try:
            data = await self.store.get(lora.key)
        except Fault as fault:
            raise _gone(lora.name) if fault.code == "asset_missing" else fault from fault
        if hashlib.sha256(data).hexdigest() != lora.sha256:
            sentence = f"The stored LoRA “{lora.name}” is not the one that was brought."
            raise Fault("adapter_altered", sentence)
        await asyncio.to_thread(_write, path, data)

    def _path(self, digest: str) -> Path:
        return self.folder.resolve() / f"{digest}{ENDING}"

    def _is_whole(self, path: Path, digest: str) -> bool:
        try:
            whole = self.digests.of(path) == digest
            os.utime(path)  # it was used now
        except OSError:
            return False
        return whole

    def _kept(self) -> list[str]:
        return [path.stem for path in self.folder.glob(f"*{ENDING}")]

    def _clear(self, alive: Collection[str]) -> None:
        room = self.most_bytes
        for path in sorted(self.folder.glob(f"*{ENDING}"), key=_used, reverse=True):
            room -= path.stat().st_size
            if path.stem not in alive or room < 0:
                path.unlink(missing_ok=True)


def _used(path: Path) -> float:
    return path.stat().st_mtime


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{token_hex(8)}")
    try:
        draft.write_bytes(data)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _gone(name: str) -> Fault:
    sentence = (
        f"The LoRA “{name}” is no longer there, so this cannot be drawn. Ask again without it."
    )
    return Fault("adapter_gone", sentence)
