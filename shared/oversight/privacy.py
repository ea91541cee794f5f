"""Privacy: everything that is kept of a person, for them to take along; and its deletion.

A deletion is one transaction; files and rings go after its commit, and the sweeps take what that leaves.
"""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from shared import assets, deliveries
from shared.accounts import Account
from shared.assets import Asset
from shared.config import SafetySettings
from shared.connections import Database, Session
from shared.errors import Fault
from shared.jobs import Route
from shared.moderation import bans, pseudonyms
from shared.moderation.audit import audit
from shared.oversight import access, traces
from shared.oversight.withdrawals import Withdrawals
from shared.storage import ObjectStore

MOST_BYTES = 8_000_000  # Discord takes 10 MB from a bot


@dataclass(frozen=True, slots=True)
class Export:
    """`data` is a zip; `left_out` pictures did not fit and are listed in it by their links."""

    data: bytes
    jobs: int
    pictures: int
    left_out: int


@dataclass(frozen=True, slots=True)
class Erased:
    """`messages` told of their pictures; whoever can reach them deletes them."""

    account_id: UUID
    jobs: int
    files: int
    messages: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True)
class Privacy:
    database: Database
    store: ObjectStore
    withdrawals: Withdrawals
    safety: SafetySettings

    async def export(self, discord_id: str, *, most_bytes: int = MOST_BYTES) -> Export:
        """Refusal `unknown_person` when nothing is kept."""
        async with self.database.read() as session:
            account = await access.person(session, discord_id)
            told = await traces.read(session, account.id)
            files = await _files(session, told["jobs"])
        room = most_bytes
        pictures: dict[str, bytes] = {}
        for file in files:
            data = await self._picture(file, room)
            if data is not None:
                pictures[_name(file)] = data
                room -= len(data)
        links = {_name(file): self.store.url(file.key) for file in files}
        packed = _packed(told, pictures, links)
        return Export(packed, len(told["jobs"]), len(pictures), len(files) - len(pictures))

    async def delete(self, discord_id: str) -> Erased:
        """Cancels what is open, withdraws what was drawn, and takes the person out of every row.

        Refusal `unknown_person`. Fault `no_pepper` for a banned person where no pepper is set: the ban
        could not know them again.
        """
        await self._remove_asked(discord_id)
        async with self.database.begin() as session:
            account = await access.person(session, discord_id)
            await bans.lock(session, account.id)
            await traces.hold_jobs(session, account.id)
            await self._keep_bans(session, account)
            taken = await self.withdrawals.take(session, account.id, None)
            messages = await deliveries.of_account(session, account.id)
            brought = await traces.brought(session, account.id)
            await traces.erase(session, account.id)
            counts = {"jobs": len(taken.jobs), "files": len(taken.keys) + len(brought)}
            await audit(session, "themselves", "erased", f"account:{account.id}", counts)
        await self.withdrawals.finish(taken)
        await self.withdrawals.remove(brought)
        return Erased(account.id, counts["jobs"], counts["files"], tuple(messages))

    async def _keep_bans(self, session: Session, account: Account) -> None:
        """Deletion is no way out of a ban."""
        if not await bans.any_in_force(session, account.id):
            return
        if self.safety.pepper is None:
            raise Fault(
                "no_pepper",
                "This account is banned, and its ban must outlive its deletion. The operator has to "
                "set PICTOR_SAFETY__PEPPER first.",
            )
        mark = pseudonyms.mark_of(account.discord_id, self.safety.pepper)
        await bans.keep_for(session, account.id, mark)

    async def _picture(self, file: Asset, room: int) -> bytes | None:
        if file.size > room:
            return None
        try:
            return await self.store.get(file.key)
        except Fault:
            return None  # its link is told

    async def _remove_asked(self, discord_id: str) -> None:
        """Pictures that they asked about. First of all: their rows alone know where these files are, so
        a store that is away leaves everything as it was."""
        async with self.database.read() as session:
            account = await access.person(session, discord_id)
            keys = await traces.asked(session, account.id)
        for key in keys:
            await self.store.delete(key)


async def _files(session: Session, jobs: Sequence[Mapping[str, Any]]) -> list[Asset]:
    """What was delivered and not withdrawn, the newest first."""
    return await assets.of_jobs(session, [job["id"] for job in jobs])


def _name(file: Asset) -> str:
    return f"pictures/{file.job_id}/{file.kind}-{file.index}{PurePosixPath(file.key).suffix}"


def _packed(
    told: Mapping[str, Any], pictures: Mapping[str, bytes], links: Mapping[str, str]
) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, rows in {**told, "links": links}.items():
            written = json.dumps(rows, indent=1, ensure_ascii=False, default=str)
            archive.writestr(f"{name}.json", written)
        for name, data in pictures.items():
            archive.writestr(name, data, zipfile.ZIP_STORED)
    return whole.getvalue()
