"""`python -m bot`: reads the settings, wires the rooms, runs until it is told to stop.

Exit codes: 0 stopped, 2 the settings are wrong, 3 Discord's logins for today are nearly spent.
"""

import asyncio
import logging
import random
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial

import aiohttp
import discord
from pydantic import ValidationError
from yarl import URL

from bot.client import PictorBot
from bot.wiring import reaches as reaches
from bot.wiring import wired as wired
from shared.config import DiscordSettings, Settings
from shared.errors import Fault
from shared.telemetry import configure_logging

log = logging.getLogger("bot")

STOPPED, WRONG_SETTINGS, LOGINS_SPENT = 0, 2, 3
AUTHENTICATION_FAILED = 4004  # the gateway's close code
LONGEST_WAIT_S = 300.0
KEY_MISSING = (
    "PICTOR_DISCORD__TOKEN is not set. Copy the bot's token from https://discord.com/developers/"
    "applications (your application, Bot, Reset Token) into .env or the environment."
)
KEY_REFUSED = (
    "Discord does not accept PICTOR_DISCORD__TOKEN. Copy it again from "
    "https://discord.com/developers/applications (your application, Bot, Reset Token)."
)


def point_at(settings: DiscordSettings) -> None:
    """discord.py keeps its servers in class variables; ours are settings."""
    discord.http.Route.BASE = settings.api_base.rstrip("/")
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = URL(settings.gateway_url)


async def serve(settings: Settings) -> int:
    if settings.discord.token is None:
        return _refuse(KEY_MISSING)
    point_at(settings.discord)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with wired(settings) as bot:
        return await _run_until(stop, bot, settings.discord.token.get_secret_value())


async def _run_until(stop: asyncio.Event, bot: PictorBot, token: str) -> int:
    living = asyncio.create_task(_live(bot, token))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({living, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not living.done():
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)
        return STOPPED
    return living.result()


async def _live(bot: PictorBot, token: str) -> int:
    try:
        await _outlast(partial(bot.login, token), again=bot.http.close)
        await _outlast(bot.guard_logins)
        log.info("ready to connect as %s", bot.user)
        await bot.connect(reconnect=True)
    except discord.LoginFailure:
        return _refuse(KEY_REFUSED)
    except discord.ConnectionClosed as error:
        if error.code != AUTHENTICATION_FAILED:
            raise
        return _refuse(KEY_REFUSED)
    except Fault as fault:
        return _refuse(fault.sentence, LOGINS_SPENT)
    return STOPPED


async def _outlast(
    action: Callable[[], Awaitable[None]], *, again: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Waits for a Discord that is away, 5 s at first, never hammering."""
    wait = 5.0
    while True:
        try:
            return await action()
        except discord.LoginFailure:
            raise
        except (discord.DiscordException, aiohttp.ClientError, OSError, TimeoutError) as error:
            log.warning("Discord cannot be reached (%s); again in %.0f s", error, wait)
        if again is not None:
            await again()
        await asyncio.sleep(wait * random.uniform(0.8, 1.2))
        wait = min(wait * 2, LONGEST_WAIT_S)


def _refuse(sentence: str, code: int = WRONG_SETTINGS) -> int:
    print(sentence, file=sys.stderr)
    return code


def main() -> int:
    try:
        settings = Settings()
        configure_logging(settings.log_level)
        return asyncio.run(serve(settings))
    except ValidationError as error:
        named = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        return _refuse(f"The settings cannot be used: {named}")
    except Fault as fault:
        return _refuse(fault.sentence)


if __name__ == "__main__":
    sys.exit(main())
