"""LoRAs that people bring: kept for them alone, and for others too once a moderator has looked at them."""

import asyncio
import hashlib
import logging
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from uuid import UUID

from pydantic import SecretStr

from shared import accounts, limits, lorarows
from shared.catalog import Catalog, Checkpoint
from shared.connections import Database, Session
from shared.errors import Fault, Refusal
from shared.lorarows import OWN, PUBLIC, Lora
from shared.moderation.audit import audit
from shared.moderation.ranks import Moderator, Rank
from shared.orders import Person, Venue
from shared.oversight import access
from shared.plans import PlanBook
from shared.storage import ObjectStore

log = logging.getLogger(__name__)

MOST_OWN = 50
MOST_SHOWN = 200
MIME = "application/octet-stream"
LONGEST_NAME = 40
NAME = re.compile(rf"[a-z0-9][a-z0-9_-]{{0,{LONGEST_NAME - 1}}}")
TryOn = Callable[[Checkpoint, bytes], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bringing:
    """What somebody says of a file: `trigger` are the words that it was trained to answer to."""

    name: str
    checkpoint: str
    data: bytes
    trigger: str = ""
    licence: str = ""
    visibility: str = OWN


class Loras:
    """`try_on` looks at a file in safety. Refusal `not_found` for what is another's and not shown."""

    def __init__(
        self,
        database: Database,
        store: ObjectStore,
        *,
        catalog: Catalog,
        book: PlanBook,
        try_on: TryOn,
        pepper: SecretStr | None = None,
    ) -> None:
        self._database, self._store = database, store
        self._catalog, self._book, self._try_on = catalog, book, try_on
        self._pepper = pepper  # knows banned people again who had themselves erased

    # --- whose it is -------------------------------------------------------------------------

    async def bring(self, person: Person, venue: Venue, told: Bringing) -> tuple[Lora, bool]:
        """The LoRA, and whether it is new: the same file under the same name again is the one of before.
        Refusal for a name that is taken, too many of them, and for a file that is no sound LoRA."""
        checkpoint = self._checked(told)
        digest = hashlib.sha256(told.data).hexdigest()
        before = await self._room_for(person, told.name, digest)
        if before is not None:
            return before, False
        await self._try_on(checkpoint, told.data)
        key = lorarows.new_key()
        await self._store.put(key, told.data, mime=MIME)
        try:
            kept = await self._keep(person, venue, replace(told, checkpoint=checkpoint.name), key)
        except BaseException:
            await self._forget([key])
            raise
        if kept.key != key:  # the same request was faster
            await self._forget([key])
        return kept, kept.key == key

    async def mine(self, person: Person) -> list[Lora]:
        async with self._database.read() as session:
            account = await accounts.by_discord(session, person.discord_id)
            return await lorarows.of_account(session, account.id) if account else []

    async def shown(self, venue: Venue) -> list[Lora]:
        async with self._database.read() as session:
            return await lorarows.shown(session, venue.guild_id, limit=MOST_SHOWN)

    async def get(self, person: Person, venue: Venue, lora_id: UUID) -> tuple[Lora, bool]:
        """And whether it is their own."""
        async with self._database.read() as session:
            found = await lorarows.find(session, lora_id)
            account = await accounts.by_discord(session, person.discord_id)
        mine = found is not None and account is not None and found.account_id == account.id
        here = found is not None and found.guild_id in (None, venue.guild_id)
        if found is None or not (mine or (found.shown and here)):
            raise unknown_lora()
        return found, mine

    async def show(self, person: Person, lora_id: UUID, *, public: bool) -> Lora:
        """Asks the moderators to let others use it, or takes it back."""
        wanted = PUBLIC if public else OWN
        async with self._database.begin() as session:
            found = await self._own(session, person, lora_id)
            if found.visibility == wanted:
                return found
            return await lorarows.change(session, found.id, visibility=wanted, approved_at=None)

    async def remove(self, person: Person, lora_id: UUID) -> None:
        """Jobs that wait for it fail, and cost nothing."""
        async with self._database.begin() as session:
            found = await self._own(session, person, lora_id)
            await lorarows.remove(session, found.id)
        await self._forget([found.key])

    # --- moderators --------------------------------------------------------------------------

    async def waiting(self, mod: Moderator) -> list[Lora]:
        """What their owners want others to use, the oldest first."""
        access.require(mod, Rank.VIEWER)
        async with self._database.read() as session:
            found = await lorarows.waiting(session)
        return [one for one in found if access.sees(mod, one.guild_id)]

    async def approve(self, mod: Moderator, lora_id: UUID) -> Lora:
        async with self._database.begin() as session:
            found = await self._decided(session, mod, lora_id)
            if not found.waits:
                raise Refusal("already_decided", "This LoRA does not wait for a decision.")
            await self._told(session, mod, "lora_approved", found)
            return await lorarows.approve(session, lora_id)

    async def decline(self, mod: Moderator, lora_id: UUID) -> Lora:
        """Nobody but its owner may use it, also where it had been approved before."""
        async with self._database.begin() as session:
            found = await self._decided(session, mod, lora_id)
            if found.visibility == OWN:
                raise Refusal("already_decided", "This LoRA is its owner's alone already.")
            await self._told(session, mod, "lora_declined", found)
            return await lorarows.change(session, lora_id, visibility=OWN, approved_at=None)

    # --- how ---------------------------------------------------------------------------------

    def _checked(self, told: Bringing) -> Checkpoint:
        if not NAME.fullmatch(told.name):
            sentence = (
                "A LoRA's name has 1 to 40 small letters, digits, “-” and “_”, and begins with a letter or a "
                "digit: ink-2."
            )
            raise Refusal("invalid_value", sentence, field="name")
        if told.name in map(str.casefold, self._catalog.adapters):
            raise _taken(told.name)
        return self._catalog.get(told.checkpoint)

    async def _room_for(self, person: Person, name: str, digest: str) -> Lora | None:
        """The same one of before, if there is one."""
        async with self._database.begin() as session:
            account = await self._account(session, person)
            return await _room(session, account, name=name, digest=digest)

    async def _keep(self, person: Person, venue: Venue, told: Bringing, key: str) -> Lora:
        digest = hashlib.sha256(told.data).hexdigest()
        async with self._database.begin() as session:
            account = await self._account(session, person)
            await accounts.locked(session, account)  # two at once count each other
            before = await _room(session, account, name=told.name, digest=digest)
            return before or await lorarows.add(
                session,
                account_id=account,
                guild_id=venue.guild_id,
                name=told.name,
                checkpoint=told.checkpoint,
                trigger=told.trigger,
                licence=told.licence,
                key=key,
                sha256=digest,
                size=len(told.data),
                visibility=told.visibility,
            )

    async def _account(self, session: Session, person: Person) -> UUID:
        account = await accounts.ensure(
            session,
            person.discord_id,
            person.name,
            plan=person.plan,
            book=self._book,
            pepper=self._pepper,
            roles=person.roles,
        )
        limits.check_standing(account.standing)
        return account.id

    async def _own(self, session: Session, person: Person, lora_id: UUID) -> Lora:
        found = await lorarows.find(session, lora_id, lock=True)
        account = await accounts.by_discord(session, person.discord_id)
        if found is None or account is None or found.account_id != account.id:
            raise unknown_lora()
        return found

    async def _decided(self, session: Session, mod: Moderator, lora_id: UUID) -> Lora:
        access.require(mod, Rank.MODERATOR)
        found = await lorarows.find(session, lora_id, lock=True)
        if found is None or not access.sees(mod, found.guild_id):
            raise unknown_lora()
        await access.check_not_self(session, mod, found.account_id)
        return found

    async def _told(self, session: Session, mod: Moderator, action: str, lora: Lora) -> None:
        await audit(session, mod.actor, action, f"lora:{lora.id}", {"guild": lora.guild_id})

    async def _forget(self, keys: Iterable[str]) -> None:
        """A file that stays behind is swept later."""
        for key in keys:
            try:
                await asyncio.shield(self._store.delete(key))
            except Fault as fault:
                log.warning("A LoRA's file stays behind for now: %s", fault.sentence)


async def _room(session: Session, account_id: UUID, *, name: str, digest: str) -> Lora | None:
    """The same one of before; None where it is new and there is room for it."""
    mine = await lorarows.of_account(session, account_id)
    for one in mine:
        if one.name == name and one.sha256 == digest:
            return one
        if one.name == name:
            raise _taken(name)
    if len(mine) >= MOST_OWN:
        sentence = (
            f"{MOST_OWN} LoRAs are the most of one account. Delete one that you no longer need."
        )
        raise Refusal("too_many_loras", sentence)
    return None


def _taken(name: str) -> Refusal:
    sentence = f"There is another LoRA called “{name}” already. Give this one another name."
    return Refusal("name_taken", sentence, field="name")


def unknown_lora() -> Refusal:
    return Refusal("not_found", "There is no such LoRA, or it is somebody else's.")
