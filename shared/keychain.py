"""Keys of the API: made, listed, turned and revoked, at whichever door their owner stands."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from shared import accounts, apikeys, keyrows
from shared.accounts import Account
from shared.apikeys import USUAL, Minted, Scope, digest_of, is_key
from shared.connections import Database, Session
from shared.errors import Fault, Refusal
from shared.keyrows import ApiKey, Holder
from shared.moderation.audit import audit
from shared.moderation.ranks import Rank
from shared.plans import PlanBook

MOST_KEYS = 20  # of one account
LONGEST_NAME = 80
MOST_DAYS = 3_650
MOST_OVERLAP_S = 86_400
_STAFF = frozenset({Scope.MODERATE, Scope.ADMIN})


@dataclass(frozen=True, slots=True)
class Wanted:
    """`days`: how long it is good; None for as long as is usual here."""

    name: str
    scopes: tuple[str, ...] = USUAL
    days: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Who makes keys may give no more than they have: `scopes`. On a server a key is worth what its owner
    is there."""

    scopes: frozenset[str] = frozenset(USUAL)
    guild_id: str | None = None
    plan: str = ""
    roles: tuple[str, ...] = ()
    rank: int = Rank.NONE

    @property
    def is_admin(self) -> bool:
        return Scope.ADMIN in self.scopes


@dataclass(frozen=True, slots=True)
class Made:
    """`secret` is the key itself: show it, then forget it."""

    key: ApiKey
    secret: str


@dataclass(frozen=True, slots=True)
class Keychain:
    database: Database
    book: PlanBook
    pepper: SecretStr | None
    key_days: int

    async def account(self, discord_id: str, name: str) -> Account:
        """Made on first sight, on the first plan; of one that is known nothing changes."""
        async with self.database.begin() as session:
            known = await accounts.by_discord(session, discord_id)
            plan = known.plan if known else self.book.first
            told = known.name if known else name
            return await accounts.ensure(session, discord_id, told, plan=plan, book=self.book)

    async def known(self, discord_id: str) -> Account:
        """Refusal `unknown_person`."""
        async with self.database.single() as session:
            account = await accounts.by_discord(session, discord_id)
        if account is None:
            raise Refusal(
                "unknown_person", f"Nobody here is called {discord_id[:80]}.", field="for"
            )
        return account

    async def make(self, account_id: UUID, wanted: Wanted, standing: Standing) -> Made:
        """Refusals `bad_name`, `bad_days`, `unknown_scope`, `scope_missing`, `too_many_keys`."""
        _check(wanted, standing)
        minted, now = self._minted(), await self.database.now()
        async with self.database.begin() as session:
            await keyrows.hold_account(session, account_id)
            if len(await keyrows.of_account(session, account_id)) >= MOST_KEYS:
                raise _too_many()
            key = await keyrows.add(
                session,
                account_id,
                minted,
                name=wanted.name.strip(),
                scopes=_sorted(wanted.scopes),
                expires_at=now + timedelta(days=wanted.days or self.key_days),
                guild_id=standing.guild_id,
                plan=standing.plan,
                roles=standing.roles,
                rank=standing.rank,
            )
            await _note(session, "key_made", key)
        return Made(key, minted.secret)

    async def keys(self, account_id: UUID) -> list[ApiKey]:
        async with self.database.single() as session:
            return await keyrows.of_account(session, account_id)

    async def key(self, account_id: UUID, key_id: UUID) -> ApiKey:
        """Refusal `not_found`."""
        found = next((one for one in await self.keys(account_id) if one.id == key_id), None)
        if found is None:
            raise _unknown()
        return found

    async def rotate(
        self, account_id: UUID, key_id: UUID, standing: Standing, *, overlap_s: int = 0
    ) -> Made:
        """Another key for the same, good for as long as that one was. The old one ends after
        `overlap_s`. Refusals `not_found`, `scope_missing`."""
        minted, now = self._minted(), await self.database.now()
        async with self.database.begin() as session:
            old = await keyrows.locked(session, account_id, key_id)
            if old is None:
                raise _unknown()
            _check_reach(old, standing)
            await keyrows.end(session, old.id, after_s=min(overlap_s, MOST_OVERLAP_S))
            key = await keyrows.add(session, account_id, minted, **_again(old, now))
            await _note(session, "key_rotated", key, old=str(old.id))
        return Made(key, minted.secret)

    async def revoke(self, account_id: UUID, key_id: UUID) -> ApiKey:
        """Refusal `not_found`."""
        async with self.database.begin() as session:
            key = await keyrows.locked(session, account_id, key_id)
            if key is None:
                raise _unknown()
            await keyrows.end(session, key.id)
            await _note(session, "key_revoked", key)
        return key

    async def holder(self, secret: str) -> Holder | None:
        """None for what is no key of ours, or is one no longer."""
        if self.pepper is None or not is_key(secret):
            return None
        async with self.database.single() as session:
            found = await keyrows.holder(session, digest_of(secret, self.pepper))
        if found is not None and not found.noted:
            await self._used(found.key)
        return found

    async def saw(self, discord_id: str, guild_id: str, standing: Standing) -> int:
        """What the bot sees of them there now. How many keys it concerns."""
        async with self.database.single() as session:
            return await keyrows.saw(
                session,
                discord_id,
                guild_id,
                plan=standing.plan,
                roles=standing.roles,
                rank=standing.rank,
            )

    async def on_servers(self) -> list[tuple[str, str]]:
        """Whom the bot has to look after: (discord_id, guild_id)."""
        async with self.database.single() as session:
            return await keyrows.on_servers(session)

    async def _used(self, key: ApiKey) -> None:
        """Worth no failure: a database that takes no writes still answers what it is asked."""
        try:
            async with self.database.single() as session:
                await keyrows.used(session, key.id)
        except Fault:
            return

    def _minted(self) -> Minted:
        if self.pepper is None:
            sentence = (
                "There are no API keys here: the operator has to set PICTOR_API__PEPPER first."
            )
            raise Fault("keys_off", sentence)
        return apikeys.mint(self.pepper)


