"""What is true in the local Discord: people, channels, messages, commands, rules. No I/O."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bot.emulator import people, permissions
from bot.emulator.channels import DM, GUILD_TEXT, PUBLIC_THREAD, Channel, first_channels
from bot.emulator.clock import Clock, Snowflakes
from bot.emulator.errors import ApiError

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `gateway` events go to bots, all of them to the page."""

    name: str
    data: Json
    channel_id: str | None = None
    only_for: str | None = None
    gateway: bool = True


@dataclass(slots=True)
class Attachment:
    id: str
    filename: str
    content_type: str
    content: bytes
    channel_id: str
    description: str | None = None
    size: tuple[int, int] | None = None
    ephemeral: bool = False
    ends: float | None = None


@dataclass(slots=True)
class Message:
    id: str
    channel_id: str
    author: str
    timestamp: float
    type: int = 0
    content: str = ""
    embeds: list[Json] = field(default_factory=list)
    unfurled: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    flags: int = 0
    edited: float | None = None
    nonce: str | int | None = None
    tts: bool = False
    mentions: list[str] = field(default_factory=list)
    mention_roles: list[str] = field(default_factory=list)
    mention_everyone: bool = False
    reference: str | None = None
    interaction: Json | None = None
    webhook: bool = False
    only_for: str | None = None
    dismissed: bool = False


@dataclass(slots=True)
class Rules:
    """What tests may bend."""

    lost_permissions: dict[str, int] = field(default_factory=dict)
    closed_dms: set[str] = field(default_factory=set)
    old_edits_allowed: int = 0
    old_edit_retry_after: float = 0.5
    max_file_bytes: int = 10 * 1024 * 1024
    identify_total: int = 1000
    # Where the bot is no member: only whoever asked sees what it answers there.
    outside_answers_hidden: bool = False
    # The rule of the house that stops a bot's words: 200000 or 240000.
    automod: int = 0
    # How many of the next events of a name no bot hears.
    lost_events: dict[str, int] = field(default_factory=dict)

    def loses(self, name: str) -> bool:
        left = self.lost_events.get(name, 0)
        self.lost_events[name] = max(0, left - 1)
        return left > 0


class World:
    def __init__(self, *, token: str, clock: Clock | None = None) -> None:
        self.token = token
        self.clock = clock or Clock()
        self.snowflakes = Snowflakes(self.clock)
        self.rules = Rules()
        self.base_url = ""
        self.started = self.clock.now()
        self.people = dict(people.PEOPLE_BY_ID)
        # Who has added the application to their account, to use it anywhere.
        self.installed = {person.id for person in people.MEMBERS}
        self.channels = {channel.id: channel for channel in first_channels()}
        self.messages: dict[str, dict[str, Message]] = {id: {} for id in self.channels}
        self.attachments: dict[str, Attachment] = {}
        self.media: dict[str, str] = {}
        self.commands: dict[str, dict[str, Json]] = {"": {}, people.GUILD_ID: {}}
        self.old_edits = 0
        self._listeners: list[Callable[[Event], None]] = []

    def listen(self, listener: Callable[[Event], None]) -> None:
        self._listeners.append(listener)

    def emit(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)

    def person(self, id: str) -> people.Person:
        if found := self.people.get(id):
            return found
        raise ApiError(10013)

    def channel(self, id: str) -> Channel:
        if found := self.channels.get(id):
            return found
        raise ApiError(10003)

    def message(self, channel_id: str, id: str) -> Message:
        self.channel(channel_id)
        if found := self.messages[channel_id].get(id):
            return found
        raise ApiError(10008)

    def find_message(self, id: str) -> Message:
        for messages in self.messages.values():
            if id in messages:
                return messages[id]
        raise ApiError(10008)

    def direct_channel(self, person_id: str) -> Channel:
        self.person(person_id)
        for channel in self.channels.values():
            if channel.recipient == person_id:
                return channel
        channel = Channel(self.snowflakes.next(), DM, recipient=person_id, guild=None)
        self.channels[channel.id] = channel
        self.messages[channel.id] = {}
        return channel

    def start_thread(self, parent_id: str, name: str, owner: str) -> Channel:
        parent = self.channel(parent_id)
        if parent.type != GUILD_TEXT:
            raise ValueError("threads stand in channels of a server")
        thread = Channel(
            self.snowflakes.next(),
            PUBLIC_THREAD,
            name=name,
            guild=parent.guild,
            parent=parent.id,
            owner=owner,
        )
        self.channels[thread.id] = thread
        self.messages[thread.id] = {}
        return thread

    def rulebook(self, channel: Channel) -> Channel:
        """Whose overwrites hold here: a thread has its parent's."""
        return self.channels.get(channel.parent or "", channel)

    def delete_channel(self, id: str) -> Channel:
        channel = self.channel(id)
        del self.channels[id], self.messages[id]
        return channel

    def permissions(self, person_id: str, channel: Channel) -> int:
        """What this person may do in this channel, overwrites and all."""
        person, channel = self.person(person_id), self.rulebook(channel)
        if channel.direct:
            inside = person.id in (channel.recipient, *channel.members)
            return permissions.DIRECT if inside else 0
        if not channel.home:
            return permissions.EVERYONE
        granted = people.permissions_of(person)
        if granted & permissions.ADMINISTRATOR:
            return granted
        if channel.private_to not in (None, *person.roles):
            granted &= ~permissions.VIEW_CHANNEL
        return granted

    def bot_permissions(self, channel: Channel) -> int:
        """As interactions tell it."""
        if not channel.home:
            return permissions.AWAY
        if channel.type == DM:
            return permissions.DIRECT
        # The bot has the overwrite of every private channel; tests may take things from it.
        granted = people.permissions_of(people.PICTOR)
        return granted & ~self.rules.lost_permissions.get(self.rulebook(channel).id, 0)

    def require(self, channel: Channel, permission: int) -> None:
        """The bot token may do this here, or Discord's 50001, 50013 or 50007."""
        if not channel.home:
            raise ApiError(50001)
        if channel.type == DM:
            if channel.recipient in self.rules.closed_dms:
                raise ApiError(50007)
            return
        granted = self.bot_permissions(channel)
        if not granted & permissions.VIEW_CHANNEL:
            raise ApiError(50001)
        if channel.thread and permission & permissions.SEND_MESSAGES:
            permission ^= permissions.SEND_MESSAGES | permissions.SEND_MESSAGES_IN_THREADS
        if permission & ~granted:
            raise ApiError(50013)

    def can_see(self, person_id: str, channel: Channel) -> bool:
        return person_id in self.people and bool(
            self.permissions(person_id, channel) & permissions.VIEW_CHANNEL
        )

    def visible_messages(self, person_id: str, channel: Channel) -> list[Message]:
        if not self.can_see(person_id, channel):
            return []
        messages = self.messages[channel.id].values()
        return [m for m in messages if m.only_for in (None, person_id) and not m.dismissed]
