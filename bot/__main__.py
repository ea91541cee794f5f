"""`python -m bot`: reads the settings, wires the rooms, runs until it is told to stop.

Exit codes: 0 stopped, 2 the settings are wrong, 3 Discord's logins for today are nearly spent.
"""

import asyncio
import logging
import random
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from ipaddress import ip_address

import aiohttp
import discord
from pydantic import ValidationError
from yarl import URL

from bot.bulletins import Bulletins
from bot.client import PictorBot
from bot.cogs.account import Accounts
from bot.cogs.appeals import Appeals
from bot.cogs.imagine import Imagine
from bot.cogs.jobs import Jobs
from bot.cogs.moderation import Moderation
from bot.cogs.privacy import Privacy
from bot.cogs.reports import Reports
from bot.cogs.verify import Verify
from bot.courier import Courier
from bot.letters import Letters
from bot.mail import Mail
from bot.messages import Painter
from bot.reception import Reception
from shared.admission import FrontDesk
from shared.bell import Bell
from shared.catalog import Catalog, read_catalog
from shared.config import DiscordSettings, Settings
from shared.connections import Database, connect_redis
from shared.errors import Fault
from shared.events import Events
from shared.outlooks import Outlooks
from shared.oversight.desk import open_desk
from shared.oversight.voices import Voices
from shared.plans import read_plans
from shared.safety.screen import open_screen
from shared.storage import open_store
from shared.telemetry import configure_logging
from shared.witness import Witness

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


@asynccontextmanager
async def wired(settings: Settings) -> AsyncIterator[PictorBot]:
    """Opens nothing that must answer now: the bot lives while Postgres and Redis are away."""
    book, catalog = read_plans(settings.plans_file), read_catalog(settings.catalog_file)
    screen = open_screen(
        settings.blocklist_file, settings.policy_file, figures=settings.public_figures_file
    )
    async with AsyncExitStack() as stack:
        database = Database.connect(settings.database, ask_after_s=0)
        redis = connect_redis(settings.redis)
        stack.push_async_callback(database.close)
        stack.push_async_callback(redis.aclose)
        bell, events, outlooks = Bell(settings.redis), Events(redis), Outlooks(redis)
        stack.push_async_callback(bell.close)
        desk = FrontDesk(
            database,
            bell,
            events,
            book,
            catalog,
            screen,
            draw_seed=partial(secrets.randbelow, 2**32),
            outlooks=outlooks,
            safety=settings.safety,
        )
        bot, store = PictorBot(), open_store(settings.storage)
        mail = Mail(bot, store)
        linked = reaches(settings.discord.api_base, store.url("probe"))
        courier = Courier(
            mail,
            database=database,
            events=events,
            outlooks=outlooks,
            painter=Painter(store.url, partial(_title, catalog), linked),
            interval_s=settings.discord.edit_interval_s,
        )
        oversight = open_desk(
            database,
            bell,
            events,
            store,
            front_desk=desk,
            policy=screen.rules,
            safety=settings.safety,
        )
        reception = Reception(book, settings.discord.plan_roles, courier)
        examples = catalog.get(catalog.default).examples
        voices = Voices(database, book, settings.safety)
        jobs, appeals = Jobs(desk, reception, courier), Appeals(voices, reception)
        reports = Reports(voices, reception, bot.tree)
        privacy = Privacy(oversight.privacy, mail)
        moderation = Moderation(oversight, Letters(bot), courier, store)
        witness = Witness(database, store, _origins(settings, store.url("probe")))
        verify = Verify(
            witness, desk=desk, house=oversight.house, reception=reception, tree=bot.tree
        )
        bot.install(
            courier,
            [
                Imagine(desk, reception, examples),
                jobs,
                Accounts(desk, reception, book),
                reports,
                moderation,
                privacy,
                *([verify] if settings.provenance.enabled else []),
            ],
            presses=jobs.presses() | appeals.presses() | moderation.presses(),
            forms=appeals.forms() | reports.forms() | moderation.forms() | privacy.forms(),
            watches=[Bulletins(oversight.alerts, bot).run],
        )
        stack.push_async_callback(bot.close)
        yield bot


def reaches(api_base: str, link: str) -> bool:
    """Whether that Discord can fetch our pictures: the real one never reaches into a private net."""
    return not _is_private(URL(link).host) or _is_private(URL(api_base).host)


def _origins(settings: Settings, link: str) -> set[str]:
    """Where /verify may fetch from although it is near: our own pictures, and what the operator names."""
    own = {str(URL(link).origin())} if link.startswith("http") else set()
    return own | set(settings.provenance.link_origins)


def _is_private(host: str | None) -> bool:
    if not host or host == "localhost" or ("." not in host.strip("[]") and ":" not in host):
        return True  # a name without a dot is a neighbour's
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host.endswith((".local", ".internal", ".localhost"))


def _title(catalog: Catalog, name: str) -> str:
    known = catalog.checkpoints.get(name)
    return known.title if known else name


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
