"""The server: all routes on one port, started and stopped in order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from bot.emulator import (
    controls,
    files,
    outings,
    playground,
    registrations,
    rest,
    shop,
    till,
    webhooks,
)
from bot.emulator.bodies import MAX_REQUEST_BYTES
from bot.emulator.clock import Clock
from bot.emulator.edge import API, discord_edge
from bot.emulator.emulator import EMULATOR, Emulator, Options, build

SHUTDOWN_S = 1.0
EVERY_INTERFACE = ("0.0.0.0", "::")  # noqa: S104 - recognised, not bound


def create_app(emulator: Emulator) -> web.Application:
    app = web.Application(
        middlewares=[discord_edge, playground.playground_edge], client_max_size=MAX_REQUEST_BYTES
    )
    app[EMULATOR] = emulator
    for module in (rest, registrations, shop, webhooks, playground, outings, till, controls, files):
        app.add_routes(module.routes)
    app.router.add_get("/gateway", emulator.gateway.serve)
    app.router.add_get("/gateway/", emulator.gateway.serve)
    app.cleanup_ctx.append(_fetcher)
    app.on_shutdown.append(_say_goodbye)
    return app


async def _fetcher(app: web.Application) -> AsyncIterator[None]:
    async with aiohttp.ClientSession() as session:
        app[files.FETCHER] = session
        yield


async def _say_goodbye(app: web.Application) -> None:
    emulator = app[EMULATOR]
    emulator.feed.finish()
    emulator.gateway.drop(code=1001)


@asynccontextmanager
async def serve(options: Options, *, clock: Clock | None = None) -> AsyncIterator[Emulator]:
    """Listening while inside. OSError if the port is taken."""
    emulator = build(options, clock=clock)
    runner = web.AppRunner(create_app(emulator), access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, options.host, options.port)
        await site.start()
        _settle_urls(emulator, runner.addresses[0])
        yield emulator
    finally:
        await runner.cleanup()


def _settle_urls(emulator: Emulator, address: Any) -> None:
    host, port = address[:2]
    if host in EVERY_INTERFACE:
        host = "127.0.0.1"
    emulator.local_url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    emulator.world.base_url = emulator.options.public_url.rstrip("/") or emulator.local_url
    emulator.gateway.roster.url = "ws" + emulator.local_url.removeprefix("http") + "/gateway/"


def addresses(emulator: Emulator) -> dict[str, str]:
    """Where people find the page, and what a bot needs to connect."""
    return {
        "url": emulator.world.base_url,
        "api": emulator.local_url + API,
        "gateway": emulator.gateway.roster.url,
    }
