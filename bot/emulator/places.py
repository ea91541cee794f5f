"""How Discord writes channels, threads and direct messages in JSON."""

from bot.emulator import people, permissions
from bot.emulator.channels import GROUP_DM, Channel
from bot.emulator.portraits import user
from bot.emulator.world import Json, World

SINCE = "2026-01-05T09:00:00+00:00"


def channel(channel: Channel, world: World) -> Json:
    if channel.direct:
        return _direct(channel, world)
    body: Json = {
        "id": channel.id,
        "type": channel.type,
        "guild_id": channel.guild,
        "name": channel.name,
        "nsfw": world.rulebook(channel).nsfw,
        "rate_limit_per_user": 0,
        "parent_id": channel.parent,
        "last_message_id": channel.last_message_id,
        "flags": 0,
    }
    if channel.thread:
        return body | _thread(channel)
    overwrites = _overwrites(channel, world)
    about = {"topic": channel.topic, "position": channel.position}
    return body | about | {"permission_overwrites": overwrites}


def _direct(channel: Channel, world: World) -> Json:
    ids = channel.members or filter(None, [channel.recipient])
    body: Json = {
        "id": channel.id,
        "type": channel.type,
        "last_message_id": channel.last_message_id,
        "flags": 0,
        "recipients": [user(world.person(id)) for id in ids],
    }
    if channel.type == GROUP_DM:
        body |= {"name": channel.name, "icon": None, "owner_id": channel.members[0]}
    return body


def _thread(channel: Channel) -> Json:
    return {
        "owner_id": channel.owner,
        "message_count": 0,
        "member_count": 1,
        "thread_metadata": {
            "archived": channel.archived,
            "auto_archive_duration": 1440,
            "archive_timestamp": SINCE,
            "locked": channel.locked,
            "create_timestamp": SINCE,
        },
    }


def _overwrites(channel: Channel, world: World) -> list[Json]:
    overwrites = []
    if lost := world.rules.lost_permissions.get(channel.id):
        overwrites.append(_overwrite(people.APPLICATION_ID, 1, deny=lost))
    if channel.private_to:
        overwrites.append(_overwrite(people.GUILD_ID, 0, deny=permissions.VIEW_CHANNEL))
        allowed = (channel.private_to, people.BOT_ROLE.id)
        overwrites += [_overwrite(role, 0, allow=permissions.VIEW_CHANNEL) for role in allowed]
    return overwrites


def _overwrite(id: str, kind: int, *, allow: int = 0, deny: int = 0) -> Json:
    return {"id": id, "type": kind, "allow": str(allow), "deny": str(deny)}


def guild_of(channel: Channel) -> Json:
    return {"guild_id": channel.guild} if channel.guild else {}
