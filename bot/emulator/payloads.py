"""How Discord writes things in JSON: users, members, guilds, channels, messages."""

from bot.emulator import people, permissions
from bot.emulator.clock import iso
from bot.emulator.links import address
from bot.emulator.people import Person, Role
from bot.emulator.world import DM, GUILD_TEXT, Attachment, Channel, Json, Message, World

SLASH_REPLY, MENU_REPLY = 20, 23
SPOILER, IS_SPOILER = "SPOILER_", 1 << 3
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


def channel(channel: Channel, world: World) -> Json:
    if channel.type == DM:
        recipients = [user(world.person(channel.recipient))] if channel.recipient else []
        return {
            "id": channel.id,
            "type": DM,
            "last_message_id": channel.last_message_id,
            "flags": 0,
            "recipients": recipients,
        }
    return {
        "id": channel.id,
        "type": channel.type,
        "guild_id": people.GUILD_ID,
        "name": channel.name,
        "topic": channel.topic,
        "position": channel.position,
        "permission_overwrites": _overwrites(channel, world),
        "nsfw": channel.nsfw,
        "rate_limit_per_user": 0,
        "parent_id": None,
        "last_message_id": channel.last_message_id,
        "flags": 0,
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


def guild(world: World) -> Json:
    return {
        "id": people.GUILD_ID,
        "name": "Pictor's Studio",
        "icon": None,
        "splash": None,
        "discovery_splash": None,
        "banner": None,
        "description": "A local Discord to try Pictor in",
        "owner_id": people.OWNER.id,
        "application_id": None,
        "region": "local",
        "afk_channel_id": None,
        "afk_timeout": 300,
        "system_channel_id": people.IMAGINE_CHANNEL_ID,
        "system_channel_flags": 0,
        "rules_channel_id": None,
        "public_updates_channel_id": None,
        "safety_alerts_channel_id": None,
        "verification_level": 0,
        "default_message_notifications": 1,
        "explicit_content_filter": 2,
        "mfa_level": 0,
        "nsfw_level": 0,
        "nsfw": False,
        "premium_tier": 0,
        "premium_subscription_count": 0,
        "premium_progress_bar_enabled": False,
        "vanity_url_code": None,
        "max_members": 500_000,
        "preferred_locale": "en-US",
        "features": [],
        "emojis": [],
        "stickers": [],
        "roles": [role(each) for each in people.ROLES],
    }


def guild_create(world: World, *, all_members: bool) -> Json:
    present = people.PEOPLE if all_members else (people.PICTOR,)
    return guild(world) | {
        "unavailable": False,
        "large": False,
        "joined_at": JOINED,
        "member_count": len(people.PEOPLE),
        "members": [member(person) for person in present],
        "channels": [channel(c, world) for c in world.channels.values() if c.type == GUILD_TEXT],
        "threads": [],
        "presences": [],
        "voice_states": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def application() -> Json:
    return {
        "id": people.APPLICATION_ID,
        "name": people.PICTOR.global_name,
        "description": people.PICTOR.bio,
        "icon": None,
        "cover_image": None,
        "rpc_origins": [],
        "summary": "",
        "bot_public": True,
        "bot_require_code_grant": False,
        "verify_key": "0" * 64,
        "owner": user(people.OWNER),
        "team": None,
        "flags": 1 << 23,
        "tags": [],
        "interactions_endpoint_url": None,
        "redirect_uris": [],
        "approximate_guild_count": 1,
        "approximate_user_install_count": 0,
        "integration_types_config": {"0": {}},
        "bot": user(people.PICTOR),
    }


def attachment(item: Attachment, world: World) -> Json:
    url = address(item, world)
    body: Json = {
        "id": item.id,
        "filename": item.filename,
        "size": len(item.content),
        "url": url,
        "proxy_url": url,
        "content_type": item.content_type,
    }
    if item.size:
        body["width"], body["height"] = item.size
    if item.description:
        body["description"] = item.description
    if item.ephemeral:
        body["ephemeral"] = True
    if item.filename.startswith(SPOILER):
        body["flags"] = IS_SPOILER
    return body


def message(item: Message, world: World, *, depth: int = 1) -> Json:
    """`depth` is how many replied-to messages are written out inside."""
    person = world.person(item.author)
    body: Json = {
        "id": item.id,
        "channel_id": item.channel_id,
        "author": user(person),
        "type": item.type,
        "content": item.content,
        "timestamp": iso(item.timestamp),
        "edited_timestamp": iso(item.edited) if item.edited else None,
        "tts": item.tts,
        "mention_everyone": item.mention_everyone,
        "mentions": [user(world.person(id)) for id in item.mentions],
        "mention_roles": item.mention_roles,
        "attachments": [attachment(a, world) for a in item.attachments],
        "embeds": item.embeds + item.unfurled,
        "components": item.components,
        "pinned": False,
        "flags": item.flags,
    }
    return body | _origin(item) | _reply(item, world, depth=depth)


def _origin(item: Message) -> Json:
    body: Json = {}
    if item.nonce is not None:
        body["nonce"] = item.nonce
    if item.webhook:
        body |= {"webhook_id": people.APPLICATION_ID}
    if item.author == people.APPLICATION_ID:
        body["application_id"] = people.APPLICATION_ID
    if item.interaction:
        body["interaction_metadata"] = item.interaction
        if item.type in (SLASH_REPLY, MENU_REPLY):
            keys = ("id", "type", "name", "user")
            body["interaction"] = {key: item.interaction[key] for key in keys}
    return body


def _reply(item: Message, world: World, *, depth: int) -> Json:
    if item.reference is None:
        return {}
    target = world.messages[item.channel_id].get(item.reference)
    body: Json = {
        "message_reference": {
            "type": 0,
            "channel_id": item.channel_id,
            "message_id": item.reference,
            **guild_of(world.channels[item.channel_id]),
        }
    }
    if depth:
        body["referenced_message"] = target and message(target, world, depth=depth - 1)
    return body


def guild_of(channel: Channel) -> Json:
    return {} if channel.type == DM else {"guild_id": people.GUILD_ID}
