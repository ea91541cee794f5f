"""From Discord's interaction to our words and back: who asks, where the answer goes, how a no is said."""

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import discord
from discord import app_commands

from bot import workload
from bot.answers import blocked_card, fault_card, notice_card, outdated_card, refusal_card
from bot.buttons import Press, read_press
from bot.cards import DRAWING, Card
from bot.confirmcards import opening_card
from bot.courier import Courier
from bot.layouts import layout_of
from bot.letters import edited_fields, shown_fields
from bot.whereabouts import late_notes, member_of, require_room, route_to
from shared.errors import Fault, Refusal
from shared.jobs import Route
from shared.orders import Person, PromptBlocked, Receipt, Venue
from shared.plans import PlanBook

log = logging.getLogger(__name__)

# Discord's codes: the interaction ran out, or another process of ours was first.
PAST_ANSWERING = frozenset({10062, 40060})
# Of these a refusal says that nothing was charged; the others cost nothing anyway.
PRICED = frozenset({"imagine", "blend", "cancel"})
Interaction = discord.Interaction[Any]
Handler = Callable[[Interaction, Press], Awaitable[None]]  # of a button, or of a form sent in


class Reception:
    def __init__(self, book: PlanBook, plan_roles: Mapping[str, str], courier: Courier) -> None:
        self._book = book
        self._plan_roles = dict(plan_roles)
        self._courier = courier

    async def person(self, interaction: Interaction) -> Person:
        user, bought = interaction.user, self._bought(interaction)
        # Elsewhere anybody may have given themselves a role by any name.
        if not member_of(interaction):
            return Person(str(user.id), user.display_name, self._book.weightiest(bought).name)
        return await self.person_of(user, also=bought)

    async def person_of(
        self, user: discord.User | discord.Member, also: Sequence[str] = ()
    ) -> Person:
        """`also` are plans that something else than a role gives."""
        roles = tuple(str(role) for role in user._roles) if isinstance(user, discord.Member) else ()
        guild_id = str(user.guild.id) if isinstance(user, discord.Member) else None
        here = self._book.given(guild_id=guild_id, roles=roles)
        bought = self.plan_of(await role_names(user))
        plan = self._book.weightiest((bought, *here, *also)).name
        return Person(str(user.id), user.display_name, plan, roles)

    def _bought(self, interaction: Interaction) -> list[str]:
        """Plans that Discord says are paid for, of this person or this server: it signs each interaction."""
        skus = [
            self._book.skus.get(str(one.sku_id))
            for one in interaction.entitlements
            if not one.deleted and not one.is_expired()
        ]
        return [sku.plan for sku in skus if sku is not None and sku.plan is not None]

    def plan_of(self, roles: Sequence[str]) -> str:
        """The weightiest plan that one of the roles buys."""
        bought = [self._plan_roles[role] for role in roles if role in self._plan_roles]
        plans = [self._book.plan(name) for name in (self._book.first, *bought)]
        return max(plans, key=lambda plan: plan.weight).name

    async def accepted(self, interaction: Interaction, receipt: Receipt) -> None:
        """The courier takes over the message; a note for its author follows once it is shown."""
        self._courier.expect(receipt.jobs)
        workload.rest(interaction)
        notices = (*receipt.notices, *late_notes(interaction, receipt.jobs))
        if not notices or not await self._courier.shown(receipt.jobs[0]):
            return
        try:
            await tell(interaction, notice_card(notices))
        except discord.HTTPException as failure:
            log.info("a note to interaction %s was lost: %s", interaction.id, failure)


async def role_names(user: discord.User | discord.Member) -> list[str]:
    """A server not yet in the cache must not look like one without roles: that would end plans."""
    if not isinstance(user, discord.Member):
        return []
    roles = user.guild.roles
    try:
        if user.guild.unavailable or not roles:
            roles = await user.guild.fetch_roles()
    except discord.HTTPException as error:
        sentence = "Discord did not tell us your roles. Please try again in a moment."
        raise Fault("roles_unknown", sentence, retryable=True) from error
    return [role.name for role in roles if user._roles.has(role.id)]


def venue_of(interaction: Interaction) -> Venue:
    """A channel that nobody can tell the mark of has none."""
    nsfw = getattr(interaction.channel, "is_nsfw", None)
    return Venue(
        guild_id=str(interaction.guild_id) if interaction.guild_id else None,
        channel_id=str(interaction.channel_id) if interaction.channel_id else None,
        age_restricted=bool(nsfw and nsfw()),
        parent_id=_text(getattr(interaction.channel, "parent_id", None)),
    )


