"""Writing, editing and deleting messages: what a body becomes once it is in a channel."""

import hashlib
import mimetypes
import re
import struct
from dataclasses import dataclass, field

from bot.emulator import payloads, people
from bot.emulator.errors import ApiError
from bot.emulator.world import DM, Attachment, Channel, Event, Json, Message, World

SUPPRESS_EMBEDS = 1 << 2
EPHEMERAL = 1 << 6
LOADING = 1 << 7
SILENT = 1 << 12
VOICE = 1 << 13
COMPONENTS_V2 = 1 << 15
SETTABLE_FLAGS = SUPPRESS_EMBEDS | SILENT | VOICE | COMPONENTS_V2

OLD_AFTER_S = 3600
NONCE_MEMORY_S = 300


@dataclass(frozen=True, slots=True)
class Upload:
    filename: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Body:
    """What a request carried: its JSON and its files by index."""

    json: Json = field(default_factory=dict)
    files: dict[int, Upload] = field(default_factory=dict)


def post(world: World, draft: Message, body: Body) -> Message:
    """Fill the draft from the body and put it in its channel. Says the same nonce only once."""
    if body.json.get("enforce_nonce") and (earlier := _same_nonce(world, draft, body)):
        return earlier
    _fill(world, draft, body)
    draft.nonce = body.json.get("nonce")
    draft.tts = bool(body.json.get("tts"))
    require_substance(draft)
    return publish(world, draft)


def publish(world: World, message: Message) -> Message:
    world.messages[message.channel_id][message.id] = message
    world.channel(message.channel_id).last_message_id = message.id
    announce(world, "MESSAGE_CREATE", message)
    return message


def edit(world: World, message: Message, body: Body) -> Message:
    """Change what the body names. The first edit of a "thinking" message is its arrival."""
    arriving = bool(message.flags & LOADING)
    message.flags &= ~LOADING
    _fill(world, message, body)
    require_substance(message)
    if not arriving:
        message.edited = world.clock.now()
    announce(world, "MESSAGE_UPDATE", message)
    return message


def delete(world: World, message: Message) -> None:
    del world.messages[message.channel_id][message.id]
    channel = world.channel(message.channel_id)
    data = {"id": message.id, "channel_id": channel.id, **payloads.guild_of(channel)}
    world.emit(_event("MESSAGE_DELETE", data, message))


def announce(world: World, name: str, message: Message) -> None:
    channel = world.channel(message.channel_id)
    data = payloads.message(message, world) | payloads.guild_of(channel)
    data["channel_type"] = channel.type
    if channel.type != DM:
        member = payloads.member(world.person(message.author))
        data["member"] = {key: value for key, value in member.items() if key != "user"}
    world.emit(_event(name, data, message))


def _event(name: str, data: Json, message: Message) -> Event:
    # A bot hears nothing over the gateway about messages that only one person sees.
    return Event(
        name,
        data,
        channel_id=message.channel_id,
        only_for=message.only_for,
        gateway=message.only_for is None,
    )


def require_young(world: World, message: Message) -> None:
    """Discord's unpublished budget for edits of messages older than an hour."""
    if world.clock.now() - message.timestamp < OLD_AFTER_S:
        return
    if world.old_edits >= world.rules.old_edits_allowed:
        raise ApiError(30046, retry_after=world.rules.old_edit_retry_after)
    world.old_edits += 1


def require_substance(message: Message) -> None:
    if not (message.content or message.embeds or message.attachments or message.components):
        raise ApiError(50006)


def _same_nonce(world: World, draft: Message, body: Body) -> Message | None:
    nonce, recent = body.json.get("nonce"), world.clock.now() - NONCE_MEMORY_S
    for message in world.messages[draft.channel_id].values():
        if message.nonce == nonce and message.author == draft.author:
            return message if message.timestamp >= recent else None
    return None


def _fill(world: World, message: Message, body: Body) -> None:
    change = body.json
    if "attachments" in change or body.files:
        message.attachments = _attach(world, message, body)
    if "content" in change:
        message.content = change["content"] or ""
        _mention(world, message, change.get("allowed_mentions"))
    if "embeds" in change:
        message.embeds = [_embed(world, message, e) for e in change["embeds"] or []]
    if "components" in change:
        message.components = _numbered(change["components"] or [])
    if change.get("flags") is not None:
        message.flags = (message.flags & ~SETTABLE_FLAGS) | (change["flags"] & SETTABLE_FLAGS)