def _check(wanted: Wanted, standing: Standing) -> None:
    if not 1 <= len(wanted.name.strip()) <= LONGEST_NAME or not wanted.name.isprintable():
        sentence = f"A key's name is 1 to {LONGEST_NAME} printable characters."
        raise Refusal("bad_name", sentence, field="name")
    if wanted.days is not None and not 1 <= wanted.days <= MOST_DAYS:
        raise Refusal("bad_days", f"A key is good for 1 to {MOST_DAYS} days.", field="days")
    _check_scopes(wanted.scopes, standing)


def _check_scopes(scopes: Collection[str], standing: Standing) -> None:
    known = {scope.value for scope in Scope}
    unknown = [scope for scope in scopes if scope not in known]
    if unknown or not scopes:
        sentence = f"The scopes are: {', '.join(Scope)}. Name at least one, and no other."
        raise Refusal("unknown_scope", sentence, field="scopes")
    over = [] if standing.is_admin else sorted(set(scopes) - standing.scopes)
    if over:
        sentence = f"You can give a key no more than you have; that is not {', '.join(over)}."
        raise Refusal("scope_missing", sentence, field="scopes")


def _check_reach(key: ApiKey, standing: Standing) -> None:
    """Whoever turns a key holds it: so they must have what it has, and on the same server."""
    _check_scopes(key.scopes, standing)
    if _STAFF & set(key.scopes) and key.guild_id != standing.guild_id and not standing.is_admin:
        raise Refusal("scope_missing", "Turn a moderator's key on the server that it is of.")


def _again(old: ApiKey, now: datetime) -> dict[str, Any]:
    kept = ("name", "scopes", "guild_id", "plan", "roles", "rank", "seen_at")
    ends = None if old.expires_at is None else now + (old.expires_at - old.created_at)
    return {name: getattr(old, name) for name in kept} | {"expires_at": ends}


def _sorted(scopes: Collection[str]) -> list[str]:
    return [scope.value for scope in Scope if scope in scopes]


async def _note(session: Session, action: str, key: ApiKey, **more: str) -> None:
    """By the account's number: the book keeps no name."""
    told = {"scopes": list(key.scopes), **more}
    await audit(session, f"account:{key.account_id}", action, f"key:{key.id}", told)


def _unknown() -> Refusal:
    sentence = "There is no such key of yours, or it is revoked already. List your keys."
    return Refusal("not_found", sentence, field="id")


def _too_many() -> Refusal:
    sentence = f"You have {MOST_KEYS} keys, which is the most. Revoke one that you do not use."
    return Refusal("too_many_keys", sentence)
