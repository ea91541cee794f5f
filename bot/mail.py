"""The ways a card reaches its person, and which way follows when one is shut."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import aiohttp
import discord

from bot.cards import Card
from bot.fitting import FILE_LIMIT, fitted_to
from bot.parcels import Parcel, without_picture
from bot.traffic import Spent, urgent
from bot.ways import (
    BY_BOT,
    DEAD,
    MISSING_ACCESS,
    REPAINTING,
    THREAD_ARCHIVED,
    TOO_OLD,
    Way,
    first_way,
    next_way,
)
from shared.errors import Fault
from shared.jobs import Job, Reach, Route
from shared.pace import Halted, Urgency
from shared.storage import ObjectStore

log = logging.getLogger(__name__)

OLD_MESSAGE = timedelta(hours=1)
CALL_TIMEOUT_S = 45.0  # above discord.py's own wait for a rate limit (30 s)

# A channel that the bot was not let into is left alone for so long; permissions may come back.
DEAD_FOR = timedelta(minutes=10)
HALTED_S = 60.0
MOST_SPENT = 1_000


class Later(Exception):
    """Discord or the line failed, not the route: the same edit is tried again after `after_s`."""

    def __init__(self, reason: str, after_s: float = 0.0) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Shut(Exception):
    """No allowed way is left."""


def too_old(route: Route, now: datetime) -> bool:
    """Discord limits edits of messages older than an hour, by rules it does not publish."""
    return now - discord.utils.snowflake_time(int(route.message_id)) > OLD_MESSAGE


def transient(error: discord.HTTPException, way: Way) -> bool:
    # 30046 comes as a 429, yet waiting does not help: the message is too old to edit.
    if error.code == TOO_OLD:
        return False
    bot_refused = error.status == 401 and way is not Way.TOKEN
    return error.status >= 500 or error.status == 429 or bot_refused


def nonce_of(job: Job) -> str:
    """Discord drops a second message with the same nonce, so a repeated post stays one message."""
    number, digits = job.id.int, ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits or "0"


class Mail:
    def __init__(self, client: discord.Client, store: ObjectStore) -> None:
        self._client = client
        self._store = store
        self._spent: dict[str, None] = {}  # tokens, the oldest first
        self._dead_until: dict[str, datetime] = {}  # by channel
        self._ways: dict[Way, Callable[[Parcel, Route], Awaitable[Route]]] = {
            Way.TOKEN: self._by_token,
            Way.EDIT: self._by_bot,
            Way.POST: self._post,
            Way.DIRECT: self._direct,
        }

    async def deliver(
        self, card: Card, job: Job, route: Route, *, now: datetime, allowed: frozenset[Way]
    ) -> Route:
        """Returns the route that worked. Later: try again. Shut: no allowed way is left."""
        parcel = await self._packed(card, nonce_of(job), self._room(route))
        way, reason = self._first(route, now), "nothing tried"
        while way is not None and (way in allowed or not route.message_id):
            if way in BY_BOT and self._dead(route, now):
                reason, way = "the channel is shut", next_way(way, MISSING_ACCESS, route.reach)
                continue
            try:
                # Discord answers 429 to edits of old messages, and waiting does not help.
                once = way is Way.EDIT and too_old(route, now)
                return await self._attempt(way, parcel, route, once=once)
            except discord.RateLimited as error:
                if way is not Way.EDIT or not too_old(route, now):
                    raise Later("rate limited", error.retry_after) from error
                reason, way = "the message is too old to edit", Way.POST
            except Spent:
                reason, way = "the message is too old to edit", Way.POST
            except discord.HTTPException as error:
                if transient(error, way):
                    raise Later(str(error), _retry_after(error)) from error
                reason = f"{way}: {error.status} {error.code}"
                self._remember(way, error, route, now)
                way = next_way(way, error.code, route.reach)
        raise Shut(reason)

    def _first(self, route: Route, now: datetime) -> Way | None:
        """A token that was refused once is not tried again: each refusal counts against us."""
        spent = route.token in self._spent
        return first_way(replace(route, token=None) if spent else route, now)

    def _remember(
        self, way: Way, error: discord.HTTPException, route: Route, now: datetime
    ) -> None:
        if way is Way.TOKEN and route.token:
            self._spent[route.token] = None
            if len(self._spent) > MOST_SPENT:
                del self._spent[next(iter(self._spent))]
        locked = way is Way.POST and error.code == THREAD_ARCHIVED
        if way in BY_BOT and (error.code in DEAD or locked):
            self._dead_until[route.channel_id] = now + DEAD_FOR

    def _dead(self, route: Route, now: datetime) -> bool:
        until = self._dead_until.get(route.channel_id)
        if until is not None and now >= until:
            del self._dead_until[route.channel_id]
        return route.channel_id in self._dead_until

    async def take_back(self, card: Card, job: Job, route: Route, *, now: datetime) -> None:
        """A withdrawn picture leaves its message; nothing new is ever posted for that."""
        if not route.message_id:
            return
        try:
            await self.deliver(card, job, route, now=now, allowed=REPAINTING)
        except Shut:
            await self.erase(route)

    async def erase(self, route: Route) -> None:
        """Deletes the message. Later: try again. Shut: it stands where the bot is let in no more."""
        channel = self._client.get_partial_messageable(int(route.channel_id))
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await channel.get_partial_message(int(route.message_id)).delete()
        except discord.NotFound:
            return
        except discord.HTTPException as error:
            if transient(error, Way.EDIT):
                raise Later(str(error), _retry_after(error)) from error
            raise Shut(f"erase: {error.status} {error.code}") from error
        except (aiohttp.ClientError, OSError, TimeoutError, discord.RateLimited) as error:
            raise Later(repr(error)) from error

    async def copy(self, card: Card, job: Job, route: Route) -> None:
        """The same for the person alone, as a direct message. Best effort: who takes none has the first."""
        try:
            await self._attempt(
                Way.DIRECT, await self._packed(card, nonce_of(job), FILE_LIMIT), route
            )
        except (Later, Fault, discord.DiscordException) as error:
            log.info("job %s was not sent as a direct message too: %s", job.id, error)

    def _room(self, route: Route) -> int:
        """The least that any way to this place takes, in bytes."""
        guild = self._client.get_guild(int(route.guild_id)) if route.guild_id else None
        usual = guild.filesize_limit if guild else FILE_LIMIT
        return min(route.file_limit or usual, usual)

    async def _packed(self, card: Card, nonce: str, room: int) -> Parcel:
        """A picture that is gone leaves a card without one; a store that is away is a Fault."""
        if not card.upload:
            return Parcel(card, nonce)
        try:
            picture = await self._store.get(card.upload)
        except Fault as fault:
            if fault.retryable:
                raise
            log.error("the picture %s cannot be uploaded: %s", card.upload, fault)
            return Parcel(without_picture(card), nonce)
        picture = await asyncio.to_thread(fitted_to, picture, room)
        if not picture:
            return Parcel(without_picture(card, link=card.elsewhere), nonce)
        return Parcel(card, nonce, picture)

    async def _attempt(
        self, way: Way, parcel: Parcel, route: Route, *, once: bool = False
    ) -> Route:
        card = parcel.card
        urgency = Urgency.FINAL if card.final or card.erases else Urgency.PROGRESS
        try:
            with urgent(urgency, once=once):
                async with asyncio.timeout(CALL_TIMEOUT_S):
                    return await self._ways[way](parcel, route)
        except Halted as halted:
            raise Later(str(halted), HALTED_S) from halted
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Later(repr(error)) from error

    async def _by_token(self, parcel: Parcel, route: Route) -> Route:
        assert route.application_id, "first_way checked"
        assert route.token, "first_way checked"
        webhook = discord.Webhook.partial(
            int(route.application_id), route.token, client=self._client
        )
        await webhook.edit_message(int(route.message_id), **parcel.to_edit())
        return route

    async def _by_bot(self, parcel: Parcel, route: Route) -> Route:
        channel = self._client.get_partial_messageable(int(route.channel_id))
        message = channel.get_partial_message(int(route.message_id))
        await message.edit(**parcel.to_edit())
        return replace(route, token=None)

    async def _post(self, parcel: Parcel, route: Route) -> Route:
        channel = self._client.get_partial_messageable(int(route.channel_id))
        message = await channel.send(**parcel.to_send())
        reach = Reach.BOT_EDIT if route.reach is Reach.NEW_MSG else route.reach
        return replace(route, message_id=str(message.id), token=None, reach=reach)

    async def _direct(self, parcel: Parcel, route: Route) -> Route:
        channel = await self._client.create_dm(discord.Object(int(route.user_id)))
        message = await channel.send(**parcel.to_send())
        return replace(
            route,
            channel_id=str(channel.id),
            message_id=str(message.id),
            guild_id=None,
            token=None,
            reach=Reach.DM,
        )


def _retry_after(error: discord.HTTPException) -> float:
    try:
        return float(error.response.headers.get("Retry-After", 0))
    except ValueError:
        return 0.0
