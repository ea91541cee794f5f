"""What people do: slash commands, completion, menus, clicks, forms, messages. ValueError says why not."""

from typing import Any

from bot.emulator import commands, payloads, permissions
from bot.emulator.channels import Channel
from bot.emulator.componentrules import SELECTS, walk
from bot.emulator.forms import bounds, filled
from bot.emulator.interaction import (
    AUTOCOMPLETE,
    CHAT_INPUT,
    COMMAND,
    COMPONENT,
    GUILD_INSTALL,
    MESSAGE_MENU,
    MODAL,
    USER_MENU,
    Interaction,
    owners,
)
from bot.emulator.interactions import Interactions
from bot.emulator.links import LIVES_S
from bot.emulator.optionvalues import to_options
from bot.emulator.postings import delete, dismiss, draft, post
from bot.emulator.resolved import KIND_OF_SELECT, about_person, resolve
from bot.emulator.uploads import Body, Upload, store
from bot.emulator.world import Json, Message, World

STRING_SELECT = 3
KINDS = {CHAT_INPUT: "/", USER_MENU: "user menu ", MESSAGE_MENU: "message menu "}


class Actions:
    def __init__(self, world: World, desk: Interactions) -> None:
        self.world, self.desk = world, desk

    def channel(self, person: str, channel_id: str) -> Channel:
        self.world.person(person)
        channel = self.world.channel(channel_id)
        if not self.world.can_see(person, channel):
            raise ValueError("this person cannot see that channel")
        return channel

    def slash(
        self, person: str, channel: Channel, words: str, *, options: dict[str, Any]
    ) -> Interaction:
        """`words` is the command's path, such as "settings speed"."""
        data, owned = self._typed(person, channel, words, options, focused=None)
        interaction = self.desk.open(person, channel, kind=COMMAND, data=data, owners=owned)
        interaction.name = words
        self.desk.announce(interaction)
        return interaction

    def complete(
        self, person: str, channel: Channel, words: str, *, options: dict[str, Any], focused: str
    ) -> Interaction:
        data, owned = self._typed(person, channel, words, options, focused=focused)
        interaction = self.desk.open(person, channel, kind=AUTOCOMPLETE, data=data, owners=owned)
        self.desk.announce(interaction)
        return interaction

    def _typed(
        self,
        person: str,
        channel: Channel,
        words: str,
        options: dict[str, Any],
        *,
        focused: str | None,
    ) -> tuple[Json, Json]:
        """The command's data, and whose installations it goes by."""
        name, *path = words.split()
        command = self._command(person, channel, name, kind=CHAT_INPUT)
        chosen, by_id = to_options(command, path, values=options, focused=focused)
        data = _named(command) | {"options": chosen}
        if by_id:
            data["resolved"] = resolve(self.world, channel, person, by_id)
        return data, self._owners(person, channel, command)

    def _owners(self, person: str, channel: Channel, command: Json) -> Json:
        return owners(channel, person, self.world, types=command["integration_types"])

    def _owners_of(self, message: Message, person: str, channel: Channel) -> Json:
        """A component goes by what the message it stands on went by."""
        by: Json | None = (message.interaction or {}).get("authorizing_integration_owners")
        return by or owners(channel, person, self.world, types=[GUILD_INSTALL])

    def _command(self, person: str, channel: Channel, name: str, *, kind: int) -> Json:
        for command in commands.offered(self.world, person, channel):
            if (command["name"], command["type"]) == (name, kind):
                return command
        raise ValueError(f"there is no command {KINDS[kind]}{name} for this person here")

    def on_message(self, person: str, message_id: str, name: str) -> Interaction:
        """Use a message's menu: Apps, then the command's name."""
        message = self._visible(person, message_id)
        if message.only_for:
            raise ValueError("a message that only one person sees has no apps")
        channel = self.channel(person, message.channel_id)
        command = self._command(person, channel, name, kind=MESSAGE_MENU)
        written = payloads.message(message, self.world)
        return self._menu(person, channel, command, message.id, {"messages": {message.id: written}})

    def on_person(self, person: str, channel: Channel, target: str, name: str) -> Interaction:
        """Use a person's menu: Apps, then the command's name."""
        command = self._command(person, channel, name, kind=USER_MENU)
        about = about_person(self.world, channel, target)
        resolved = {place: {target: found} for place, found in about.items()}
        return self._menu(person, channel, command, target, resolved)

    def _menu(
        self, person: str, channel: Channel, command: Json, target: str, resolved: Json
    ) -> Interaction:
        data = _named(command) | {"target_id": target, "resolved": resolved}
        owned = self._owners(person, channel, command)
        interaction = self.desk.open(person, channel, kind=COMMAND, data=data, owners=owned)
        self.desk.announce(interaction)
        return interaction

    def click(
        self, person: str, message_id: str, custom_id: str, *, values: list[str] | None
    ) -> Interaction:
        """Press a button, or choose `values` in a select."""
        message = self._visible(person, message_id)
        component = _component(message, custom_id)
        data: Json = {"custom_id": custom_id, "component_type": component["type"]}
        data["id"] = component.get("id", 1)
        channel = self.channel(person, message.channel_id)
        if component["type"] in SELECTS:
            data |= self._selected(person, channel, component, values or [])
        owned = self._owners_of(message, person, channel)
        interaction = self.desk.open(person, channel, kind=COMPONENT, data=data, owners=owned)
        interaction.source = message.id
        self.desk.announce(interaction)
        return interaction

    def _selected(self, person: str, channel: Channel, select: Json, values: list[str]) -> Json:
        least, most = bounds(select)
        if not least <= len(values) <= most:
            raise ValueError(f"choose between {least} and {most}")
        if select["type"] == STRING_SELECT:
            known = {option["value"] for option in select["options"]}
            if unknown := set(values) - known:
                raise ValueError(f"the select has no option {sorted(unknown)[0]!r}")
            return {"values": values}
        kind = KIND_OF_SELECT[select["type"]]
        chosen = [(kind, value) for value in values]
        return {"values": values, "resolved": resolve(self.world, channel, person, chosen)}

    def submit(self, person: str, interaction_id: str, values: dict[str, Any]) -> Interaction:
        """Send the modal that answered `interaction_id`, with values by custom id."""
        opener = self.desk.by_id.get(interaction_id)
        if opener is None or opener.modal is None or opener.person != person:
            raise ValueError("no modal is open for this person there")
        components, chosen = filled(opener.modal, values)
        data: Json = {"custom_id": opener.modal["custom_id"], "components": components}
        channel = self.channel(person, opener.channel)
        if chosen:
            data["resolved"] = resolve(self.world, channel, person, chosen)
        interaction = self.desk.open(person, channel, kind=MODAL, data=data, owners=opener.owners)
        interaction.source, interaction.parent = opener.source, opener.metadata(self.world)
        interaction.opener = opener.id
        self.desk.announce(interaction)
        return interaction

    def say(self, person: str, channel: Channel, content: str, *, reply_to: str = "") -> Message:
        if not 1 <= len(content) <= 2000:
            raise ValueError("a message has between 1 and 2000 characters")
        message = draft(self.world, channel, person)
        if reply_to:
            message.type, message.reference = 19, self._visible(person, reply_to).id
        # People here may not ping roles or everyone.
        body = Body({"content": content, "allowed_mentions": {"parse": ["users"]}})
        return post(self.world, message, body)

    def erase(self, person: str, message_id: str) -> None:
        """Delete one's own message, any as a moderator; dismiss what only oneself can see."""
        message = self._visible(person, message_id)
        if message.only_for == person:
            dismiss(self.world, message)
            return
        channel = self.channel(person, message.channel_id)
        granted = self.world.permissions(person, channel)
        if message.author != person and not granted & permissions.MANAGE_MESSAGES:
            raise ValueError("only moderators delete other people's messages")
        delete(self.world, message)

    def upload(self, name: str, content: bytes) -> Json:
        """Keep a file for an option or a form. Its address ends, unlike those of messages here."""
        ends = self.world.clock.now() + LIVES_S
        stored = store(self.world, Upload(name, content), ends=ends)
        return payloads.attachment(stored, self.world)

    def direct(self, person: str) -> Channel:
        return self.world.direct_channel(person)

    def _visible(self, person: str, message_id: str) -> Message:
        message = self.world.find_message(message_id)
        self.channel(person, message.channel_id)
        if message.only_for not in (None, person) or message.dismissed:
            raise ValueError("this person cannot see that message")
        return message


def _named(command: Json) -> Json:
    data = {key: command[key] for key in ("id", "name", "type")}
    return data | ({"guild_id": command["guild_id"]} if "guild_id" in command else {})


def _component(message: Message, custom_id: str) -> Json:
    for component, _ in walk(message.components, ()):
        if component.get("custom_id") == custom_id:
            if component.get("disabled"):
                raise ValueError("this component is disabled")
            return component
    raise ValueError(f"the message has no component {custom_id!r}")
