"""Interactions: opened by a person, acknowledged within 3 s, spoken through for 15 minutes."""

import secrets
from collections.abc import Callable

from bot.emulator import payloads, people
from bot.emulator.channels import Channel
from bot.emulator.errors import ApiError, Problem
from bot.emulator.forms import numbered
from bot.emulator.interaction import (
    AUTOCOMPLETE,
    COMMAND,
    COMPONENT,
    MODAL,
    Interaction,
    State,
    describe,
    payload,
)
from bot.emulator.postings import (
    EPHEMERAL,
    LOADING,
    draft,
    edit,
    post,
    publish,
)
from bot.emulator.store import Store
from bot.emulator.uploads import Body
from bot.emulator.world import Event, Json, Message, World

ACK_WITHIN_S = 3.0
TOKEN_LIVES_S = 15 * 60.0
MOST_FOLLOW_UPS_AWAY = 5
REPLY, DEFER, DEFER_UPDATE, UPDATE, CHOICES, SHOW_MODAL = 4, 5, 6, 7, 8, 9
ALLOWED_REPLIES = {
    COMMAND: {REPLY, DEFER, SHOW_MODAL},
    COMPONENT: {REPLY, DEFER, DEFER_UPDATE, UPDATE, SHOW_MODAL},
    AUTOCOMPLETE: {CHOICES},
    MODAL: {REPLY, DEFER, DEFER_UPDATE, UPDATE},
}


