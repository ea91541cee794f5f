"""REST v10, the shop's part: SKUs, entitlements and subscriptions, as bots read and use them."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from aiohttp import web

from bot.emulator import goods, people
from bot.emulator.edge import API, valid_body
from bot.emulator.emulator import EMULATOR
from bot.emulator.errors import ApiError, Problem, invalid_body
from bot.emulator.shelf import Entitlement, Subscription
from bot.emulator.store import Store

routes = web.RouteTableDef()
APPLICATION = f"{API}/applications/{{application_id}}"
ENTITLEMENTS = f"{APPLICATION}/entitlements"
SUBSCRIPTIONS = f"{API}/skus/{{sku_id}}/subscriptions"
OF_GUILD = 1
MOST = 100
Owned = TypeVar("Owned", Entitlement, Subscription)


@routes.get(f"{APPLICATION}/skus")
async def list_skus(request: web.Request) -> web.Response:
    return web.json_response([goods.sku(sku) for sku in _store(request).skus.values()])


@routes.get(ENTITLEMENTS)
async def list_entitlements(request: web.Request) -> web.Response:
    store, query = _store(request), request.query
    found = [e for e in store.entitlements.values() if _asked(e, query, store.world.clock.now())]
    return web.json_response([goods.entitlement(each) for each in _page(found, query)])


def _asked(each: Entitlement, query: Mapping[str, str], now: float) -> bool:
    wanted = query.get("sku_ids", "").split(",") if query.get("sku_ids") else [each.sku]
    ended = each.ends is not None and each.ends <= now
    return (
        each.sku in wanted
        and query.get("user_id", each.user) == each.user
        and query.get("guild_id", each.guild) == each.guild
        and not (ended and _yes(query.get("exclude_ended")))
        and not (each.deleted and _yes(query.get("exclude_deleted", "true")))
    )


def _yes(value: str | None) -> bool:
    return (value or "").lower() in ("1", "true")


def _page(found: Sequence[Owned], query: Mapping[str, str]) -> Sequence[Owned]:
    """In the order of their ids; the last ones where only `before` is said."""
    found = sorted(found, key=lambda each: int(each.id))
    most = min(MOST, max(1, int(query.get("limit", MOST))))
    if before := query.get("before"):
        return [each for each in found if int(each.id) < int(before)][-most:]
    return [each for each in found if int(each.id) > int(query.get("after", 0))][:most]


@routes.post(ENTITLEMENTS)
async def create_test(request: web.Request) -> web.Response:
    store, wish = _store(request), (await valid_body(request)).json
    of_guild, owner = wish["owner_type"] == OF_GUILD, str(wish["owner_id"])
    if of_guild and owner != people.GUILD_ID:
        raise ApiError(10004)
    if not of_guild:
        store.world.person(owner)
    made = store.grant_test(str(wish["sku_id"]), owner, of_guild=of_guild)
    return web.json_response(goods.entitlement(made))


@routes.get(f"{ENTITLEMENTS}/{{entitlement_id}}")
async def get_entitlement(request: web.Request) -> web.Response:
    found = _store(request).entitlement(request.match_info["entitlement_id"])
    return web.json_response(goods.entitlement(found))


@routes.delete(f"{ENTITLEMENTS}/{{entitlement_id}}")
async def delete_test(request: web.Request) -> web.Response:
    _store(request).delete_test(request.match_info["entitlement_id"])
    return web.Response(status=204)


@routes.post(f"{ENTITLEMENTS}/{{entitlement_id}}/consume")
async def consume(request: web.Request) -> web.Response:
    _store(request).consume(request.match_info["entitlement_id"])
    return web.Response(status=204)


@routes.get(SUBSCRIPTIONS)
async def list_subscriptions(request: web.Request) -> web.Response:
    store, query = _store(request), request.query
    sku = store.sku(request.match_info["sku_id"])
    if "user_id" not in query:
        sentence = "A bot names the user whose subscriptions it asks for"
        raise invalid_body([Problem(("user_id",), "BASE_TYPE_REQUIRED", sentence)])
    every = store.subscriptions.values()
    found = [s for s in every if (s.sku, s.user) == (sku.id, query["user_id"])]
    return web.json_response([goods.subscription(each) for each in _page(found, query)])


@routes.get(f"{SUBSCRIPTIONS}/{{subscription_id}}")
async def get_subscription(request: web.Request) -> web.Response:
    found = _store(request).subscriptions.get(request.match_info["subscription_id"])
    if found is None or found.sku != request.match_info["sku_id"]:
        raise web.HTTPNotFound
    return web.json_response(goods.subscription(found))


def _store(request: web.Request) -> Store:
    if request.match_info.get("application_id") not in (None, people.APPLICATION_ID):
        raise ApiError(20012)
    store = request.app[EMULATOR].store
    store.sweep()
    return store
