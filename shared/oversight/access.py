"""Who may see and decide what at the desk. Nobody decides about themselves."""

from uuid import UUID

from shared import accounts
from shared.accounts import Account
from shared.connections import Session
from shared.errors import Refusal
from shared.moderation.ranks import Moderator, Rank

_NAMES = {Rank.VIEWER: "viewers", Rank.MODERATOR: "moderators", Rank.ADMIN: "admins"}


def require(mod: Moderator, rank: Rank) -> None:
    if mod.rank < rank:
        raise Refusal("not_allowed", f"Only {_NAMES[rank]} of this server may do that.")


def require_house(mod: Moderator, home_guild: str | None) -> None:
    """For what concerns every server: the operator, or an admin of the operator's own one."""
    require(mod, Rank.ADMIN)
    if not mod.is_operator and (home_guild is None or mod.guild_id != home_guild):
        sentence = "This concerns every server, so only the operator's own admins may do it."
        raise Refusal("not_allowed", sentence)


def sees(mod: Moderator, guild_id: str | None) -> bool:
    """A server's staff sees what happened there; the operator sees all."""
    return mod.is_operator or (mod.guild_id is not None and mod.guild_id == guild_id)


async def check_not_self(session: Session, mod: Moderator, *concerned: UUID | None) -> None:
    """Who wrote it, reported it or is meant by it cannot be the one who decides."""
    own = await accounts.by_discord(session, mod.discord_id)
    if own is not None and own.id in concerned:
        sentence = "This concerns you, so somebody else must decide it."
        raise Refusal("no_self_approval", sentence)


async def person(session: Session, discord_id: str) -> Account:
    found = await accounts.by_discord(session, discord_id)
    if found is None:
        raise Refusal("unknown_person", "This person has never used Pictor.", field="user")
    return found
