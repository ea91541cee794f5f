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


def require_house(mod: Moderator) -> None:
    """For what concerns every server: the operator, or an admin of the operator's own one."""
    require(mod, Rank.ADMIN)
    if not mod.speaks_for_all:
        sentence = "This concerns every server, so only the operator's own admins may do it."
        raise Refusal("not_allowed", sentence)


def scope(mod: Moderator, *, everywhere: bool = False) -> str | None:
    """The server that this is about; None: every one. Somebody without a server has none to speak for."""
    if everywhere:
        require_house(mod)
        return None
    if mod.guild_id is None and not mod.is_operator:
        raise Refusal("not_allowed", "This is done on a server that you moderate.")
    return mod.guild_id


def sees(mod: Moderator, guild_id: str | None) -> bool:
    """A server's staff sees what happened there, the house also what happened on no server (a direct
    message), and the operator and the house's admins all."""
    if mod.speaks_for_all or (mod.house and guild_id is None):
        return True
    return mod.guild_id is not None and mod.guild_id == guild_id


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
