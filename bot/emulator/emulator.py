"""All parts of the local Discord, wired once."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from bot.emulator.actions import Actions
from bot.emulator.clock import Clock
from bot.emulator.faults import Faults
from bot.emulator.feed import Feed
from bot.emulator.gateway import Gateway
from bot.emulator.interactions import Interactions
from bot.emulator.openapi import Description
from bot.emulator.ratelimits import RateLimits
from bot.emulator.store import Store
from bot.emulator.world import World

REMEMBERED_REQUESTS = 2000


@dataclass(frozen=True, slots=True)
class Options:
    token: str
    host: str = "127.0.0.1"
    port: int = 0
    public_url: str = ""
    description: Description | None = None


@dataclass(slots=True)
class Emulator:
    options: Options
    world: World
    gateway: Gateway
    interactions: Interactions
    actions: Actions
    feed: Feed
    store: Store
    description: Description | None
    local_url: str = ""
    limits: RateLimits = field(default_factory=RateLimits)
    faults: Faults = field(default_factory=Faults)
    violations: list[dict[str, Any]] = field(default_factory=list)
    requests: deque[dict[str, Any]] = field(
        default_factory=lambda: deque(maxlen=REMEMBERED_REQUESTS)
    )


EMULATOR = web.AppKey("emulator", Emulator)


def build(options: Options, *, clock: Clock | None = None) -> Emulator:
    world = World(token=options.token, clock=clock)
    store = Store(world)
    interactions = Interactions(world, store)
    return Emulator(
        options=options,
        world=world,
        gateway=Gateway(world),
        interactions=interactions,
        actions=Actions(world, interactions),
        feed=Feed(world),
        store=store,
        description=options.description,
    )
