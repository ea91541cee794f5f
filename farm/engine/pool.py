"""Checkpoints that are at hand: on the device, or on the host and one copy away from it."""

import gc
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import contextmanager

import torch

from farm.engine import checkpoints, memory
from farm.engine.checkpoints import Loaded
from farm.engine.household import DEVICE, HOST, Home, Household, Lent
from farm.engine.ladder import Ladder
from farm.engine.memory import weight_bytes
from farm.engine.readahead import ReadAhead
from farm.engine.residency import Resident, guests, offload, resident_bytes, too_large
from farm.engine.tally import PoolReport, Tally
from farm.engine.terms import Key, Terms, usual_dtype
from farm.engine.tiers import Lodgings, packed_size, settle
from shared.catalog import Catalog

log = logging.getLogger(__name__)

Load = Callable[..., Loaded]


class Pool:
    """Safe in several threads. `_lock` guards the books and is never held while weights are read.

    Each checkpoint is loaded by one thread at a time, whoever asks; different ones side by side.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        device: str,
        dtype: torch.dtype | None = None,
        budget: int | None = None,
        host: int | None = None,
        load: Load = checkpoints.load,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`budget` on the device and `host` for copies beside it, in bytes; else shares of what is free."""
        self.catalog = catalog
        self.device = device
        self.dtype = dtype or usual_dtype(device)
        self.terms = Terms(catalog, self.dtype)
        self.ladder = Ladder()
        self.tally = Tally()
        self.house = Household(
            device=memory.device_budget(device) if budget is None else budget,
            host=memory.host_budget(device) if host is None else host,
            tally=self.tally,
        )
        self.ahead = ReadAhead(self._read_ahead)
        self._load = load
        self._clock = clock
        self._stirred = False
        self._lock = threading.RLock()
        self._turns: defaultdict[Key, threading.Lock] = defaultdict(threading.Lock)

    # --- what the engine asks ----------------------------------------------------------------

    def open(self) -> None:
        """The hot ones are brought, the warm ones are read ahead."""
        hot, warm = self.terms.named("hot"), self.terms.named("warm")
        for name in dict.fromkeys((self.catalog.default, *hot)):
            self.get(name)
        self.expect([name for name in warm if name != self.catalog.default])

    @property
    def warm(self) -> list[str]:
        with self._lock:
            return sorted(
                {one.key[0] for one in self.house.homes.values() if self.house.there(one.key)}
            )

    def is_warm(self, name: str, dtype: torch.dtype | None = None) -> bool:
        if name not in self.catalog.checkpoints:
            return False
        with self._lock:
            return self.house.there(self.terms.key(name, dtype)) is not None

    def get(self, name: str, dtype: torch.dtype | None = None) -> Loaded:
        """On the device for as long as anybody holds the answer; its family alone does not count.

        Refusal for a name the catalog does not know, Fault for weights that are not whole, Fault
        `too_large_for_device` for what cannot fit beside those in use.
        """
        key = self.terms.key(name, dtype)
        with self._lock:
            self.house.uses.note(key, self._clock())
        return self._at_hand(key) or self._fetched(key)

    def trim(self, in_use: Collection[Loaded]) -> None:
        """These are in use too, until the next call; whoever is over the budget leaves."""
        families = {id(one.family) for one in in_use}
        with self._lock:
            self.house.in_use = frozenset(
                key for key, home in self.house.homes.items() if id(home.loaded.family) in families
            )
            self.house.shrink(now=self._clock())

    def expect(self, names: Sequence[str]) -> None:
        """What the queue will need, the next first: read in the background while there is room."""
        known = [self.terms.key(name) for name in names if name in self.catalog.checkpoints]
        with self._lock:
            self.house.soon = tuple(known)
        self.ahead.want(known)

    def idle(self) -> int:
        """Gives unused memory back, in one piece for the next load. Bytes that the device got back.

        Costs nothing when nothing came or went since the last time.
        """
        with self._lock:
            stirred, self._stirred = self._stirred, False
        return memory.give_back(self.device) if stirred else 0

    def reserve(self, name: str, size: int) -> None:
        """Room in the budget for something that is not a checkpoint, or its new size."""
        resident = Resident(size, fixed=True)
        if not self._take_in(DEVICE, name, resident):
            with self._lock:
                raise too_large(name, needed=size, there=self.house.room(DEVICE, name))

    def release(self, name: str) -> None:
        with self._lock:
            self.house.tiers[DEVICE].leave(name)

    def offload(self, loaded: Loaded) -> bool:
        """Its text encoders and VAE wait on the host and visit one at a time; False if they cannot."""
        return self._rehouse(loaded, lambda lodgings: frozenset(guests(lodgings.parts)))

    def call_back(self, loaded: Loaded) -> bool:
        """The reverse; False while there is no room."""
        return self._rehouse(loaded, lambda _: frozenset())

    def resize(self, budget: int) -> None:
        """Of the device, in bytes. What is over it leaves at the next `trim`."""
        with self._lock:
            self.house.tiers[DEVICE].budget = budget

    def report(self) -> PoolReport:
        with self._lock:
            tiers = self.house.tiers.items()
            used = {where: tier.used for where, tier in tiers}
            return self.tally.report(used=used, budget={where: one.budget for where, one in tiers})

    # --- getting one -------------------------------------------------------------------------

    def _at_hand(self, key: Key) -> Lent | None:
        with self._lock:
            home = self.house.there(key)
            if home is None:
                return None
            self.tally.hits += 1
            return home.lend()

    def _fetched(self, key: Key) -> Loaded:
        with self._turn(key):
            with self._lock:
                if key in self.house.tiers[DEVICE]:  # brought while this one waited for its turn
                    self.tally.hits += 1
                    return self.house.homes[key].lend()
            try:
                return self._bring(key)
            except BaseException:
                with self._lock:
                    self.tally.failures += 1
                raise

    @contextmanager
    def _turn(self, key: Key) -> Iterator[None]:
        """While it lasts, nobody else loads this one or lets it go."""
        with self._lock:
            turn = self._turns[key]
        with turn:
            with self._lock:
                self.house.busy.add(key)
                self._stirred = True
            try:
                yield
            finally:
                with self._lock:
                    self.house.busy.discard(key)

    @torch.inference_mode(False)
    @torch.no_grad()
    def _bring(self, key: Key) -> Lent:
        started = self._clock()
        with self._lock:
            source = "host" if key in self.house.homes else "disk"
        home = self._staged(key, ahead=False)
        if home is None:
            home = self._load_there(key)
        else:
            self._move_in(key, home)
        seconds = self._clock() - started
        log.info("Checkpoint %s is warm after %.1f s, from %s.", key[0], seconds, source)
        with self._lock:
            self.tally.carried(source, seconds, self.house.tiers[DEVICE].size(key))
            return home.lend()

    def _staged(self, key: Key, *, ahead: bool) -> Home | None:
        """On the host, read from the disk if need be; None when the host has no room for it."""
        with self._lock:
            if key in self.house.homes:
                return self.house.homes[key]
        resident = Resident(self.terms.announced(key), first=self.terms.is_hot(key))
        if not self._take_in(HOST, key, resident, ahead=ahead):
            return None
        with self._undone(HOST, key):
            loaded = self._load(self.catalog.get(key[0]), device="cpu", dtype=key[1])
            size = sum(packed_size(one) for one in loaded.family.modules.values())
            if not self._take_in(HOST, key, Resident(size, first=resident.first), ahead=ahead):
                self._leave(HOST, key)
                return None
            return self._unpacked(key, loaded)

    def _unpacked(self, key: Key, loaded: Loaded) -> Home:
        lodgings = Lodgings(loaded.family.modules, self.device)
        settle(loaded.family, self.device)
        lodgings.watch(guests(lodgings.parts))
        home = Home(key, loaded, lodgings)
        with self._lock:
            self.house.homes[key] = home
        return home

    def _move_in(self, key: Key, home: Home) -> None:
        assert home.lodgings is not None, "what has a home and is not on the device is on the host"
        away = self._welcome(key, home.lodgings.parts, splits=True)
        with self._undone(DEVICE, key):
            home.lodgings.move_in(away)
            home.wake()

    def _load_there(self, key: Key) -> Home:
        """Straight from the disk to the device, without a copy on the host."""
        self._welcome(key, {"all": self.terms.announced(key)}, splits=False)
        with self._undone(DEVICE, key):
            loaded = self._load(self.catalog.get(key[0]), device=self.device, dtype=key[1])
            size = self.terms.measured[key] = weight_bytes(loaded.family.modules)
            self._welcome(key, {"all": size}, splits=False)
            home = Home(key, loaded, None)
            with self._lock:
                self.house.homes[key] = home
            home.wake()
        return home

    # --- the books ---------------------------------------------------------------------------

    def _welcome(self, key: Key, parts: dict[str, int], *, splits: bool) -> frozenset[str]:
        """Room on the device; which parts must wait on the host for it. Fault when even so none."""
        for last in (False, True):
            with self._lock:
                room = self.house.room(DEVICE, key)
                away = offload(parts, room) if splits else frozenset[str]()
                if away is not None:
                    size = resident_bytes(parts, away)
                    if self._take_in(DEVICE, key, self.terms.resident(key, size)):
                        return away
            if not last:
                gc.collect()  # jobs that ended may still hold each other, and this one's room
        raise too_large(f"The checkpoint {key[0]}", needed=sum(parts.values()), there=room)

    def _take_in(
        self, where: str, key: Hashable, resident: Resident, *, ahead: bool = False
    ) -> bool:
        with self._lock:
            self._stirred = True
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

    def _rehouse(self, loaded: Loaded, plan: Callable[[Lodgings], frozenset[str]]) -> bool:
        key = self._key_of(loaded)
        if key is None:
            return False
        with self._turn(key):
            lodgings = self.house.homes[key].lodgings
            if lodgings is None:
                return False
            away = plan(lodgings)
            lodgings.send_away(away - lodgings.away)
            size = resident_bytes(lodgings.parts, away)
            if not self._take_in(DEVICE, key, self.terms.resident(key, size)):
                return False
            if not away:
                lodgings.call_back()
        return True

    def _key_of(self, loaded: Loaded) -> Key | None:
        with self._lock:
            for key, home in self.house.homes.items():
                if home.loaded.family is loaded.family and key in self.house.tiers[DEVICE]:
                    return home.key
        return None

    def _read_ahead(self, key: Key) -> None:
        """To the host; where the host has no tier of its own, to what is free on the device."""
        with self._turn(key):
            with self._lock:
                if key in self.house.homes:
                    return
            started = self._clock()
            home = self._staged(key, ahead=True) or self._loaded_if_free(key)
            if home is not None:
                size = weight_bytes(home.loaded.family.modules)
                with self._lock:
                    self.tally.carried("ahead", self._clock() - started, size)

    def _loaded_if_free(self, key: Key) -> Home | None:
        with self._lock:
            there, host = self.house.tiers[DEVICE], self.house.tiers[HOST]
            fits = not host.budget and self.terms.announced(key) <= there.free
        return self._load_there(key) if fits else None
