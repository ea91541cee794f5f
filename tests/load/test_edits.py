"""Two hundred running jobs in twenty channels for ten minutes: edits within Discord's limits, ends at once.

`PICTOR_LOAD_S=120 make load` is a short look.
"""

import asyncio
import os
import random
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from bot.emulator import people
from bot.emulator.channels import Channel
from bot.emulator.interaction import COMMAND
from bot.emulator.postings import draft, post
from bot.emulator.uploads import Body
from bot.emulator.world import Event
from shared.config import Settings
from shared.connections import Database, connect_redis
from shared.events import Events
from shared.jobs import Route
from shared.plans import read_plans
from tests.bot.farmhand import Farmhand
from tests.load.city import City, city, machine
from tests.proof.quantiles import quantile, told
from tests.reading import buttons_of

JOBS, CHANNELS, SEED = 200, 20, 12
SECONDS = float(os.environ.get("PICTOR_LOAD_S", "600"))
TELLS_S = 2.0
LASTS_S = (40.0, 120.0)
MOST_A_SECOND, MOST_REFUSED, APART_S, FINAL_P99_S = 45, 50, 3.0, 5.0

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@dataclass(slots=True)
class Watch:
    """When each job ended, and when its message showed that."""

    # At the farm's one connection pool.
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(6))
    ended: dict[str, float] = field(default_factory=dict)
    shown: dict[str, float] = field(default_factory=dict)

    def see(self, event: Event) -> None:
        if event.name == "MESSAGE_UPDATE" and "U1" in buttons_of(event.data):
            self.shown.setdefault(event.data["id"], time.monotonic())

    def took(self) -> list[float]:
        return [self.shown.get(id, float("inf")) - at for id, at in self.ended.items()]


async def test_messages_live_within_discords_limits(settings: Settings, database: Database) -> None:
    print(machine())
    redis, watch = connect_redis(settings.redis), Watch()
    farm = Farmhand(database, Events(redis), read_plans(settings.plans_file))
    async with city(settings) as there:
        there.emulator.world.listen(watch.see)
        rooms = [there.emulator.world.start_thread(people.IMAGINE_CHANNEL_ID, f"room {n}", people.FINN.id)
                 for n in range(CHANNELS)]  # fmt: skip
        until = time.monotonic() + SECONDS
        await asyncio.gather(*(live(there, farm, watch, rooms, n, until) for n in range(JOBS)))
        await asyncio.sleep(15)
        report(there, watch)
    await redis.aclose()


async def live(
    there: City, farm: Farmhand, watch: Watch, rooms: list[Channel], number: int, until: float
) -> None:
    """One place at the farm: a job after the other. Every other one has a token that still edits."""
    dice = random.Random(f"{SEED} {number}")
    await asyncio.sleep(dice.uniform(0, 10))
    turn = 0
    while time.monotonic() < until:
        make = by_token if turn % 2 else by_bot
        turn += 1
        route = make(there, rooms[number % CHANNELS], f"9{number:06d}{turn:04d}")
        async with watch.turns:
            job = await farm.start((await farm.accept(route)).id)
        ends = time.monotonic() + dice.uniform(*LASTS_S)
        step = 0
        while time.monotonic() < min(ends, until):
            await farm.tell(job, step := step + 1, 60)
            await asyncio.sleep(TELLS_S)
        if ends > until:
            return  # or all that still run would end in one moment, as no farm's do
        async with watch.turns:
            await farm.succeed(job)
        watch.ended[route.message_id] = time.monotonic()


def by_bot(there: City, room: Channel, user: str) -> Route:
    """Its token is spent: the bot edits it itself."""
    world = there.emulator.world
    message = post(world, draft(world, room, people.APPLICATION_ID), Body({"content": "…"}))
    return Route(room.id, message.id, user, people.GUILD_ID)


def by_token(there: City, room: Channel, user: str) -> Route:
    desk, data = there.emulator.interactions, {"name": "imagine", "type": 1, "id": "1"}
    owners = {"0": people.GUILD_ID}
    opened = desk.open(people.FINN.id, room, kind=COMMAND, data=data, owners=owners)
    desk.respond(opened.id, opened.token, Body({"type": 5}))
    ends = datetime.now(UTC) + timedelta(minutes=14)
    return Route(
        room.id,
        str(opened.original),
        user,
        people.GUILD_ID,
        people.APPLICATION_ID,
        token=opened.token,
        token_expires_at=ends,
    )


def report(there: City, watch: Watch) -> None:
    took, edits = watch.took(), there.edits()
    # The end may follow close upon the last progress.
    apart = [b - a for moments in edits.values() for a, b in pairwise(moments[:-1])]
    print(
        f"{JOBS} running jobs in {CHANNELS} channels for {SECONDS:.0f} s, seed {SEED}: "
        f"{len(took)} ended, {sum(map(len, edits.values()))} edits; busiest second {there.busiest_second()} "
        f"that count, refused {dict(there.refused())}, closest edits of a message {min(apart):.2f} s apart; "
        f"ends shown after {told(took)} s"
    )
    assert there.busiest_second() <= MOST_A_SECOND
    assert there.refused().total() <= MOST_REFUSED
    assert min(apart) > APART_S - 0.1
    assert quantile(took, 0.99) <= FINAL_P99_S