def _attach(world: World, message: Message, body: Body) -> list[Attachment]:
    wanted = body.json.get("attachments")
    if wanted is None:
        wanted = [{"id": index} for index in body.files]
    kept = {item.id: item for item in message.attachments}
    attachments = []
    for each in wanted:
        if str(each["id"]) in kept:
            attachments.append(kept[str(each["id"])])
        elif (upload := body.files.get(int(each["id"]))) is not None:
            attachments.append(store(world, message.channel_id, upload, each))
    return attachments


def store(world: World, channel_id: str, upload: Upload, about: Json) -> Attachment:
    """Keep a file at a CDN-like address."""
    if len(upload.content) > world.rules.max_file_bytes:
        raise ApiError(40005)
    name = about.get("filename") or upload.filename
    item = Attachment(
        id=world.snowflakes.next(),
        filename=re.sub(r"[^\w.\-]", "_", name),
        content_type=mimetypes.guess_type(name)[0] or "application/octet-stream",
        content=upload.content,
        channel_id=channel_id,
        description=about.get("description"),
        size=picture_size(upload.content),
    )
    world.attachments[item.id] = item
    return item


def picture_size(content: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG, GIF or WebP, from its first bytes."""
    if content[:8] == b"\x89PNG\r\n\x1a\n" and len(content) >= 24:
        return struct.unpack(">II", content[16:24])
    if content[:4] == b"GIF8" and len(content) >= 10:
        return struct.unpack("<HH", content[6:10])
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP" and len(content) >= 30:
        return _webp_size(content)
    return None


def _webp_size(content: bytes) -> tuple[int, int] | None:
    kind = content[12:16]
    if kind == b"VP8X":
        return (
            int.from_bytes(content[24:27], "little") + 1,
            int.from_bytes(content[27:30], "little") + 1,
        )
    if kind == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    width, height = struct.unpack("<HH", content[26:30])
    return width & 0x3FFF, height & 0x3FFF


def _embed(world: World, message: Message, embed: Json) -> Json:
    shown = {"type": "rich", **embed}
    for slot in ("image", "thumbnail"):
        if (shown.get(slot) or {}).get("url"):
            shown[slot] = _picture(world, message, shown[slot])
    for slot in ("author", "footer"):
        if url := (shown.get(slot) or {}).get("icon_url"):
            proxied = _picture(world, message, {"url": url})
            shown[slot] = shown[slot] | {
                "icon_url": proxied["url"],
                "proxy_icon_url": proxied["proxy_url"],
            }
    return shown


def _picture(world: World, message: Message, picture: Json) -> Json:
    url = str(picture["url"])
    if url.startswith("attachment://"):
        name = url.removeprefix("attachment://")
        for item in message.attachments:
            if item.filename == name:
                found = payloads.attachment(item, world)
                keys = ("url", "proxy_url", "width", "height")
                return picture | {key: found[key] for key in keys if key in found}
    return picture | {"url": url, "proxy_url": proxied(world, url)}


def proxied(world: World, url: str) -> str:
    """The address at which this server hands out a picture from elsewhere, as Discord does."""
    key = hashlib.sha256(url.encode()).hexdigest()[:32]
    world.media[key] = url
    return f"{world.base_url}/media/{key}"


def _numbered(components: list[Json]) -> list[Json]:
    counter = iter(range(1, 1000))

    def number(component: Json) -> Json:
        numbered = {**component, "id": component.get("id") or next(counter)}
        for slot in ("components", "items"):
            if slot in numbered and slot == "components":
                numbered[slot] = [number(child) for child in numbered[slot]]
        return numbered

    return [number(component) for component in components]


def _mention(world: World, message: Message, allowed: Json | None) -> None:
    parse = {"users", "roles", "everyone"} if allowed is None else set(allowed.get("parse") or ())
    named = {str(id) for id in (allowed or {}).get("users") or ()}
    found = dict.fromkeys(re.findall(r"<@!?(\d+)>", message.content))
    message.mentions = [
        id for id in found if id in world.people and ("users" in parse or id in named)
    ]
    roles = {role.id for role in people.ROLES}
    found = dict.fromkeys(re.findall(r"<@&(\d+)>", message.content))
    message.mention_roles = [id for id in found if id in roles and "roles" in parse]
    message.mention_everyone = "everyone" in parse and bool(
        re.search(r"@(everyone|here)\b", message.content)
    )


def draft(world: World, channel: Channel, author: str) -> Message:
    return Message(
        id=world.snowflakes.next(),
        channel_id=channel.id,
        author=author,
        timestamp=world.clock.now(),
    )