def _text(snowflake: int | None) -> str | None:
    return str(snowflake) if snowflake else None


async def open_public(interaction: Interaction) -> Route:
    """Answers within Discord's three seconds, for all to see, and says where the message is."""
    require_room(interaction)
    response = await interaction.response.defer(thinking=True)
    message_id = response.message_id if response else None
    if message_id is None:
        message_id = (await interaction.original_response()).id
    # Servers may hide what applications answer that they have not installed.
    hidden = response.is_ephemeral() if response else False
    await workload.begin(interaction)
    return route_to(interaction, message_id, ephemeral=hidden)


async def open_beside(interaction: Interaction) -> Route:
    """After a private answer: a message for all to see beside it."""
    require_room(interaction)
    sent = await interaction.followup.send(view=layout_of(opening_card()), wait=True)
    return route_to(interaction, sent.id, ephemeral=sent.flags.ephemeral)


async def close_beside(interaction: Interaction, route: Route) -> None:
    try:
        await interaction.followup.delete_message(int(route.message_id))
    except discord.HTTPException as error:
        log.info("a message of interaction %s stays empty: %s", interaction.id, error)


async def open_private(interaction: Interaction) -> None:
    interaction.extras["private"] = True
    await interaction.response.defer(ephemeral=True, thinking=True)
    await workload.begin(interaction)


async def open_here(interaction: Interaction) -> None:
    """The private message whose button was pressed will show the answer; of a public one it stays apart."""
    message = interaction.message
    if message is not None and message.flags.ephemeral:
        await interaction.response.defer()
        await workload.begin(interaction)
    else:
        await open_private(interaction)


async def tell(interaction: Interaction, card: Card, *enclosed: discord.File) -> None:
    """Shows a card to this person alone, whatever was answered before."""
    if interaction.extras.get("private"):
        await turn_into(interaction, card, *enclosed)
        return
    fields = shown_fields(card) | {"files": enclosed}
    if interaction.response.is_done():
        await interaction.followup.send(**fields, ephemeral=True)
    else:
        await interaction.response.send_message(**fields, ephemeral=True)


async def turn_into(interaction: Interaction, card: Card, *enclosed: discord.File) -> None:
    """The message that was answered with, or whose button was pressed, shows this card instead."""
    fields = edited_fields(card, laid_out=_laid_out(interaction))
    interaction.extras["layout"] = card.tall
    await interaction.edit_original_response(**fields, attachments=enclosed)


def _laid_out(interaction: Interaction) -> bool:
    """Whether the message that is to change is a layout already, and so must stay one."""
    if interaction.extras.get("layout"):
        return True
    pressed = None if interaction.extras.get("private") else interaction.message
    return pressed is not None and pressed.flags.components_v2


async def answer_error(interaction: Interaction, error: Exception) -> None:
    """The bot's one place for what went wrong: a clear word to the person, the rest to the log."""
    cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
    if isinstance(cause, discord.HTTPException) and cause.code in PAST_ANSWERING:
        log.warning("interaction %s was answered elsewhere or too late: %s", interaction.id, cause)
        return
    card = _card_for(cause, priced=_is_priced(interaction))
    try:
        await take_back(interaction)
        await tell(interaction, card)
    except discord.HTTPException as failure:
        log.warning("interaction %s could not be answered: %s", interaction.id, failure)


def _is_priced(interaction: Interaction) -> bool:
    """Whether it was about drawing: of what costs nothing, nobody need hear that it cost nothing."""
    data: Mapping[str, Any] = interaction.data or {}
    press = read_press(str(data.get("custom_id", "")))
    return press.action in DRAWING if press else data.get("name") in PRICED


def _card_for(cause: Exception, *, priced: bool) -> Card:
    if isinstance(cause, PromptBlocked):
        return blocked_card(cause)
    if isinstance(cause, Refusal):
        return refusal_card(cause, priced=priced)
    if isinstance(cause, app_commands.CommandNotFound | app_commands.CommandSignatureMismatch):
        return outdated_card("This command has changed. Reload Discord (Ctrl+R) and try again.")
    incident = secrets.token_hex(4)
    log.error("incident %s", incident, exc_info=cause)
    return fault_card(cause, incident)


async def take_back(interaction: Interaction) -> None:
    """A public "thinking…" becomes no message at all, so that the word after it can be private."""
    kind = interaction.response.type
    if kind is discord.InteractionResponseType.deferred_channel_message:
        if interaction.extras.get("private"):
            return
        try:
            await interaction.delete_original_response()
        except discord.NotFound:
            log.debug("the first answer to %s was gone already", interaction.id)
