"""Front desks as two bots have them: each with a pool, a bell and seeds of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from itertools import count
from typing import Any, TypeVar

from shared.admission import FrontDesk, Rulebook
from shared.bell import Bell
from shared.catalog import read_catalog
from shared.config import Settings
from shared.connections import Database, connect_redis
from shared.errors import Fault
from shared.events import Events
from shared.safety.screen import open_screen
from tests.shared.rows import BOOK

T = TypeVar("T")
TRIES = 50


@asynccontextmanager
async def two_desks(settings: Settings, **plan: Any) -> AsyncIterator[tuple[FrontDesk, FrontDesk]]:
    """`plan` are changes to every plan."""
    async with AsyncExitStack() as stack:
        one, two = [await _desk(stack, settings, plan) for _ in range(2)]
        yield one, two


async def insisting(ask: Callable[[], Awaitable[T]]) -> T:
    """As people do when they are told to try again: the key makes it harmless."""
    for _ in range(TRIES):
        try:
            return await ask()
        except Fault as fault:
            if not fault.retryable:
                raise
    return await ask()


async def _desk(stack: AsyncExitStack, settings: Settings, plan: dict[str, Any]) -> FrontDesk:
    database = Database.connect(settings.database.model_copy(update={"pool_size": 10}))
    redis, bell, seeds = connect_redis(settings.redis), Bell(settings.redis), count(1)
    for close in (database.close, redis.aclose, bell.close):
        stack.push_async_callback(close)
    plans = {name: replace(one, **plan) for name, one in BOOK.plans.items()}
    return FrontDesk(
        database,
        bell,
        Events(redis),
        Rulebook(
            replace(BOOK, plans=plans),
            read_catalog(settings.catalog_file),
            open_screen(settings.blocklist_file, settings.policy_file),
        ),
        draw_seed=lambda: next(seeds),
    )
