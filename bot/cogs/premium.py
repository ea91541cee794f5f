"""What Discord sells: events are hints, its list is the truth; asked at boot, each hour and after each hint."""

import asyncio
import logging

import discord
from discord.ext import commands

from bot.client import PictorBot
from shared.cashier import Cashier
from shared.entitlements import Told
from shared.errors import Fault

log = logging.getLogger(__name__)

EVERY_S = 3600.0
AGAIN_S = 60.0  # after a failure, and while something bought is not consumed yet
HINT_S = 0.5  # events come in flocks; the list is asked once for each flock
_TEST_KINDS = frozenset(
    {discord.EntitlementType.developer_gift, discord.EntitlementType.test_mode_purchase}
)


class Premium(commands.Cog):
    def __init__(self, bot: PictorBot, cashier: Cashier, every_s: float = EVERY_S) -> None:
        self._bot, self._cashier, self._every_s = bot, cashier, every_s
        self._hinted = asyncio.Event()

    async def run(self) -> None:
        """Without a SKU in the plans file Discord is asked nothing."""
        if not self._cashier.book.skus:
            return
        await self._bot.wait_until_ready()
        while True:
            self._hinted.clear()
            rest = self._every_s if await self._done() else min(AGAIN_S, self._every_s)
            await self._rest(rest)

    @commands.Cog.listener()
    async def on_entitlement_create(self, entitlement: discord.Entitlement) -> None:
        await self._hear(entitlement)

    @commands.Cog.listener()
    async def on_entitlement_update(self, entitlement: discord.Entitlement) -> None:
        await self._hear(entitlement)

    @commands.Cog.listener()
    async def on_entitlement_delete(self, entitlement: discord.Entitlement) -> None:
        await self._hear(entitlement, deleted=True)

    @commands.Cog.listener()
    async def on_subscription_create(self, subscription: discord.Subscription) -> None:
        self._hinted.set()

    @commands.Cog.listener()
    async def on_subscription_update(self, subscription: discord.Subscription) -> None:
        self._hinted.set()

    @commands.Cog.listener()
    async def on_subscription_delete(self, subscription: discord.Subscription) -> None:
        self._hinted.set()

    async def reconcile(self) -> None:
        """Everything that Discord lists is taken, what it lists no more is asked for by its id, and what
        is credited is consumed."""
        listed = set()
        async for one in self._bot.entitlements(limit=None, exclude_deleted=False):
            listed.add(str(one.id))
            await self._cashier.take(told(one))
        for id in await self._cashier.unlisted(listed):
            await self._ask_for(id)
        await self._consume()

    async def _hear(self, entitlement: discord.Entitlement, *, deleted: bool = False) -> None:
        """Taken at once, so that nobody waits for what they paid for; the list puts right what fails."""
        if not self._cashier.book.skus:
            return
        self._hinted.set()
        try:
            await self._cashier.take(told(entitlement, deleted=deleted))
        except Fault as fault:
            log.warning("entitlement %s is taken later (%s)", entitlement.id, fault.code)

    async def _done(self) -> bool:
        try:
            await self.reconcile()
            return not await self._cashier.to_consume()
        except Fault as fault:
            log.warning("what was bought is compared later (%s)", fault.code)
        except (discord.DiscordException, OSError, TimeoutError) as error:
            log.warning("what was bought is compared later: %s", error)
        return False

    async def _ask_for(self, id: str) -> None:
        try:
            await self._cashier.take(told(await self._bot.fetch_entitlement(int(id))))
        except discord.NotFound:
            await self._cashier.lose(id)

    async def _consume(self) -> None:
        """After the credit was committed, and again until Discord took it: then another can be bought."""
        application_id = self._bot.application_id
        assert application_id is not None, "known since the login"
        for id in await self._cashier.to_consume():
            try:
                await self._bot.http.consume_entitlement(application_id, int(id))
            except discord.NotFound:
                await self._ask_for(id)
            except discord.HTTPException as error:
                log.warning("entitlement %s is consumed later: %s", id, error)
            else:
                await self._cashier.consumed(id)

    async def _rest(self, seconds: float) -> None:
        try:
            # Not wait_for: in Python 3.11 it may swallow the cancellation that ends this process.
            async with asyncio.timeout(seconds):
                await self._hinted.wait()
        except TimeoutError:
            return
        await asyncio.sleep(min(HINT_S, self._every_s))


def told(one: discord.Entitlement, *, deleted: bool = False) -> Told:
    """A subscription without a beginning is one that a developer made for a test; so says Discord."""
    subscribed = one.type is discord.EntitlementType.application_subscription
    return Told(
        id=str(one.id),
        sku_id=str(one.sku_id),
        user_id=str(one.user_id) if one.user_id else None,
        guild_id=str(one.guild_id) if one.guild_id else None,
        starts_at=one.starts_at,
        ends_at=one.ends_at,
        consumed=bool(one.consumed),
        deleted=deleted or one.deleted,
        test=one.type in _TEST_KINDS or (subscribed and one.starts_at is None),
    )
