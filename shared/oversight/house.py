"""House rules: blocked words, known pictures, pauses, and a server's own staff."""

from collections.abc import Collection
from dataclasses import dataclass

from shared.config import SafetySettings
from shared.connections import Database
from shared.errors import Refusal
from shared.moderation import knownhashes, pauses, staff, terms
from shared.moderation.knownhashes import Reading
from shared.moderation.pauses import EVERYWHERE, SAFETY, Pause
from shared.moderation.ranks import Moderator, Rank, rank_of
from shared.moderation.terms import BlockedTerm
from shared.oversight import access
from shared.safety.blocklist import LONGEST_PHRASE
from shared.safety.disguises import spelled
from shared.safety.verdict import POLICED

LONGEST_LIST = 4_000_000  # characters


@dataclass(frozen=True, slots=True)
class Import:
    """What of a list was added, and the lines (from 1) that hold no hash."""

    read: int
    added: int
    bad: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class House:
    database: Database
    safety: SafetySettings

    async def moderator(
        self,
        discord_id: str,
        name: str,
        guild_id: str | None,
        *,
        roles: Collection[str],
        permissions: int,
    ) -> Moderator:
        """Who this is at the desk. Without a server there is no rank."""
        if guild_id is None:
            return Moderator(discord_id, name, None, Rank.NONE)
        async with self.database.single() as session:
            given = await staff.roles(session, guild_id)
        rank, house = rank_of(roles, permissions, given), guild_id == self.safety.home_guild
        return Moderator(discord_id, name, guild_id, rank, house=house)

    async def set_role(self, mod: Moderator, role_id: str, rank: Rank) -> None:
        access.require(mod, Rank.ADMIN)
        async with self.database.begin() as session:
            await staff.set_role(session, _guild(mod), role_id, rank, mod.actor)

    async def set_channel(self, mod: Moderator, channel_id: str) -> None:
        """Where this server's alerts go from now on."""
        access.require(mod, Rank.ADMIN)
        async with self.database.begin() as session:
            await staff.set_channel(session, _guild(mod), channel_id, mod.actor)

    async def block_term(
        self, mod: Moderator, term: str, category: str, *, strength: str = "strong"
    ) -> str:
        """How the screen spells it. On this server; by the operator, everywhere."""
        access.require(mod, Rank.ADMIN)
        phrase = _phrase(term)
        _check_kind(category, strength)
        async with self.database.begin() as session:
            added = await terms.add(
                session,
                phrase,
                guild_id=access.scope(mod),
                category=category,
                strength=strength,
                actor=mod.actor,
            )
        if not added:
            raise Refusal("term_known", f"“{phrase}” is on the list already.", field="term")
        return phrase

    async def unblock_term(self, mod: Moderator, term: str) -> str:
        access.require(mod, Rank.ADMIN)
        phrase = _phrase(term)
        async with self.database.begin() as session:
            if not await terms.remove(session, phrase, guild_id=access.scope(mod), actor=mod.actor):
                raise Refusal("unknown_term", f"“{phrase}” is not on this list.", field="term")
        return phrase

    async def terms(self, mod: Moderator) -> list[BlockedTerm]:
        """Those of everywhere among them."""
        access.require(mod, Rank.MODERATOR)
        async with self.database.read() as session:
            return await terms.current(session, access.scope(mod))

    async def import_hashes(self, mod: Moderator, text: str, *, list_name: str) -> Import:
        """Lines `algorithm,digest`. The list holds for the whole farm."""
        access.require_house(mod)
        if len(text) > LONGEST_LIST:
            raise Refusal("list_too_long", "Import such a list in parts.", field="file")
        found: Reading = knownhashes.read(text)
        if not found.hashes:
            sentence = "No line of it is `algorithm,digest` with sha256, md5 or pdq in hex."
            raise Refusal("no_hashes", sentence, field="file")
        async with self.database.begin() as session:
            added = await knownhashes.add(
                session, found.hashes, list_name=list_name[:100], actor=mod.actor
            )
        return Import(len(found.hashes), added, found.bad)

    async def pause(self, mod: Moderator, reason: str, *, scope: str | None = None) -> bool:
        """This server (no scope), everywhere, or safety. False when it was paused before."""
        where = self._pausable(mod, scope)
        async with self.database.begin() as session:
            return await pauses.pause(session, where, reason[:200], mod.actor)

    async def resume(self, mod: Moderator, *, scope: str | None = None) -> bool:
        where = self._pausable(mod, scope)
        async with self.database.begin() as session:
            return await pauses.resume(session, where, mod.actor)

    async def pauses(self, mod: Moderator) -> list[Pause]:
        access.require(mod, Rank.VIEWER)
        async with self.database.read() as session:
            return await pauses.current(session, mod.guild_id)

    def _pausable(self, mod: Moderator, scope: str | None) -> str:
        if scope is None and mod.guild_id is not None:
            access.require(mod, Rank.ADMIN)
            return pauses.of_guild(mod.guild_id)
        access.require_house(mod)
        if scope not in (EVERYWHERE, SAFETY):
            raise Refusal("unknown_scope", f"Say {EVERYWHERE} or {SAFETY}.", field="scope")
        return scope


def _phrase(term: str) -> str:
    phrase = spelled(term).strip()
    if not phrase or len(phrase.split()) > LONGEST_PHRASE:
        sentence = f"A blocked term is 1 to {LONGEST_PHRASE} plain words."
        raise Refusal("bad_term", sentence, field="term")
    return phrase


def _check_kind(category: str, strength: str) -> None:
    if category not in POLICED:
        sentence = f"The categories are: {', '.join(POLICED)}."
        raise Refusal("unknown_category", sentence, field="category")
    if strength not in terms.STRENGTHS:
        sentence = f"The strengths are: {', '.join(terms.STRENGTHS)}."
        raise Refusal("unknown_strength", sentence, field="strength")


def _guild(mod: Moderator) -> str:
    if mod.guild_id is None:
        raise Refusal("no_server", "This is set on a server.")
    return mod.guild_id
