"""Which checkpoints live where, and who must leave for whom. The pool's books: no thread of its own."""

import weakref
from collections.abc import Collection, Hashable
from dataclasses import dataclass, fields

from farm.engine.memory.residency import Resident, Tier, Uses, worth
from farm.engine.memory.tally import Tally
from farm.engine.memory.terms import Key
from farm.engine.memory.tiers import Lodgings, empty
from farm.engine.weights.checkpoints import Loaded

DEVICE, HOST = "device", "host"


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Lent(Loaded):
    """What a pool hands out. While anybody holds it, the checkpoint is in use and stays."""


@dataclass(slots=True)
class Home:
    """A checkpoint in memory; without lodgings it never had a copy on the host."""

    key: Key
    loaded: Loaded
    lodgings: Lodgings | None
    woken: bool = False
    lent: "weakref.ref[Lent] | None" = None

    @property
    def in_use(self) -> bool:
        return self.lent is not None and self.lent() is not None

    def is_of(self, loaded: Loaded) -> bool:
        return self.loaded.family is loaded.family

    def lend(self) -> Lent:
        known = self.lent() if self.lent else None
        if known is None:
            known = Lent(**{one.name: getattr(self.loaded, one.name) for one in fields(Loaded)})
            self.lent = weakref.ref(known)
        return known

    def wake(self) -> None:
        """Its first forward in this process; kernels that were chosen stay chosen."""
        if not self.woken:
            self.loaded.family.warm()
            self.woken = True

    def leave_device(self) -> None:
        """Encoded texts lie there too."""
        texts = getattr(self.loaded.family, "texts", None)
        if texts:
            texts.clear()
        if self.lodgings:
            self.lodgings.move_out()

    def end(self) -> None:
        """Frees its memory now, whoever still knows its family."""
        if self.lodgings:
            self.lodgings.close()
        empty(self.loaded.family.modules)


class Household:
    def __init__(self, *, device: int, host: int, tally: Tally) -> None:
        """Budgets in bytes."""
        self.tiers = {DEVICE: Tier(device), HOST: Tier(host)}
        self.homes: dict[Hashable, Home] = {}
        self.uses = Uses()
        self.tally = tally
        self.busy: set[Hashable] = set()  # somebody has their turn: they stay where they are
        self.arriving: set[Hashable] = set()  # of those, the ones not to be used yet
        self.soon: tuple[Hashable, ...] = ()
        self.stirred = False  # since somebody last asked

    def there(self, key: Hashable) -> Home | None:
        """Its home, if it can be used at once."""
        ready = key in self.tiers[DEVICE] and key not in self.arriving
        return self.homes.get(key) if ready else None

    def kept(self, where: str) -> set[Hashable]:
        if where == DEVICE:
            return {key for key, home in self.homes.items() if home.in_use} | self.busy
        away = {key for key, one in self.homes.items() if one.lodgings and one.lodgings.away}
        return away | self.busy

    def open_to_newcomers(self, where: str) -> int:
        """Bytes: the budget without those that are in use and those that never leave."""
        return max(0, self.tiers[where].room(None, self.kept(where)))

    def take_in(
        self, where: str, key: Hashable, resident: Resident, *, now: float, keep_soon: bool = False
    ) -> bool:
        """Makes room first. False, and nobody has left, when that cannot be done."""
        tier = self.tiers[where]
        short = resident.size - tier.size(key) - tier.free
        keep = self.kept(where) | {key} | set(self.soon if keep_soon else ())
        leavers = self._leavers(where, short, keep=keep, now=now)
        if leavers is None:
            return False
        for leaver in leavers:
            self.evict(where, leaver)
        tier.settle(key, resident)
        self.stirred = True
        return True

    def shrink(self, *, now: float) -> None:
        """To the budget, as far as it goes without those in use."""
        for where, tier in self.tiers.items():
            keep = self.kept(where)
            most = min(-tier.free, tier.used - tier.budget + tier.room(None, keep))
            for leaver in self._leavers(where, most, keep=keep, now=now) or ():
                self.evict(where, leaver)

    def _leavers(
        self, where: str, short: int, *, keep: Collection[Hashable], now: float
    ) -> list[Hashable] | None:
        if short <= 0:
            return []
        worths = {key: self._worth(where, key, now) for key in self.tiers[where].keys}
        return self.tiers[where].leavers(short, worths=worths, keep=keep, soon=self.soon)

    def _worth(self, where: str, key: Hashable, now: float) -> float:
        size = self.tiers[where].size(key)
        source = "host" if where == DEVICE and key in self.tiers[HOST] else "disk"
        seconds = self.tally.seconds_for(source, size)
        return worth(self.uses.of(key, now), seconds=seconds, size=size)

    def evict(self, where: str, key: Hashable) -> None:
        self.tally.evictions[where] += 1
        self.leave(where, key)

    def dismiss(self, key: Hashable) -> None:
        """From wherever it lives."""
        for where, tier in self.tiers.items():
            if key in tier:
                self.evict(where, key)

    def leave(self, where: str, key: Hashable) -> None:
        """Off the device it may live on the host; without its copy there, on the device."""
        self.tiers[where].leave(key)
        self.stirred = True
        home = self.homes.get(key)
        if home is None:
            return
        if not any(key in tier for tier in self.tiers.values()):
            del self.homes[key]
            home.end()
        elif where == DEVICE:
            home.leave_device()
        elif home.lodgings:
            home.lodgings.give_up_host()
