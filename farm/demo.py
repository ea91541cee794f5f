"""`pictor demo`: the whole stack on one machine, with a local Discord to type `/imagine` in."""

import asyncio
import json
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Coroutine
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, TypeVar

from rich.console import Console

from farm import demokey
from farm.stack import Stack
from shared.config import DatabaseSettings, Settings
from shared.connections import Database
from shared.errors import Fault
from shared.leadership import is_led
from shared.plans import read_plans
from shared.workers import live_workers

Result = TypeVar("Result")

HOST = "127.0.0.1"
API_PORT = 8701
WITHIN_S = 90.0  # a cold disk and two busy cores; 10 s is usual


async def run_demo(*, folder: Path, port: int) -> int:
    """Starts everything, prints its URLs when all is healthy, and stops everything on Ctrl-C."""
    console, began = Console(highlight=False, soft_wrap=True), time.monotonic()
    stack, stop = Stack(folder), _stop_event()
    console.print(
        "Starting Pictor: Postgres, Redis, a local Discord, bot, dispatcher, worker, api ..."
    )
    try:
        url = await _unless_stopped(start_all(stack, port=port), stop)
        if url is not None:
            link = await front_door(stack, url)
            _greet(console, url, link, time.monotonic() - began)
            await _unless_stopped(stack.wait_for_end(), stop)
            for name in stack.parts:
                stack.raise_if_ended(name)
    finally:
        console.print("Stopping ...")
        await stack.close()
    return 0


async def start_all(stack: Stack, *, port: int) -> str:
    """The page's URL, once every part is healthy."""
    await stack.open_servers()
    discord, api = _free_port(port), _free_port(API_PORT)
    url, token = f"http://{HOST}:{discord}", token_urlsafe(32)
    stack.environment |= _environment(stack.folder, url=url, api=api, token=token)
    await stack.start("discord", "bot.emulator", "--port", str(discord), "--token", token)
    await stack.healthy("discord", lambda: _answers(f"{url}/_emulator/health"), within_s=WITHIN_S)
    for name, command in {"api": "api", "dispatcher": "dispatch", "worker": "work"}.items():
        await stack.start(name, "farm", command)
    await stack.start("bot", "bot")
    await _all_healthy(stack, url=url, api=api)
    return url


async def front_door(stack: Stack, url: str) -> str:
    """The web client's address, with a key of the local Discord's owner behind the #: that part of an
    address is sent nowhere."""
    told = await asyncio.to_thread(_read, f"{url}/_emulator/state?user={demokey.OWNER_ID}")
    if told is None:
        raise Fault("no_local_discord", "The local Discord does not tell who owns it.")
    settings = Settings()
    plans = read_plans(settings.plans_file)
    owner, database = demokey.owner_in(told, plans), _database(stack)
    try:
        key = await demokey.key_of(stack.folder, owner, database, plans, settings.api.key_days)
    finally:
        await database.close()
    return f"{stack.environment['PICTOR_API__PUBLIC_URL']}/#key={key}"


def _database(stack: Stack) -> Database:
    address = {"url": stack.environment["PICTOR_DATABASE__URL"]}
    return Database.connect(DatabaseSettings.model_validate(address))


async def _all_healthy(stack: Stack, *, url: str, api: int) -> None:
    database = _database(stack)
    checks = {
        "api": lambda: _answers(f"http://{HOST}:{api}/healthz"),
        "dispatcher": lambda: dispatcher_leads(database),
        "worker": lambda: worker_is_up(database),
        "bot": lambda: _bot_is_in(f"{url}/_emulator/health"),
    }
    try:
        await asyncio.gather(
            *(stack.healthy(name, check, within_s=WITHIN_S) for name, check in checks.items())
        )
    finally:
        await database.close()


async def dispatcher_leads(database: Database) -> bool:
    async with database.read() as session:
        return await is_led(session)


async def worker_is_up(database: Database) -> bool:
    async with database.read() as session:
        return bool(await live_workers(session, Settings().farm.worker_silent_s))


def _environment(folder: Path, *, url: str, api: int, token: str) -> dict[str, str]:
    return {
        "PICTOR_DISCORD__API_BASE": f"{url}/api/v10",
        "PICTOR_DISCORD__GATEWAY_URL": f"{url.replace('http', 'ws', 1)}/gateway/",
        "PICTOR_DISCORD__TOKEN": token,
        "PICTOR_STORAGE__KIND": "local",
        "PICTOR_STORAGE__FOLDER": str(folder / "assets"),
        "PICTOR_STORAGE__PUBLIC_URL": f"http://{HOST}:{api}/assets",
        "PICTOR_WORKER__SNAPSHOTS": str(folder / "snapshots"),
        "PICTOR_WORKER__LORAS": str(folder / "loras"),
        "PICTOR_API__HOST": HOST,
        "PICTOR_API__PORT": str(api),
        "PICTOR_API__PUBLIC_URL": f"http://{HOST}:{api}",
        "PICTOR_API__PEPPER": demokey.pepper_of(folder),
        "PICTOR_PROVENANCE__LINK_ORIGINS": json.dumps(
            [url]
        ),  # /verify may look at what is shown there
    }


def _free_port(wanted: int) -> int:
    """`wanted` if it is free, else one that is."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Fault("no_free_port", "No port is free on this machine.")


async def _answers(url: str) -> bool:
    return await asyncio.to_thread(_read, url) is not None


async def _bot_is_in(url: str) -> bool:
    """Connected, and its commands are told: the picker on the page has something to show."""
    told = await asyncio.to_thread(_read, url)
    health = json.loads(told or b"{}")
    return bool(health.get("bot_online") and health.get("commands"))


def _read(url: str) -> bytes | None:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 -- loopback, ours
            return bytes(answer.read())
    except (urllib.error.URLError, OSError):
        return None


def _stop_event() -> asyncio.Event:
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    return stop


async def _unless_stopped(work: Coroutine[Any, Any, Result], stop: asyncio.Event) -> Result | None:
    """The answer of `work`, or None when the user pressed Ctrl-C first."""
    working, stopping = asyncio.ensure_future(work), asyncio.create_task(stop.wait())
    await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
    if not working.done():
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        return None
    stopping.cancel()
    return await working


def _greet(console: Console, url: str, link: str, seconds: float) -> None:
    console.print(f"\n  Pictor is ready after {seconds:.0f} s.\n")
    console.print(f"  A local Discord:  [bold]{url}[/]")
    console.print(f"  The web client:   [bold]{link}[/]\n")
    console.print(
        "  Type [bold]/imagine[/] in the first, for example: a red sailboat on the sea at sunset, two birds"
    )
    console.print("  Ctrl-C ends everything.\n")
