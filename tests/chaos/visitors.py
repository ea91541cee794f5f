"""People who type /imagine in the local Discord, to the real bot, while it is being killed."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import aiohttp

from bot.emulator.client import LocalDiscord, Refused
from bot.emulator.people import PAULA, PRIYA, Person
from tests.chaos.town import Town, until
from tests.chaos.wishes import name

TOKEN = "local-bot-token"
ANSWER_S, TRY_AGAIN_S = 8.0, 1.0
PEOPLE: tuple[Person, ...] = (PAULA, PRIYA)


@asynccontextmanager
async def discord(town: Town) -> AsyncIterator[LocalDiscord]:
    """The local Discord and the real bot in it."""
    url = f"http://127.0.0.1:{_free_port()}"
    command = ("bot.emulator", "--port", url.rpartition(":")[2], "--token", TOKEN)
    town.start("discord", *command)
    async with LocalDiscord.connect(url) as local:
        await _up(local)
        addresses = {
            "PICTOR_DISCORD__API_BASE": local.api,
            "PICTOR_DISCORD__GATEWAY_URL": local.gateway,
            "PICTOR_DISCORD__TOKEN": TOKEN,
        }
        town.launch("bot", "bot", addresses)
        await local.wait_bot(30)
        yield local


async def visit(local: LocalDiscord, count: int, seed: int, *, share: Callable[[], float]) -> None:
    """One wish after the other, as far as the run has got: `share` of the jobs have ended."""
    dice = Random(f"visitors {seed}")
    for number in range(count):
        while share() < number / count * 0.95:
            await asyncio.sleep(0.1)
        await _wish(local, dice.choice(PEOPLE), f"a boat for visitor {name(number)}", dice)


async def _wish(local: LocalDiscord, person: Person, prompt: str, dice: Random) -> None:
    """A person who sees "The application did not respond" types it again."""
    for again in range(60):
        typed = f"{prompt} time {again} --seed {dice.randrange(2**32)}"
        with contextlib.suppress(Refused, TimeoutError, aiohttp.ClientError):
            interaction = await local.slash(person, "imagine", prompt=typed)
            found = await local.wait_interaction(interaction, ANSWER_S)
            if found["state"] != "failed":
                return
        await asyncio.sleep(TRY_AGAIN_S)
    raise TimeoutError(f"nobody answered {person.username} for a minute")


async def keep_messages(local: LocalDiscord, target: Path) -> None:
    """What everybody sees in the channel at the end."""
    target.write_text(json.dumps(await local.messages(PRIYA)))


async def _up(local: LocalDiscord) -> None:
    alive = asyncio.Event()

    async def ask() -> None:
        while not alive.is_set():
            with contextlib.suppress(aiohttp.ClientError, Refused):
                await local.violations()
                alive.set()
            await asyncio.sleep(0.1)

    asking = asyncio.create_task(ask())
    try:
        await until(alive.is_set, 30)
    finally:
        asking.cancel()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
