"""How Discord writes what is sold and what was bought in JSON."""

from bot.emulator import people
from bot.emulator.clock import iso
from bot.emulator.shelf import Entitlement, Sku, Subscription
from bot.emulator.world import Json


def sku(item: Sku) -> Json:
    return {
        "id": item.id,
        "type": item.type,
        "application_id": people.APPLICATION_ID,
        "name": item.name,
        "slug": item.name.lower().replace(" ", "-"),
        "flags": item.flags,
        "dependent_sku_id": None,
        "manifest_labels": None,
        "access_type": 1,
        "features": [],
        "release_date": None,
        "premium": False,
        "show_age_gate": False,
    }


def entitlement(item: Entitlement) -> Json:
    body: Json = {
        "id": item.id,
        "sku_id": item.sku,
        "application_id": people.APPLICATION_ID,
        "promotion_id": None,
        "type": item.type,
        "deleted": item.deleted,
        "gift_code_flags": 0,
        "consumed": item.consumed,
        "starts_at": _moment(item.starts),
        "ends_at": _moment(item.ends),
    }
    owners = {"user_id": item.user, "guild_id": item.guild, "subscription_id": item.subscription}
    return body | {key: id for key, id in owners.items() if id is not None}


def subscription(item: Subscription) -> Json:
    return {
        "id": item.id,
        "user_id": item.user,
        "sku_ids": [item.sku],
        "renewal_sku_ids": None,
        "entitlement_ids": [item.entitlement],
        "current_period_start": iso(item.starts),
        "current_period_end": iso(item.ends),
        "status": int(item.status),
        "canceled_at": _moment(item.canceled),
        "country": "US",
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else iso(seconds)
