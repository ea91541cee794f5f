"""Who asks: every route says what a key must allow, and gets the person behind it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Security
from fastapi.security import SecurityScopes
from starlette.requests import HTTPConnection
from starlette.types import Scope as Asked

from farm.api.credentials import Credentials, shown
from farm.api.origins import check_origin
from farm.api.quotas import address_of
from farm.api.services import Services
from shared.apikeys import Scope
from shared.errors import Fault, Refusal
from shared.keychain import Standing
from shared.keyrows import Holder
from shared.moderation.ranks import Moderator, Rank
from shared.orders import NOWHERE, Person, Venue

credentials = Credentials()


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever holds the key. `venue` is the server that the key is of: its rules hold. `house`: it is the
    operator's own."""

    holder: Holder
    person: Person
    house: bool = False

    @property
    def account_id(self) -> UUID:
        return self.holder.key.account_id

    @property
    def venue(self) -> Venue:
        guild = self.holder.key.guild_id
        return NOWHERE if guild is None else Venue(guild_id=guild)

    @property
    def scopes(self) -> frozenset[str]:
        return frozenset(self.holder.key.scopes)

    @property
    def is_admin(self) -> bool:
        return Scope.ADMIN in self.scopes

    @property
    def moderator(self) -> Moderator:
        """At the moderators' desk. An admin's key without a server is the operator's."""
        key, person = self.holder.key, self.person
        if self.is_admin and key.guild_id is None:
            return Moderator(person.discord_id, person.name, None, Rank.ADMIN)
        rank = Rank(key.rank) if Scope.MODERATE in self.scopes else Rank.NONE
        return Moderator(person.discord_id, person.name, key.guild_id, rank, house=self.house)

    @property
    def standing(self) -> Standing:
        """What a key that they make may be."""
        key = self.holder.key
        return Standing(self.scopes, key.guild_id, key.plan, key.roles, key.rank)

    def require(self, *scopes: str) -> None:
        missing = [scope for scope in scopes if scope not in self.scopes]
        if missing and not self.is_admin:
            sentence = f"This key may not do that: it lacks {', '.join(missing)}. Use another one."
            raise Refusal("scope_missing", sentence)


async def principal_of(services: Services, secret: str | None, address: str) -> Principal:
    """Refusals `not_signed_in`, `bad_key`, and those of farm.api.huggingface."""
    if not secret:
        raise Refusal("not_signed_in", "Send an API key, as `Authorization: Bearer pk_live_...`.")
    if services.huggingface is not None and services.huggingface.is_token(secret):
        holder: Holder | None = await services.huggingface.holder(secret, address)
    else:
        holder = await services.keychain.holder(secret)
    if holder is None:
        raise Refusal("bad_key", "This key is not good, or no longer. Make another one.")
    key = holder.key
    person = Person(holder.discord_id, holder.name, key.plan or services.plans.first, key.roles)
    home = services.settings.safety.home_guild
    return Principal(holder, person, house=home is not None and key.guild_id == home)


def bringer(services: Services) -> Callable[[Asked], Awaitable[bool]]:
    """Whether a request shows a key that may bring LoRAs, before anything else is read of it."""

    async def may_bring(scope: Asked) -> bool:
        secret = shown(HTTPConnection(scope))
        try:
            holder = await services.keychain.holder(secret) if secret else None
        except Fault:  # the route says so itself
            return False
        return holder is not None and not {Scope.UPLOAD, Scope.ADMIN}.isdisjoint(holder.key.scopes)

    return may_bring


async def caller(
    connection: HTTPConnection,
    scopes: SecurityScopes,
    secret: Annotated[str | None, Depends(credentials)],
) -> Principal:
    """Of a request or of a socket. Whoever has no good key is counted by address."""
    services: Services = connection.app.state.services
    check_origin(connection, services.settings.api)
    address = address_of(connection.client.host if connection.client else None)
    try:
        found = await principal_of(services, secret, address)
    except Refusal:
        await _spend(services, connection, address=address)
        raise
    key = found.holder.key
    await _spend(services, connection, key=str(key.id), account=str(key.account_id))
    found.require(*scopes.scopes)
    return found


async def _spend(services: Services, connection: HTTPConnection, **who: str) -> None:
    left = await services.quotas.spend(**who)
    connection.state.quotas = left
    spent = [one for one in left if not one.passed]
    if spent:
        most = ", ".join(f"{one.limit} of one {one.name}" for one in spent)
        sentence = f"Too many requests in a minute; at most {most}. Wait {spent[0].reset_s} s."
        raise Refusal("too_many_requests", sentence)


# What routes name. `Drawer` may draw, and so on: `async def submit(who: Drawer, ...)`.
Reader = Annotated[Principal, Security(caller, scopes=[Scope.READ])]
Drawer = Annotated[Principal, Security(caller, scopes=[Scope.DRAW])]
Writer = Annotated[Principal, Security(caller, scopes=[Scope.TEXT])]
Uploader = Annotated[Principal, Security(caller, scopes=[Scope.UPLOAD])]
HookKeeper = Annotated[Principal, Security(caller, scopes=[Scope.HOOKS])]
KeyHolder = Annotated[Principal, Security(caller, scopes=[Scope.KEYS])]
Staff = Annotated[Principal, Security(caller, scopes=[Scope.MODERATE])]
Operator = Annotated[Principal, Security(caller, scopes=[Scope.ADMIN])]
