"""Who asks: every route says what a key must allow, and gets the person behind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from farm.api.services import Services
from shared import keyrows
from shared.apikeys import Scope, digest_of, is_key
from shared.errors import Refusal
from shared.keyrows import Holder
from shared.moderation.ranks import Moderator, Rank
from shared.orders import NOWHERE, Person, Venue

bearer = HTTPBearer(
    auto_error=False, description="An API key, as `Authorization: Bearer pk_live_...`"
)
# Where clients of other dialects put a key, and where some of them put it bare.
OTHERS = ("mj-api-secret", "apikey", "authorization")


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever holds the key. `venue` is the server that the key is of: its rules hold."""

    holder: Holder
    person: Person

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
        return Moderator(person.discord_id, person.name, key.guild_id, rank)

    def require(self, *scopes: str) -> None:
        missing = [scope for scope in scopes if scope not in self.scopes]
        if missing and not self.is_admin:
            sentence = f"This key may not do that: it lacks {', '.join(missing)}. Use another one."
            raise Refusal("scope_missing", sentence)


async def principal_of(services: Services, secret: str | None) -> Principal:
    """Refusal `not_signed_in`, `bad_key`."""
    if not secret:
        raise Refusal("not_signed_in", "Send an API key, as `Authorization: Bearer pk_live_...`.")
    pepper = services.settings.api.pepper
    if pepper is None or not is_key(secret):
        raise _bad_key()
    async with services.database.single() as session:
        holder = await keyrows.holder(session, digest_of(secret, pepper))
    if holder is None:
        raise _bad_key()
    async with services.database.single() as session:
        await keyrows.used(session, holder.key.id)
    key = holder.key
    plan = key.plan or services.plans.first
    return Principal(holder, Person(holder.discord_id, holder.name, plan, key.roles))


async def caller(
    request: Request,
    scopes: SecurityScopes,
    shown: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Principal:
    services: Services = request.app.state.services
    secret = shown.credentials if shown else secret_of(request.headers)
    found = await principal_of(services, secret)
    found.require(*scopes.scopes)
    return found


def secret_of(headers: Mapping[str, str]) -> str | None:
    """The key that a request shows, in whichever dialect it speaks."""
    shown = next((headers[name] for name in OTHERS if headers.get(name)), "")
    scheme, _, credentials = shown.partition(" ")
    return (credentials.strip() if scheme.lower() == "bearer" else shown.strip()) or None


def _bad_key() -> Refusal:
    return Refusal("bad_key", "This key is not good, or no longer. Make another one.")


# What routes name. `Drawer` may draw, and so on: `async def submit(who: Drawer, ...)`.
Reader = Annotated[Principal, Security(caller, scopes=[Scope.READ])]
Drawer = Annotated[Principal, Security(caller, scopes=[Scope.DRAW])]
Writer = Annotated[Principal, Security(caller, scopes=[Scope.TEXT])]
Uploader = Annotated[Principal, Security(caller, scopes=[Scope.UPLOAD])]
HookKeeper = Annotated[Principal, Security(caller, scopes=[Scope.HOOKS])]
KeyHolder = Annotated[Principal, Security(caller, scopes=[Scope.KEYS])]
Staff = Annotated[Principal, Security(caller, scopes=[Scope.MODERATE])]
Operator = Annotated[Principal, Security(caller, scopes=[Scope.ADMIN])]
