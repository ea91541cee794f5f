"""One interaction: what was done, what bots are told of it, what the page is told of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from bot.emulator import goods, payloads, people
from bot.emulator.channels import DM, Channel
from bot.emulator.store import Store
from bot.emulator.world import Json, World

FILE_LIMIT = 10 * 1024 * 1024
GUILD_INSTALL, USER_INSTALL = 0, 1
CHAT_INPUT, USER_MENU, MESSAGE_MENU = 1, 2, 3
COMMAND, COMPONENT, AUTOCOMPLETE, MODAL = 2, 3, 4, 5

State = Literal["pending", "answered", "failed"]


@dataclass(slots=True)
class Interaction:
    id: str
    token: str
    type: int
    person: str
    channel: str
    opened: float
    data: Json
    name: str = ""
    source: str | None = None
    state: State = "pending"
    original: str | None = None
    private: bool = False
    choices: list[Json] | None = None
    modal: Json | None = None
    opener: str | None = None
    parent: Json | None = None
    error: str = ""
    owners: Json = field(default_factory=dict)
    followed_up: int = 0
    answered: float | None = None

    @property
    def away(self) -> bool:
        """It goes by an account's installation alone, in a place that the bot is no member of."""
        return "0" not in self.owners

    @property
    def menu(self) -> bool:
        """Opened from the menu of a message or a person."""
        return self.type == COMMAND and self.data.get("type") in (USER_MENU, MESSAGE_MENU)

    def metadata(self, world: World) -> Json:
        """What stands on the messages that answer it."""
        body: Json = {
            "id": self.id,
            "type": self.type,
            "user": payloads.user(world.person(self.person)),
            "authorizing_integration_owners": self.owners,
        }
        if self.type == COMMAND:
            body |= {"name": self.name, "command_type": self.data.get("type", CHAT_INPUT)}
            body |= self._target(world)
        if self.type == COMPONENT:
            body["interacted_message_id"] = self.source
        if self.type == MODAL:
            body["triggering_interaction_metadata"] = self.parent
        return body

    def _target(self, world: World) -> Json:
        target = self.data.get("target_id")
        if self.data.get("type") == USER_MENU:
            return {"target_user": payloads.user(world.person(str(target)))}
        return {"target_message_id": target} if target else {}


def owners(channel: Channel, person: str, world: World, *, types: Sequence[int]) -> Json:
    """Whose installations an interaction goes by: this server's ("0" in the bot's direct messages), and
    the account's of whoever added the application to it. `types` are those that the command names."""
    found: Json = {}
    if channel.home and GUILD_INSTALL in types:
        found["0"] = "0" if channel.type == DM else people.GUILD_ID
    if USER_INSTALL in types and person in world.installed:
        found["1"] = person
    return found


def payload(interaction: Interaction, world: World, store: Store) -> Json:
    """INTERACTION_CREATE as bots receive it."""
    channel = world.channel(interaction.channel)
    held = store.held(interaction.person, payloads.guild_of(channel).get("guild_id"))
    granted = str(world.permissions(interaction.person, channel))
    body: Json = {
        "id": interaction.id,
        "application_id": people.APPLICATION_ID,
        "type": interaction.type,
        "token": interaction.token,
        "version": 1,
        "data": interaction.data,
        "channel_id": channel.id,
        "channel": payloads.channel(channel, world) | {"permissions": granted},
        "locale": "en-US",
        "entitlements": [goods.entitlement(each) for each in held],
        "entitlement_sku_ids": [each.sku for each in held],
        "attachment_size_limit": FILE_LIMIT,
        "authorizing_integration_owners": interaction.owners,
        "app_permissions": str(world.bot_permissions(channel)),
        "context": channel.context,
    }
    return body | _who(interaction, channel, world) | _source(interaction, world)


def _who(interaction: Interaction, channel: Channel, world: World) -> Json:
    person = world.person(interaction.person)
    if channel.direct:
        return {"user": payloads.user(person)}
    member = payloads.member(person, permissions=world.permissions(person.id, channel))
    return {
        "guild_id": channel.guild,
        "guild": {"id": channel.guild, "locale": "en-US", "features": []},
        "guild_locale": "en-US",
        # The roles that people have here are this server's; they have none elsewhere.
        "member": member if channel.home else member | {"roles": []},
    }


def _source(interaction: Interaction, world: World) -> Json:
    """The message whose component was used, or under which a form was opened."""
    found = world.messages[interaction.channel].get(interaction.source or "")
    return {"message": payloads.message(found, world)} if found else {}


def describe(interaction: Interaction) -> Json:
    """For the page and the tests."""
    return {
        "id": interaction.id,
        "type": interaction.type,
        "name": interaction.name,
        "menu": interaction.menu,
        "channel_id": interaction.channel,
        "user_id": interaction.person,
        "state": interaction.state,
        "error": interaction.error,
        "message_id": interaction.original,
        "source_id": interaction.source,
        "custom_id": interaction.data.get("custom_id"),
        "modal": interaction.modal,
    }
