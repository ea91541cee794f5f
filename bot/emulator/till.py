"""Under /_emulator/shop/: what people do in the shop, and what tests put on its shelf."""

from aiohttp import web

from bot.emulator import goods
from bot.emulator.emulator import EMULATOR, Emulator
from bot.emulator.playground import ROOT, wish_of
from bot.emulator.shelf import Sku

routes = web.RouteTableDef()


@routes.post(f"{ROOT}/shop/skus")
async def sell(request: web.Request) -> web.Response:
    store, wish = _emulator(request).store, await wish_of(request)
    sku = Sku(
        str(wish["id"]), str(wish["name"]), int(wish["type"]), str(wish["price"]), wish["flags"]
    )
    store.skus[sku.id] = sku
    return web.json_response(goods.sku(sku))


@routes.post(f"{ROOT}/shop/buy")
async def buy(request: web.Request) -> web.Response:
    store, wish = _emulator(request).store, await wish_of(request)
    return web.json_response(goods.entitlement(store.buy(str(wish["user"]), str(wish["sku"]))))


@routes.post(f"{ROOT}/shop/cancel")
async def cancel(request: web.Request) -> web.Response:
    store, wish = _emulator(request).store, await wish_of(request)
    return web.json_response(goods.subscription(store.cancel(str(wish["user"]), str(wish["sku"]))))


@routes.post(f"{ROOT}/shop/refund")
async def refund(request: web.Request) -> web.Response:
    store, wish = _emulator(request).store, await wish_of(request)
    return web.json_response(goods.entitlement(store.refund(str(wish["entitlement"]))))


@routes.get(f"{ROOT}/shop/entitlements")
async def entitlements(request: web.Request) -> web.Response:
    found = _emulator(request).store.entitlements.values()
    mine = [each for each in found if each.user == request.query["user"]]
    return web.json_response([goods.entitlement(each) for each in mine])


def _emulator(request: web.Request) -> Emulator:
    return request.app[EMULATOR]
