"""What the ids in an interaction stand for: people, roles, channels, files, as Discord sends along."""

from collections.abc import Iterable

from bot.emulator import payloads, people
from bot.emulator.channels import Channel
from bot.emulator.world import Json, World

USER, CHANNEL, ROLE, MENTIONABLE, ATTACHMENT = 6, 7, 8, 9, 11
# A select's kind, as the kind of option that takes the same.
KIND_OF_SELECT = {5: USER, 6: ROLE, 7: MENTIONABLE, 8: CHANNEL}
KIND_OF_UPLOAD = {19: ATTACHMENT}


def resolve(world: World, channel: Channel, person: str, chosen: Iterable[tuple[int, str]]) -> Json:
    """`chosen`: kinds of option with the ids that `person` chose. ValueError for strangers."""
    resolved: Json = {}
    for kind, id in chosen:
        for place, found in _look_up(world, channel, person, kind=kind, id=id).items():
            resolved.setdefault(place, {})[id] = found
    return resolved


def _look_up(world: World, channel: Channel, person: str, *, kind: int, id: str) -> Json:
    if kind in (USER, MENTIONABLE) and id in world.people:
        return about_person(world, channel, id)
    if (
        kind in (ROLE, MENTIONABLE)
        and id in people.ROLES_BY_ID
        and channel.home
        and not channel.direct
    ):
        return {"roles": payloads.role(people.ROLES_BY_ID[id])}
    if kind == CHANNEL and id in world.channels and world.can_see(person, world.channels[id]):
        return {"channels": _partial(world, world.channels[id], person)}
    if kind == ATTACHMENT and id in world.attachments:
        return {"attachments": payloads.attachment(world.attachments[id], world)}
    raise ValueError(f"there is nothing with the id {id!r} to choose here")


def about_person(world: World, channel: Channel, id: str) -> Json:
    """By place: the user, and the member beside it where there is a server."""
    person = world.person(id)
    found: Json = {"users": payloads.user(person)}
    if not channel.direct:
        granted = world.permissions(id, channel)
        found["members"] = payloads.resolved_member(person, permissions=granted)
    return found


def _partial(world: World, channel: Channel, person: str) -> Json:
    body = payloads.channel(channel, world)
    keys = ("id", "name", "type", "parent_id", "nsfw", "topic", "position", "last_message_id")
    granted = str(world.permissions(person, channel))
    return {key: body.get(key) for key in keys} | {"permissions": granted}
