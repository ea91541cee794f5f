"""Time that tests can push forward, and the ids that Discord makes out of it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

DISCORD_EPOCH_MS = 1_420_070_400_000


class Clock:
    def __init__(self, source: Callable[[], float] = time.time) -> None:
        self._source = source
        self.offset = 0.0

    def now(self) -> float:
        """Unix seconds."""
        return self._source() + self.offset

    def advance(self, seconds: float) -> None:
        # Snowflakes order by time, so time never runs backwards here.
        if seconds < 0:
            raise ValueError("the clock only moves forward")
        self.offset += seconds


class Snowflakes:
    """Ids that grow, even within one millisecond."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> str:
        stamp = (int(self._clock.now() * 1000) - DISCORD_EPOCH_MS) << 22
        self._last = max(stamp, self._last + 1)
        return str(self._last)


def moment_of(snowflake: str) -> float:
    """Unix seconds at which the snowflake was made."""
    return ((int(snowflake) >> 22) + DISCORD_EPOCH_MS) / 1000


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat()
