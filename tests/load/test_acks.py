"""Fifty interactions a second for a minute, with every core busy: each is answered within Discord's 3 s."""

import asyncio
import random

import pytest

from bot.emulator.interaction import COMMAND
from bot.emulator.people import MEMBERS
from shared.config import Settings
from tests.load.city import City, busy_cores, city, machine
from tests.proof.quantiles import quantile, told

A_SECOND, SECONDS, SEED = 50, 60, 6
P99_S, LATE_S = 0.8, 2.5
COMMANDS = ("imagine", "imagine", "info", "queue")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


async def test_everybody_is_answered_at_once(settings: Settings) -> None:
    print(machine())
    async with city(settings) as there, busy_cores():
        await ask(there)
        took = [answered_in(there, each) for each in asked(there)]
    print(f"{len(took)} interactions at {A_SECOND}/s, seed {SEED}: acknowledged in {told(took)} s")
    assert len(took) == A_SECOND * SECONDS
    assert quantile(took, 0.99) < P99_S
    assert max(took) < LATE_S


async def ask(there: City) -> None:
    dice, loop = random.Random(SEED), asyncio.get_running_loop()
    started = loop.time()
    for number in range(A_SECOND * SECONDS):
        await asyncio.sleep(max(0.0, started + number / A_SECOND - loop.time()))
        press(there, number, dice)
    await asyncio.sleep(4)


def press(there: City, number: int, dice: random.Random) -> None:
    """As the page does it, without the page's own way through HTTP."""
    actions, person = there.emulator.actions, dice.choice(MEMBERS).id
    name = dice.choice(COMMANDS)
    options = {"prompt": f"a boat --seed {number}"} if name == "imagine" else {}
    channel = there.emulator.world.channel("1100000000000000201")
    actions.slash(person, channel, name, options=options)


def asked(there: City) -> list[str]:
    every = there.emulator.interactions.by_id.values()
    return [each.id for each in every if each.type == COMMAND]


def answered_in(there: City, id: str) -> float:
    """Infinite for who was not answered."""
    found = there.emulator.interactions.by_id[id]
    return float("inf") if found.answered is None else found.answered - found.opened
