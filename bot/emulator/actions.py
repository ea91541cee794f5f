"""What people do: slash commands, completion, clicks, modals, messages. ValueError says why not."""

from typing import Any

from bot.emulator import payloads, people
from bot.emulator.componentrules import SELECTS, walk
from bot.emulator.interactions import (
    AUTOCOMPLETE,
    COMMAND,
    COMPONENT,
    MODAL,
    Interaction,
    Interactions,
)
from bot.emulator.optionvalues import to_options
from bot.emulator.postings import delete, draft, post
from bot.emulator.uploads import Body, Upload, store
from bot.emulator.world import Channel, Json, Message, World

STRING_SELECT, LABEL = 3, 18


class Actions:
    def __init__(self, world: World, desk: Interactions) -> None:
        self.world, self.desk = world, desk

    def channel(self, person: str, channel_id: str) -> Channel:
        self.world.person(person)
        channel = self.world.channel(channel_id)
        if not self.world.can_see(person, channel):
            raise ValueError("this person cannot see that channel")
        return channel

    def commands(self, person: str) -> list[Json]:
        """What the slash picker offers this person; a guild's command hides the global one."""
        granted = people.permissions_of(self.world.person(person))
        offered = self.world.commands[""] | self.world.commands[people.GUILD_ID]
        by_name = {(c["name"], c["type"]): c for c in offered.values()}
        return [c for c in by_name.values() if _may_use(c, granted)]

    def slash(
        self, person: str, channel: Channel, words: str, *, options: dict[str, Any]
    ) -> Interaction:
        """`words` is the command's path, such as "settings speed"."""
        data = self._command_data(person, words, options, focused=None)
        interaction = self.desk.open(person, channel, kind=COMMAND, data=data)
        interaction.name = words
        self.desk.announce(interaction)
        return interaction

    def complete(
        self, person: str, channel: Channel, words: str, *, options: dict[str, Any], focused: str
    ) -> Interaction:
        data = self._command_data(person, words, options, focused=focused)
        interaction = self.desk.open(person, channel, kind=AUTOCOMPLETE, data=data)
        self.desk.announce(interaction)
        return interaction

    def _command_data(
        self, person: str, words: str, options: dict[str, Any], *, focused: str | None
    ) -> Json:
        name, *path = words.split()
        command = next(
            (c for c in self.commands(person) if c["name"] == name and c["type"] == 1), None
        )
        if command is None:
            raise ValueError(f"there is no command /{name} for this person")
        chosen, resolved = to_options(self.world, command, path, values=options, focused=focused)
        data: Json = {"id": command["id"], "name": name, "type": 1, "options": chosen}
        if resolved:
            data["resolved"] = resolved
        if "guild_id" in command:
            data["guild_id"] = command["guild_id"]
        return data

    def click(
        self, person: str, message_id: str, custom_id: str, *, values: list[str] | None
    ) -> Interaction:
        """Press a button, or choose `values` in a select."""
        message = self._visible(person, message_id)
        component = _component(message, custom_id)
        data: Json = {"custom_id": custom_id, "component_type": component["type"]}
        data["id"] = component.get("id", 1)
        if component["type"] in SELECTS:
            data |= self._selected(component, values or [])
        channel = self.channel(person, message.channel_id)
        interaction = self.desk.open(person, channel, kind=COMPONENT, data=data)
        interaction.source = message.id
        self.desk.announce(interaction)
        return interaction

    def _selected(self, select: Json, values: list[str]) -> Json:
        least, most = select.get("min_values", 1), select.get("max_values", 1)
        if not least <= len(values) <= most:
            raise ValueError(f"choose between {least} and {most}")
        if select["type"] == STRING_SELECT:
            known = {option["value"] for option in select["options"]}
            if unknown := set(values) - known:
                raise ValueError(f"the select has no option {sorted(unknown)[0]!r}")
            return {"values": values}
        return {"values": values, "resolved": self._resolved(values)}

    def _resolved(self, ids: list[str]) -> Json:
        found = [self.world.people[id] for id in ids if id in self.world.people]
        return {
            "users": {person.id: payloads.user(person) for person in found},
            "members": {person.id: payloads.member(person) for person in found},
        }

    def submit(self, person: str, interaction_id: str, values: dict[str, str]) -> Interaction:
        """Send the modal that answered `interaction_id`, with values by custom id."""
        opener = self.desk.by_id.get(interaction_id)
        if opener is None or opener.modal is None or opener.person != person:
            raise ValueError("no modal is open for this person there")
        components = [_filled(row, values) for row in opener.modal["components"]]
        data = {"custom_id": opener.modal["custom_id"], "components": components}
        channel = self.channel(person, opener.channel)
        interaction = self.desk.open(person, channel, kind=MODAL, data=data)
        interaction.source, interaction.parent = opener.source, opener.metadata()
        opener.modal = None
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
        granted = people.permissions_of(self.world.person(person))
        own = message.author == person or message.only_for == person
        if not own and not granted & people.MANAGE_MESSAGES:
            raise ValueError("only moderators delete other people's messages")
        delete(self.world, message)

    def upload(self, channel: Channel, name: str, content: bytes) -> Json:
        stored = store(self.world, channel.id, Upload(name, content))
        return payloads.attachment(stored, self.world)

    def direct(self, person: str) -> Channel:
        return self.world.direct_channel(person)

    def _visible(self, person: str, message_id: str) -> Message:
        message = self.world.find_message(message_id)
        self.channel(person, message.channel_id)
        if message.only_for not in (None, person):
            raise ValueError("this person cannot see that message")
        return message


def _may_use(command: Json, granted: int) -> bool:
    wanted = command["default_member_permissions"]
    return wanted is None or (int(wanted) != 0 and granted & int(wanted) == int(wanted))


def _component(message: Message, custom_id: str) -> Json:
    for component, _ in walk(message.components, ()):
        if component.get("custom_id") == custom_id:
            if component.get("disabled"):
                raise ValueError("this component is disabled")
            return component
    raise ValueError(f"the message has no component {custom_id!r}")


def _filled(container: Json, values: dict[str, str]) -> Json:
    """A modal's row or label as it is sent back."""
    if container["type"] == LABEL:
        return {
            "type": LABEL,
            "id": container.get("id", 1),
            "component": _filled_field(container["component"], values),
        }
    children = [_filled_field(child, values) for child in container.get("components", [])]
    return {"type": container["type"], "id": container.get("id", 1), "components": children}


def _filled_field(field: Json, values: dict[str, str]) -> Json:
    custom_id = field["custom_id"]
    value = values.get(custom_id, field.get("value") or "")
    filled: Json = {"type": field["type"], "id": field.get("id", 1), "custom_id": custom_id}
    if field["type"] in SELECTS:
        return filled | {"values": [value] if value else []}
    if field.get("required", True) and not value:
        raise ValueError(f"{field.get('label') or custom_id} is required")
    if value and len(value) < (field.get("min_length") or 0):
        raise ValueError(f"{custom_id} is shorter than {field['min_length']}")
    if len(value) > (field.get("max_length") or 4000):
        raise ValueError(f"{custom_id} is longer than {field.get('max_length') or 4000}")
    return filled | {"value": value}
