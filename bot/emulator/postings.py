"""Writing, editing and deleting messages: what a body becomes once it is in a channel."""

import re
from dataclasses import fields, replace

from bot.emulator import payloads, people
from bot.emulator.channels import Channel
from bot.emulator.errors import ApiError, Problem, invalid_body
from bot.emulator.layoutrules import is_layout, words_of
from bot.emulator.layouts import shown_components
from bot.emulator.media import shown_embed, unfurled
from bot.emulator.uploads import Body, store
from bot.emulator.world import Attachment, Event, Json, Message, World

SUPPRESS_EMBEDS = 1 << 2
EPHEMERAL = 1 << 6
LOADING = 1 << 7
SILENT = 1 << 12
VOICE = 1 << 13
COMPONENTS_V2 = 1 << 15
SETTABLE_FLAGS = SUPPRESS_EMBEDS | SILENT | VOICE | COMPONENTS_V2

OLD_AFTER_S = 3600
NONCE_MEMORY_S = 300


def post(world: World, draft: Message, body: Body) -> Message:
    """Fill the draft from the body and put it in its channel. Says the same nonce only once."""
    _pass_automod(world, draft)
    if body.json.get("enforce_nonce") and (earlier := _same_nonce(world, draft, body)):
        return earlier
    _fill(world, draft, body)
    draft.nonce = body.json.get("nonce")
    draft.tts = bool(body.json.get("tts"))
    require_substance(draft)
    return publish(world, draft)


def publish(world: World, message: Message) -> Message:
    channel = world.channel(message.channel_id)
    if channel.archived:
        _reopen(world, channel)
    world.messages[message.channel_id][message.id] = message
    channel.last_message_id = message.id
    announce(world, "MESSAGE_CREATE", message)
    return message


def edit(world: World, message: Message, body: Body) -> Message:
    """Change what the body names. The first edit of a "thinking" message is its arrival."""
    if world.channel(message.channel_id).archived:
        raise ApiError(50083)
    _pass_automod(world, message)
    changed = replace(message, flags=message.flags & ~LOADING)
    _fill(world, changed, body)
    _require_one_kind(changed)
    require_substance(changed)
    if not message.flags & LOADING:
        changed.edited = world.clock.now()
    for each in fields(Message):
        setattr(message, each.name, getattr(changed, each.name))
    announce(world, "MESSAGE_UPDATE", message)
    return message


def _reopen(world: World, thread: Channel) -> None:
    """Words in an archived thread open it again, unless it is locked."""
    if thread.locked:
        raise ApiError(50083)
    thread.archived = False
    tell_thread(world, "THREAD_UPDATE", thread)


def tell_thread(world: World, name: str, thread: Channel) -> None:
    world.emit(Event(name, payloads.channel(thread, world), channel_id=thread.id))


def delete(world: World, message: Message) -> None:
    if world.channel(message.channel_id).archived:
        raise ApiError(50083)
    del world.messages[message.channel_id][message.id]
    channel = world.channel(message.channel_id)
    data = {"id": message.id, "channel_id": channel.id, **payloads.guild_of(channel)}
    world.emit(_event("MESSAGE_DELETE", data, message))


def dismiss(world: World, message: Message) -> None:
    """Its person looks no more at it. Discord does not hear of that, and bots may go on editing."""
    message.dismissed = True
    data = {"id": message.id, "channel_id": message.channel_id}
    world.emit(_event("MESSAGE_DELETE", data, message))


def announce(world: World, name: str, message: Message) -> None:
    if message.dismissed:
        return
    channel = world.channel(message.channel_id)
    data = payloads.message(message, world) | payloads.guild_of(channel)
    data["channel_type"] = channel.type
    if not channel.direct:
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


def _pass_automod(world: World, message: Message) -> None:
    ours = message.author == people.APPLICATION_ID
    if world.rules.automod and ours and not world.channel(message.channel_id).direct:
        raise ApiError(world.rules.automod)


def require_young(world: World, message: Message) -> None:
    """Discord's unpublished budget for edits of messages older than an hour."""
    if world.clock.now() - message.timestamp < OLD_AFTER_S:
        return
    if world.old_edits >= world.rules.old_edits_allowed:
        raise ApiError(30046, retry_after=world.rules.old_edit_retry_after)
    world.old_edits += 1


def _require_one_kind(message: Message) -> None:
    """Layout or words and embeds, never both. A message that is a layout stays one."""
    if not message.flags & COMPONENTS_V2:
        if is_layout(message.components):
            sentence = "These components need the flag of components v2"
            raise invalid_body([Problem(("components",), "UNION_TYPE_CHOICES", sentence)])
    elif message.content or message.embeds:
        raise invalid_body([legacy_beside_layout(())])


def legacy_beside_layout(path: tuple[str | int, ...]) -> Problem:
    sentence = "The components v2 flag forbids content and embeds; an edit that sets it nulls both"
    code = "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"
    return Problem((*path, "content"), code, sentence)


def require_substance(message: Message) -> None:
    if message.flags & COMPONENTS_V2:
        # Files that no component shows are not seen.
        if not message.components:
            raise ApiError(50006)
    elif not (message.content or message.embeds or message.attachments or message.components):
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
        message.unfurled = unfurled(world, message.content)
    if "embeds" in change:
        message.embeds = [shown_embed(world, message, e) for e in change["embeds"] or []]
    if "components" in change:
        message.components = shown_components(world, message, change["components"] or [])
    if "content" in change or "components" in change:
        _mention(world, message, change.get("allowed_mentions"))
    if change.get("flags") is not None:
        kept = message.flags & ~(SETTABLE_FLAGS & ~COMPONENTS_V2)
        message.flags = kept | (change["flags"] & SETTABLE_FLAGS)


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
            kept_for = None if message.only_for else message.channel_id
            attachments.append(store(world, upload, channel_id=kept_for, about=each))
    return attachments


def _mention(world: World, message: Message, allowed: Json | None) -> None:
    parse = {"users", "roles", "everyone"} if allowed is None else set(allowed.get("parse") or ())
    named = {str(id) for id in (allowed or {}).get("users") or ()}
    said = f"{message.content}\n{words_of(message.components)}"
    found = dict.fromkeys(re.findall(r"<@!?(\d+)>", said))
    message.mentions = [
        id for id in found if id in world.people and ("users" in parse or id in named)
    ]
    roles = {role.id for role in people.ROLES}
    found = dict.fromkeys(re.findall(r"<@&(\d+)>", said))
    message.mention_roles = [id for id in found if id in roles and "roles" in parse]
    message.mention_everyone = "everyone" in parse and bool(re.search(r"@(everyone|here)\b", said))


def draft(world: World, channel: Channel, author: str) -> Message:
    return Message(
        id=world.snowflakes.next(),
        channel_id=channel.id,
        author=author,
        timestamp=world.clock.now(),
    )
