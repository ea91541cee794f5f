"""Who may do what at the moderators' desk: from Discord's permissions and the server's own roles. Pure."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import IntEnum

# Bits of Discord's permission integer.
BAN_MEMBERS, ADMINISTRATOR, MANAGE_GUILD = 1 << 2, 1 << 3, 1 << 5
MANAGE_MESSAGES, MODERATE_MEMBERS = 1 << 13, 1 << 40


class Rank(IntEnum):
    """Each may do what those below it may."""

    NONE = 0
    VIEWER = 1  # sees the queue and a person's record
    MODERATOR = 2  # decides cases, warns, strikes, bans
    ADMIN = 3  # policy, lists, pauses, roles


@dataclass(frozen=True, slots=True)
class Moderator:
    """Somebody at the desk. `guild_id` None with rank admin: the operator, who sees every server.
    `house`: staff of the operator's own server, who also see what happened on none."""

    discord_id: str
    name: str
    guild_id: str | None
    rank: Rank
    house: bool = False

    @property
    def actor(self) -> str:
        return f"discord:{self.discord_id}"

    @property
    def is_operator(self) -> bool:
        return self.guild_id is None and self.rank is Rank.ADMIN

    @property
    def speaks_for_all(self) -> bool:
        """May do what concerns every server."""
        return self.is_operator or (self.house and self.rank is Rank.ADMIN)


def rank_of(roles: Collection[str], permissions: int, staff: Mapping[str, Rank]) -> Rank:
    """The highest of what the permissions give and what any of the roles was given here."""
    given = [staff[role] for role in roles if role in staff]
    return max([_of_permissions(permissions), *given])


def _of_permissions(permissions: int) -> Rank:
    if permissions & (ADMINISTRATOR | MANAGE_GUILD):
        return Rank.ADMIN
    if permissions & (MODERATE_MEMBERS | MANAGE_MESSAGES | BAN_MEMBERS):
        return Rank.MODERATOR
    return Rank.NONE
