"""The shop's window: everything for sale, and how it stands with the person who looks."""

from bot.emulator import goods
from bot.emulator.shelf import SUBSCRIPTION_GROUP, Sku, Status
from bot.emulator.store import Store
from bot.emulator.world import Json


def shelf_of(store: Store, person: str) -> list[Json]:
    """Everything for sale, with its price and how it stands with this person."""
    store.sweep()
    return [
        goods.sku(sku) | {"price": sku.price, "standing": _standing(store, person, sku)}
        for sku in store.skus.values()
        if sku.type != SUBSCRIPTION_GROUP
    ]


def _standing(store: Store, person: str, sku: Sku) -> Json | None:
    for each in store.subscriptions.values():
        if (each.user, each.sku) == (person, sku.id) and each.status != Status.INACTIVE:
            return goods.subscription(each)
    return None
