"""How Discord writes users, members and roles in JSON."""

from bot.emulator import people
from bot.emulator.people import Person, Role
from bot.emulator.world import Json

JOINED = "2026-01-05T09:00:00+00:00"


def user(person: Person) -> Json:
    return {
        "id": person.id,
        "username": person.username,
        "global_name": None if person.bot else person.global_name,
        "discriminator": "0000" if person.bot else "0",
        "avatar": f"{int(person.id):032x}",
        "bot": person.bot,
        "system": False,
        "public_flags": 0,
        "avatar_decoration_data": None,
        "primary_guild": None,
    }


def myself() -> Json:
    return user(people.PICTOR) | {
        "verified": True,
        "mfa_enabled": True,
        "email": None,
        "flags": 0,
        "locale": "en-US",
        "bio": people.PICTOR.bio,
    }


def member(person: Person, *, permissions: int | None = None) -> Json:
    body: Json = {
        "user": user(person),
        "nick": None,
        "avatar": None,
        "banner": None,
        "roles": list(person.roles),
        "joined_at": JOINED,
        "premium_since": None,
        "deaf": False,
        "mute": False,
        "flags": 0,
        "pending": False,
        "communication_disabled_until": None,
    }
    if permissions is not None:
        body["permissions"] = str(permissions)
    return body


def resolved_member(person: Person, *, permissions: int) -> Json:
    """A member beside its user, with what it may do in the channel."""
    body = member(person, permissions=permissions)
    return {key: body[key] for key in body if key not in ("user", "deaf", "mute")}


def role(role: Role) -> Json:
    return {
        "id": role.id,
        "name": role.name,
        "color": role.color,
        "colors": {"primary_color": role.color, "secondary_color": None, "tertiary_color": None},
        "hoist": role.hoist,
        "icon": None,
        "unicode_emoji": None,
        "position": role.position,
        "permissions": str(role.permissions),
        "managed": role is people.BOT_ROLE,
        "mentionable": False,
        "flags": 0,
    }
