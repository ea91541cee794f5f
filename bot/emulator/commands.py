"""The application's commands: how they are kept, and whom they are offered to, and where."""

from typing import Any

from bot.emulator import people, permissions
from bot.emulator.channels import IN_GUILD, Channel
from bot.emulator.interaction import GUILD_INSTALL, USER_INSTALL
from bot.emulator.world import Json, World

LISTS = ("options", "choices")


def kept(world: World, wish: Json, *, guild: str, known: dict[tuple[str, int], str]) -> Json:
    """As Discord stores what a bot registers; a name that is known keeps its id."""
    kind = wish.get("type") or 1
    wanted = wish.get("default_member_permissions")
    stored = _plain(wish) | {
        "id": known.get((wish["name"], kind)) or world.snowflakes.next(),
        "application_id": people.APPLICATION_ID,
        "version": world.snowflakes.next(),
        "type": kind,
        "description": wish.get("description") or "",
        "default_member_permissions": None if wanted is None else str(wanted),
        "nsfw": bool(wish.get("nsfw")),
        "contexts": _contexts(wish),
        "integration_types": wish.get("integration_types") or [GUILD_INSTALL],
    }
    return stored | ({"guild_id": guild} if guild else {})


def _contexts(wish: Json) -> list[int] | None:
    # The older way to say "in servers only".
    only_in_guild = wish.get("contexts") is None and wish.get("dm_permission") is False
    return [IN_GUILD] if only_in_guild else wish.get("contexts")


def _plain(thing: Json) -> Json:
    """Discord does not repeat what is empty or false, in commands, options and choices alike."""
    lists = {key: [_plain(each) for each in thing[key] or []] for key in LISTS if key in thing}
    return {key: each for key, each in (thing | lists).items() if not _is_nothing(each)}


def _is_nothing(each: Any) -> bool:
    return each is None or each is False or each in ([], {})


def offered(world: World, person: str, channel: Channel) -> list[Json]:
    """What this person may use in this channel; a guild's command hides the global one."""
    listed = dict(world.commands[""])
    if channel.guild == people.GUILD_ID:
        listed |= world.commands[people.GUILD_ID]
    by_name = {(c["name"], c["type"]): c for c in listed.values()}
    granted = world.permissions(person, channel)
    added = person in world.installed
    return [
        c
        for c in by_name.values()
        if _is_here(c, channel, added=added) and _fits(c, channel) and _may_use(c, channel, granted)
    ]


def _is_here(command: Json, channel: Channel, *, added: bool) -> bool:
    """Installed in this server (or for the bot's own direct messages), or on this account."""
    types = command["integration_types"]
    return (channel.home and GUILD_INSTALL in types) or (added and USER_INSTALL in types)


def _fits(command: Json, channel: Channel) -> bool:
    if command["nsfw"] and not channel.nsfw and not channel.direct:
        return False
    contexts = command.get("contexts")
    if contexts is None:
        return True
    return channel.context in contexts


def _may_use(command: Json, channel: Channel, granted: int) -> bool:
    wanted = command["default_member_permissions"]
    if wanted is None or channel.direct or granted & permissions.ADMINISTRATOR:
        return True
    # Zero means nobody, until an administrator says otherwise.
    return int(wanted) != 0 and granted & int(wanted) == int(wanted)
