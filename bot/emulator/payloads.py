"""How Discord writes things in JSON: guilds, the application, messages and what is attached to them.

People stand in portraits, channels in places; both can be had from here.
"""

from bot.emulator import people
from bot.emulator.channels import GUILD_TEXT
from bot.emulator.clock import iso
from bot.emulator.links import address
from bot.emulator.places import channel, guild_of
from bot.emulator.portraits import JOINED, member, myself, resolved_member, role, user
from bot.emulator.world import Attachment, Json, Message, World

__all__ = ["channel", "guild_of", "member", "myself", "resolved_member", "role", "user"]

SLASH_REPLY, MENU_REPLY = 20, 23
SPOILER, IS_SPOILER = "SPOILER_", 1 << 3


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
    home = [each for each in world.channels.values() if each.home]
    return guild(world) | {
        "unavailable": False,
        "large": False,
        "joined_at": JOINED,
        "member_count": len(people.PEOPLE),
        "members": [member(person) for person in present],
        "channels": [channel(c, world) for c in home if c.type == GUILD_TEXT],
        "threads": [channel(c, world) for c in home if c.thread and not c.archived],
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
        "approximate_user_install_count": len(people.MEMBERS),
        "integration_types_config": {"0": {}, "1": {}},
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
