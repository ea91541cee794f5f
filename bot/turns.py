"""Loops that outlive whatever happens in them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from redis.exceptions import RedisError

from shared.errors import Fault

log = logging.getLogger(__name__)


async def forever(turn: Callable[[], Awaitable[None]]) -> None:
    """One turn after the other; a lost server slows the loop down and never ends it."""
    failures = 0
    while True:
        try:
            await turn()
            failures = 0
        except (RedisError, OSError, Fault) as error:
            failures += 1
            log.warning("%s: %s", turn.__qualname__, error)
        except Exception:
            failures += 1
            log.exception("%s", turn.__qualname__)
        if failures:
            await asyncio.sleep(min(0.5 * 2 ** min(failures, 5), 10.0))
