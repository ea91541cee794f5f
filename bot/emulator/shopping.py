"""A test's hands in the shop: buy, cancel, refund; and what Discord may do to the bot meanwhile."""

from bot.emulator.line import Json, Line, Who, id_of
from bot.emulator.shelf import Sku


class Shopping(Line):
    async def sell(self, sku: Sku) -> None:
        """Put something on the shelf, or change what stands there under its id."""
        wish = {"id": sku.id, "name": sku.name, "type": sku.type, "price": sku.price}
        await self._post("shop/skus", wish | {"flags": sku.flags})

    async def buy(self, user: Who, sku: Sku | str) -> Json:
        """The entitlement, as bots see it. Subscriptions go on month by month as the clock does."""
        return dict(await self._post("shop/buy", {"user": id_of(user), "sku": _sku(sku)}))

    async def cancel(self, user: Who, sku: Sku | str) -> Json:
        """The subscription, which ends with its period."""
        return dict(await self._post("shop/cancel", {"user": id_of(user), "sku": _sku(sku)}))

    async def refund(self, entitlement_id: str) -> Json:
        """The money goes back; the entitlement is deleted."""
        return dict(await self._post("shop/refund", {"entitlement": entitlement_id}))

    async def entitlements(self, user: Who) -> list[Json]:
        """All of this person's, those that are over too."""
        return list(await self._get(f"shop/entitlements?user={id_of(user)}"))

    async def lose_events(self, name: str, times: int = 1) -> None:
        """No bot hears of the next ones, such as ENTITLEMENT_CREATE."""
        await self._post("rules", {"lost_events": {name: times}})


def _sku(sku: Sku | str) -> str:
    return sku.id if isinstance(sku, Sku) else sku