class Interactions:
    def __init__(self, world: World, store: Store) -> None:
        self.world, self.store = world, store
        self.by_id: dict[str, Interaction] = {}
        self.by_token: dict[str, Interaction] = {}
        self._pending: dict[str, Interaction] = {}
        self.watchers: list[Callable[[Interaction], None]] = []

    def open(
        self, person: str, channel: Channel, *, kind: int, data: Json, owners: Json
    ) -> Interaction:
        self.store.sweep()
        interaction = Interaction(
            id=self.world.snowflakes.next(),
            token=secrets.token_urlsafe(48),
            type=kind,
            person=person,
            channel=channel.id,
            opened=self.world.clock.now(),
            data=data,
            name=str(data.get("name", "")),
            owners=owners,
        )
        self.by_id[interaction.id] = interaction
        self.by_token[interaction.token] = interaction
        self._pending[interaction.id] = interaction
        return interaction

    def announce(self, interaction: Interaction) -> None:
        self._tell_page(interaction)
        self.world.emit(
            Event(
                "INTERACTION_CREATE",
                payload(interaction, self.world, self.store),
                channel_id=interaction.channel,
                only_for=interaction.person,
            )
        )

    def sweep(self) -> None:
        """Whatever was not acknowledged in time has failed, and its person is told."""
        late = self.world.clock.now() - ACK_WITHIN_S
        for interaction in list(self._pending.values()):
            if interaction.opened <= late:
                self._set_state(interaction, "failed", "The application did not respond")

    def respond(self, id: str, token: str, body: Body) -> Interaction:
        """The first answer. Raises 10062 when late or unknown, 40060 when it is not the first."""
        interaction = self.by_id.get(id)
        self.sweep()
        if interaction is None or interaction.token != token or interaction.state == "failed":
            raise ApiError(10062)
        if interaction.state == "answered":
            raise ApiError(40060)
        self._answer(interaction, body)
        interaction.answered = self.world.clock.now()
        self._set_state(interaction, "answered")
        if interaction.opener:
            # Only now: a form that got no answer stays open, to be sent once more.
            self.by_id[interaction.opener].modal = None
        return interaction

    def objections(self, id: str, kind: int) -> list[Problem]:
        """A kind of answer that an interaction of this type does not take, such as a second form."""
        interaction = self.by_id.get(id)
        if interaction is None or interaction.state != "pending":
            return []
        allowed = ALLOWED_REPLIES[interaction.type]
        if interaction.source is None:
            allowed = allowed - {UPDATE, DEFER_UPDATE}
        if kind in allowed:
            return []
        sentence = f"Value must be one of {{{', '.join(map(str, sorted(allowed)))}}}."
        return [Problem(("type",), "BASE_TYPE_CHOICES", sentence)]

    def _answer(self, interaction: Interaction, body: Body) -> None:
        kind, data = body.json["type"], body.json.get("data") or {}
        inner = Body(data, body.files)
        if kind in (REPLY, DEFER):
            self._reply(interaction, inner, loading=kind == DEFER)
        elif kind in (UPDATE, DEFER_UPDATE):
            interaction.original = interaction.source
            if kind == UPDATE and interaction.source:
                edit(self.world, self.world.find_message(interaction.source), inner)
        elif kind == CHOICES:
            interaction.choices = data.get("choices") or []
        elif kind == SHOW_MODAL:
            interaction.modal = numbered(data)

    def _reply(self, interaction: Interaction, body: Body, *, loading: bool) -> None:
        message = self._draft(interaction, body.json.get("flags") or 0)
        interaction.private = bool(message.only_for)
        if interaction.type == COMMAND:
            message.type = payloads.MENU_REPLY if interaction.menu else payloads.SLASH_REPLY
        elif interaction.source:
            message.type, message.reference = 19, interaction.source
        if loading:
            message.flags |= LOADING
            publish(self.world, message)
        else:
            post(self.world, message, body)
        interaction.original = message.id

    def _draft(self, interaction: Interaction, flags: int) -> Message:
        channel = self.world.channel(interaction.channel)
        message = draft(self.world, channel, people.APPLICATION_ID)
        message.webhook = True
        message.interaction = interaction.metadata(self.world)
        hidden = interaction.away and self.world.rules.outside_answers_hidden
        if flags & EPHEMERAL or hidden:
            message.flags |= EPHEMERAL
            message.only_for = interaction.person
        return message

    def through(self, application_id: str, token: str) -> Interaction:
        """The interaction behind a webhook token: 10015 if there is none, 50027 once too old."""
        self.sweep()
        interaction = self.by_token.get(token)
        if interaction is None or application_id != people.APPLICATION_ID:
            raise ApiError(10015)
        if self.world.clock.now() - interaction.opened > TOKEN_LIVES_S:
            raise ApiError(50027)
        if interaction.state != "answered":
            raise ApiError(10015)
        self.world.channel(interaction.channel)
        return interaction

    def follow_up(self, interaction: Interaction, body: Body) -> Message:
        """A further message; the first one after a deferral takes the place of "thinking"."""
        original = self._original_if_there(interaction)
        if original is not None and original.flags & LOADING:
            return edit(self.world, original, body)
        interaction.followed_up += 1
        if interaction.away and interaction.followed_up > MOST_FOLLOW_UPS_AWAY:
            raise ApiError(40094)
        message = self._draft(interaction, body.json.get("flags") or 0)
        if original is not None:
            message.type, message.reference = 19, original.id
            metadata = interaction.metadata(self.world) | {
                "original_response_message_id": original.id
            }
            message.interaction = metadata
        return post(self.world, message, body)

    def reached(self, interaction: Interaction, message_id: str) -> Message:
        """A message that this token may read, edit and delete."""
        if message_id == "@original":
            message = self._original_if_there(interaction)
            if message is None:
                raise ApiError(10008)
            return message
        message = self.world.message(interaction.channel, message_id)
        ours = (message.interaction or {}).get("id") == interaction.id
        if not ours and message.id != interaction.source:
            raise ApiError(10008)
        return message

    def _original_if_there(self, interaction: Interaction) -> Message | None:
        messages = self.world.messages[interaction.channel]
        return messages.get(interaction.original or "")

    def _set_state(self, interaction: Interaction, state: State, error: str = "") -> None:
        interaction.state, interaction.error = state, error
        self._pending.pop(interaction.id, None)
        for watcher in self.watchers:
            watcher(interaction)
        self._tell_page(interaction)

    def _tell_page(self, interaction: Interaction) -> None:
        if interaction.type == AUTOCOMPLETE:
            return
        self.world.emit(
            Event(
                "INTERACTION_STATE",
                describe(interaction),
                channel_id=interaction.channel,
                only_for=interaction.person,
                gateway=False,
            )
        )
