"""Checkpoints that are at hand: on the device, or on the host and one copy away from it."""

import gc
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

import torch

from farm.engine.memory import measures as memory
from farm.engine.memory.carrier import Carrier, Load
from farm.engine.memory.household import DEVICE, Household, Lent
from farm.engine.memory.readahead import ReadAhead
from farm.engine.memory.residency import Resident
from farm.engine.memory.tally import PoolReport, Tally
from farm.engine.memory.terms import Key, Terms, usual_dtype
from farm.engine.weights import checkpoints
from farm.engine.weights.checkpoints import Loaded
from shared.catalog import Catalog
from shared.errors import Refusal


class Pool:
    """Safe in several threads. One lock guards the books and is never held while weights are read.

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
        self.tally = Tally()
        self.house = Household(
            device=memory.device_budget(device) if budget is None else budget,
            host=memory.host_budget(device) if host is None else host,
            tally=self.tally,
        )
        self._lock = threading.RLock()
        self._clock = clock
        self._carrier = Carrier(
            self.house, self.terms, device=device, load=load, lock=self._lock, clock=clock
        )
        self.ahead = ReadAhead(self._read_ahead)
        self._opening: list[Key] = []  # to be read at the start, and not yet
        self._turns: defaultdict[Key, threading.Lock] = defaultdict(threading.Lock)

    # --- what the engine asks ----------------------------------------------------------------

    def open(self) -> None:
        """The hot ones are brought, the warm ones are read ahead."""
        hot, warm = self.terms.named("hot"), self.terms.named("warm")
        for name in dict.fromkeys((self.catalog.default, *hot)):
            self.get(name)
        self._opening = [self.terms.key(name) for name in warm if name != self.catalog.default]
        self.expect([])

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

        Refusal for a name the catalog does not know, Fault for weights that are not whole; Fault
        `too_large_for_device` for what can never fit, `no_room_yet` beside what others hold.
        """
        key = self.terms.key(name, dtype)
        with self._lock:
            self.house.uses.note(key, self._clock())
        return self._at_hand(key) or self._fetched(key)

    def trim(self, in_use: Collection[Loaded] = ()) -> None:
        """Whoever is over the budget leaves; `in_use` stay, since the caller holds them."""
        with self._lock:
            self.house.shrink(now=self._clock())

    def expect(self, names: Sequence[str]) -> None:
        """What the queue will need, the next first: read in the background while there is room.

        What is left to be read since the start comes after it.
        """
        known = [self.terms.key(name) for name in names if name in self.catalog.checkpoints]
        with self._lock:
            wanted = list(dict.fromkeys((*known, *self._opening)))
            self.house.soon = tuple(wanted)
        self.ahead.want(wanted)

    def unload(self, name: str) -> None:
        """Off the device and off the host, in every precision. Nothing happens where it is on neither.

        Refusal `unknown_checkpoint`; `always_loaded` for a hot one, `in_use` while anybody holds it.
        """
        gc.collect()  # jobs that ended may still hold each other, and a checkpoint
        with self._lock:
            if self.terms.is_hot(self.terms.key(name)):
                raise Refusal("always_loaded", f"{name} is always loaded: its tier says so.")
            keys = [key for key, home in self.house.homes.items() if home.key[0] == name]
            if not self.house.kept(DEVICE).isdisjoint([*keys, self.terms.key(name)]):
                raise Refusal("in_use", f"{name} is in use. Try again when its jobs have ended.")
            self._opening = [key for key in self._opening if key[0] != name]
            for key in keys:
                self.house.dismiss(key)

    def idle(self) -> int:
        """Gives unused memory back, in one piece for the next load. Bytes that the device got back.

        Costs nothing when nothing came or went since the last time.
        """
        with self._lock:
            stirred, self.house.stirred = self.house.stirred, False
        return memory.give_back(self.device) if stirred else 0

    def reserve(self, name: str, size: int) -> None:
        """Room in the budget for something that is not a checkpoint, or its new size."""
        self._carrier.welcome(name, {name: size}, lambda size: Resident(size, fixed=True))

    def release(self, name: str) -> None:
        with self._lock:
            self.house.tiers[DEVICE].leave(name)

    def offload(self, loaded: Loaded) -> bool:
        """Its text encoders and VAE wait on the host and visit one at a time; False if they cannot."""
        return self._moved(loaded, away=True)

    def call_back(self, loaded: Loaded) -> bool:
        """The reverse; False while there is no room."""
        return self._moved(loaded, away=False)

    def resize(self, budget: int) -> None:
        """Of the device, in bytes. What is over it leaves at the next `trim`."""
        with self._lock:
            self.house.tiers[DEVICE].budget = budget

    def report(self) -> PoolReport:
        with self._lock:
            tiers = self.house.tiers.items()
            return self.tally.report(
                used={where: tier.used for where, tier in tiers},
                budget={where: tier.budget for where, tier in tiers},
                free={where: self.house.open_to_newcomers(where) for where, _ in tiers},
            )

    # --- how ---------------------------------------------------------------------------------

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
                return self._carrier.bring(key)
            except BaseException:
                with self._lock:
                    self.tally.failures += 1
                raise

    @contextmanager
    def _turn(self, key: Key) -> Iterator[None]:
        """While it lasts, nobody else loads this one, moves it or lets it go."""
        with self._lock:
            turn = self._turns[key]
        with turn:
            with self._lock:
                self.house.busy.add(key)
                if key not in self.house.tiers[DEVICE]:
                    self.house.arriving.add(key)
            try:
                yield
            finally:
                with self._lock:
                    self.house.busy.discard(key)
                    self.house.arriving.discard(key)

    def _read_ahead(self, key: Key) -> None:
        with self._lock:
            self._opening = [other for other in self._opening if other != key]
        with self._turn(key):
            self._carrier.read_ahead(key)

    def _moved(self, loaded: Loaded, *, away: bool) -> bool:
        with self._lock:
            homes = [one for one in self.house.homes.values() if one.is_of(loaded)]
        if not homes:
            return False
        with self._turn(homes[0].key):
            return self._carrier.rehouse(homes[0], away=away)
