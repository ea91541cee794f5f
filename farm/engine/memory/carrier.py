"""Bringing a checkpoint to the device: from the disk, by way of the host, room being made first."""

import gc
import logging
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import contextmanager
from threading import RLock

import torch

from farm.engine.memory.household import DEVICE, HOST, Home, Household, Lent
from farm.engine.memory.residency import (
    Resident,
    guests,
    no_room_yet,
    offload,
    resident_bytes,
    too_large,
)
from farm.engine.memory.terms import Key, Terms
from farm.engine.memory.tiers import Lodgings, empty, packed_size, settle
from farm.engine.weights.checkpoints import Loaded

log = logging.getLogger(__name__)

Load = Callable[..., Loaded]


class Carrier:
    """Whoever calls `bring`, `read_ahead` or `rehouse` has this checkpoint's turn."""

    def __init__(
        self,
        house: Household,
        terms: Terms,
        *,
        device: str,
        load: Load,
        lock: RLock,
        clock: Callable[[], float],
    ) -> None:
        """`lock` guards `house`."""
        self.house = house
        self.terms = terms
        self.device = device
        self._load = load
        self._lock = lock
        self._clock = clock

    @torch.inference_mode(False)
    def bring(self, key: Key) -> Lent:
        started = self._clock()
        with self._lock:
            source = "host" if key in self.house.homes else "disk"
        home = self._staged(key, ahead=False)
        if home is None:
            home = self._load_there(key)
        else:
            self._move_in(home)
        seconds = self._clock() - started
        log.info("Checkpoint %s is warm after %.1f s, from %s.", key[0], seconds, source)
        with self._lock:
            self.house.tally.carried(source, seconds, self.house.tiers[DEVICE].size(key))
            return home.lend()

    def read_ahead(self, key: Key) -> None:
        """To the host; where the host has no tier of its own, to what is free on the device."""
        with self._lock:
            if key in self.house.homes:
                return
        started = self._clock()
        home = self._staged(key, ahead=True) or self._loaded_if_free(key)
        if home is not None:
            seconds = self._clock() - started
            with self._lock:
                self.house.tally.carried("ahead", seconds, home.loaded.bytes)

    def rehouse(self, home: Home, *, away: bool) -> bool:
        """Its guests to the host, or all of them back; False where that cannot be done."""
        lodgings = home.lodgings
        if lodgings is None or not self._has(HOST, home.key):
            return False
        names = frozenset(guests(lodgings.parts)) if away else frozenset[str]()
        lodgings.send_away(names - lodgings.away)
        size = resident_bytes(lodgings.parts, names)
        if not self._take_in(DEVICE, home.key, self.terms.resident(home.key, size)):
            return False
        if not away:
            lodgings.call_back()
        return True

    def welcome(
        self,
        key: Hashable,
        parts: Mapping[str, int],
        resident: Callable[[int], Resident],
        *,
        splits: bool = False,
    ) -> frozenset[str]:
        """Room on the device; which parts must wait on the host for it. Fault where there is none."""
        away = self._fitted(key, parts, resident, splits=splits)
        if away is None:
            gc.collect()  # jobs that ended may still hold each other, and a checkpoint
            away = self._fitted(key, parts, resident, splits=splits)
        if away is not None:
            return away
        name, needed = str(key[0] if isinstance(key, tuple) else key), sum(parts.values())
        with self._lock:
            tier = self.house.tiers[DEVICE]
            most, now = tier.room(key, ()), tier.room(key, self.house.kept(DEVICE))
        later = self._plan(parts, most, splits=splits) is not None
        raise (no_room_yet if later else too_large)(
            name, needed=needed, there=now if later else most
        )

    def _fitted(
        self,
        key: Hashable,
        parts: Mapping[str, int],
        resident: Callable[[int], Resident],
        *,
        splits: bool,
    ) -> frozenset[str] | None:
        with self._lock:
            room = self.house.tiers[DEVICE].room(key, self.house.kept(DEVICE))
            away = self._plan(parts, room, splits=splits)
            if away is not None:
                self._take_in(DEVICE, key, resident(resident_bytes(parts, away)))
            return away

    def _plan(self, parts: Mapping[str, int], room: int, *, splits: bool) -> frozenset[str] | None:
        if splits:
            return offload(parts, room)
        return frozenset() if sum(parts.values()) <= room else None

    # --- the two ways ------------------------------------------------------------------------

    def _staged(self, key: Key, *, ahead: bool) -> Home | None:
        """On the host, read from the disk if need be; None when the host has no room for it."""
        with self._lock:
            if key in self.house.homes:
                return self.house.homes[key]
        hot = self.terms.is_hot(key)  # it never leaves the device: its copy is the first to go
        if not self._take_in(
            HOST, key, Resident(self.terms.announced(key), first=hot), ahead=ahead
        ):
            return None
        with self._undone(HOST, key):
            loaded = self._read(key, device="cpu")
            size = sum(packed_size(one) for one in loaded.family.modules.values())
            if self._take_in(HOST, key, Resident(size, first=hot), ahead=ahead):
                return self._unpacked(key, loaded)
            self._leave(HOST, key)
            empty(loaded.family.modules)
            return None

    def _unpacked(self, key: Key, loaded: Loaded) -> Home:
        lodgings = Lodgings(loaded.family.modules, self.device)
        settle(loaded.family, self.device)
        lodgings.watch(guests(lodgings.parts))
        return self._at_home(Home(key, loaded, lodgings))

    def _move_in(self, home: Home) -> None:
        assert home.lodgings is not None, "what has a home and is not on the device is on the host"
        key, parts = home.key, home.lodgings.parts
        away = self.welcome(key, parts, lambda size: self.terms.resident(key, size), splits=True)
        with self._undone(DEVICE, key):
            home.lodgings.move_in(away)
            home.wake()

    def _loaded_if_free(self, key: Key) -> Home | None:
        size = self.terms.announced(key)
        with self._lock:
            there, host = self.house.tiers[DEVICE], self.house.tiers[HOST]
            fits = not host.budget and size <= there.free
        return self._load_there(key) if fits else None

    def _load_there(self, key: Key) -> Home:
        """Straight from the disk to the device, without a copy on the host."""

        def resident(size: int) -> Resident:
            return self.terms.resident(key, size)

        self.welcome(key, {"all": self.terms.announced(key)}, resident)
        with self._undone(DEVICE, key):
            loaded = self._read(key, device=self.device)
            home = self._at_home(Home(key, loaded, None))
            self.terms.measured[key] = loaded.bytes
            self.welcome(key, {"all": loaded.bytes}, resident)
            home.wake()
        return home

    def _read(self, key: Key, *, device: str) -> Loaded:
        name, dtype = key
        catalog = self.terms.catalog
        return self._load(catalog.get(name), device=device, dtype=dtype, adapters=catalog.adapters)

    # --- the books ---------------------------------------------------------------------------

    def _at_home(self, home: Home) -> Home:
        with self._lock:
            self.house.homes[home.key] = home
        return home

    def _has(self, where: str, key: Key) -> bool:
        with self._lock:
            return key in self.house.tiers[where]

    def _take_in(
        self, where: str, key: Hashable, resident: Resident, *, ahead: bool = False
    ) -> bool:
        with self._lock:
            now = self._clock()
            return self.house.take_in(where, key, resident, now=now, keep_soon=ahead)

    def _leave(self, where: str, key: Hashable) -> None:
        with self._lock:
            self.house.leave(where, key)

    @contextmanager
    def _undone(self, where: str, key: Key) -> Iterator[None]:
        """If what follows fails, nothing of it is left."""
        try:
            yield
        except BaseException:
            self._leave(where, key)
            raise
