"""Single pictures of jobs, small and ready to draw on."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from uuid import UUID

from PIL import Image

from bot.regions import fitted, gridded
from shared import jobstore
from shared.connections import Database
from shared.errors import Refusal
from shared.orders import Ask
from shared.storage import ObjectStore

KEPT = 32  # of 1.5 MB each: who taps, taps again


@dataclass(slots=True)
class Tiles:
    database: Database
    store: ObjectStore
    _kept: "OrderedDict[str, Image.Image]" = field(default_factory=OrderedDict)

    async def sketch(self, ask: Ask) -> bytes:
        """The picture of a region's draft under its grid. Refusal when it is there no more."""
        assert ask.job_id is not None, "a region is always of a job"
        key = await self._key(ask.job_id, ask.index)
        picture = self._kept.get(key)
        if picture is None:
            picture = await asyncio.to_thread(fitted, await self.store.get(key))
            self._keep(key, picture)
        return await asyncio.to_thread(gridded, picture, ask.cells)

    async def _key(self, job_id: UUID, index: int) -> str:
        """Read anew each time: a picture that was withdrawn is shown nowhere."""
        async with self.database.read() as session:
            found = await jobstore.assets(session, job_id)
        keys = [one.key for one in found if (one.kind, one.index) == ("image", index)]
        if not keys:
            raise Refusal("no_picture", "This picture is gone.", field="index")
        return keys[0]

    def _keep(self, key: str, picture: Image.Image) -> None:
        self._kept[key] = picture
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
