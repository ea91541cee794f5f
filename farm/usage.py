"""How much relax each account used lately: a half-life, so that what is long past weighs nothing. Pure."""

from uuid import UUID

HALF_LIFE_S = 1800.0
# The most that a heavy user waits behind light ones, in GPU-milliseconds of theirs: it is an order, no ban.
MOST_MS = 120_000.0
FORGOTTEN_MS = 1.0


class RecentUse:
    def __init__(self) -> None:
        self._used: dict[UUID, tuple[float, float]] = {}
        self._crowded = 1024

    def add(self, account_id: UUID, used_ms: float, now: float) -> None:
        self._used[account_id] = self._decayed(account_id, now) + used_ms, now
        if len(self._used) > self._crowded:
            self._forget(now)

    def of(self, account_id: UUID, now: float) -> float:
        """GPU-milliseconds that count against it now."""
        return min(self._decayed(account_id, now), MOST_MS)

    def copy(self) -> "RecentUse":
        twin = RecentUse()
        twin._used = self._used.copy()
        return twin

    def _decayed(self, account_id: UUID, now: float) -> float:
        used, then = self._used.get(account_id, (0.0, now))
        return float(used * 0.5 ** (max(now - then, 0.0) / HALF_LIFE_S))

    def _forget(self, now: float) -> None:
        left = {key: (self._decayed(key, now), now) for key in self._used}
        self._used = {key: entry for key, entry in left.items() if entry[0] > FORGOTTEN_MS}
        self._crowded = 2 * len(self._used) + 1024
