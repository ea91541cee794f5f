"""One picture from outside: opened in the cell, asked for in the rows, answered."""

from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from farm.safety import verify
from farm.safety.cell import Cell
from farm.safety.examination import Examination
from farm.safety.looks import ALIKE
from farm.safety.verify import Found
from shared.attestation import Answer
from shared.connections import Database, Session
from shared.fingerprints import Made, by_code, by_file, by_job, by_looks

# Told of the picture before anybody is answered; it may refuse.
Screen = Callable[[bytes, Examination], Awaitable[None]]


class Verifier:
    """Without a database it tells what the file itself says."""

    def __init__(self, cell: Cell, database: Database | None, screen: Screen | None = None) -> None:
        self._cell, self._database, self._screen = cell, database, screen

    async def verify(self, data: bytes) -> Answer:
        """Refusal for what cannot be looked at, or may not."""
        seen = await self._cell.examine(data)
        if self._screen is not None:
            await self._screen(data, seen)
        return verify.answer(seen, await self._find(seen))

    async def _find(self, seen: Examination) -> Found:
        if self._database is None:
            return Found(asked=False)
        async with self._database.read() as session:
            return Found(
                by_file=await by_file(session, seen.sha256),
                by_manifest=await _of(session, seen.manifest.job),
                by_mark=await by_code(session, seen.mark.code) if seen.mark else (),
                alike=await by_looks(session, seen.looks, within=ALIKE),
            )


async def _of(session: Session, job: str) -> Sequence[Made]:
    return await by_job(session, UUID(job)) if job else ()
