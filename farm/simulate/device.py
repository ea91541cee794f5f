"""One GPU at work: rows that share its steps, warm checkpoints, loads, jobs pushed aside. Pure."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from farm.placement import RANK, Worker
from farm.simulate.arrivals import Arrival
from farm.simulate.hardware import GIB, Gpu, Model

DONE_MS = 1e-6  # less is left of a job that has ended: rounding
EVERY_STEPS = 10  # between two snapshots


@dataclass(slots=True)
class Life:
    """One arrival's way through the world. `used_ms` is its share of the GPU's time, on all its ways."""

    arrival: Arrival
    left_ms: float
    used_ms: float = 0.0
    charged_ms: float = 0.0  # the part of `used_ms` that the scheduler has been told of
    refused: bool = False
    taken_at: float | None = None
    drawn_at: float | None = None
    finished_at: float | None = None
    begun: bool = False  # on the GPU where it is now
    told: tuple[float, float, float] | None = None  # the first forecast: when, and its range

    @property
    def waits_to_start(self) -> bool:
        return not self.refused and self.drawn_at is None

    def fall_back(self) -> None:
        """Its GPU died: what came after the last snapshot is lost."""
        arrival = self.arrival
        steps = (1 - self.left_ms / arrival.work_ms) * arrival.steps
        kept = steps // EVERY_STEPS * EVERY_STEPS / arrival.steps
        self.left_ms, self.begun, self.taken_at = arrival.work_ms * (1 - kept), False, None


class Device:
    """`lives` in the order in which they came; `pushes`: the faster lane has the rows first."""

    def __init__(
        self, name: str, gpu: Gpu, models: Mapping[str, Model], *, pushes: bool, up_at: float = 0.0
    ) -> None:
        self.name, self.gpu, self.models, self.pushes = name, gpu, models, pushes
        self.lives: list[Life] = []
        self.warm: dict[str, float] = {}
        self.loading: str | None = None
        self.drawing_s = self.loading_s = self.idle_s = self.down_s = 0.0
        self.slot_s = 0.0
        self.loads = 0
        self.up = True
        self._drawing: list[Life] = []
        self._rates: dict[str, float] = {}
        self._shares: dict[str, float] = {}
        self._loaded_at = 0.0
        self._since = up_at

    def worker(self) -> Worker:
        """As its heartbeat would tell it."""
        aboard = frozenset(life.arrival.checkpoint for life in self.lives)
        pool, taken = self.gpu.pool_gb, self._taken_gb()
        return Worker(
            name=self.name,
            slots=self.gpu.slots,
            busy=Counter(life.arrival.speed for life in self.lives),
            checkpoints=aboard | self.warm.keys() | ({self.loading} if self.loading else set()),
            draining=not self.up,
            vram_bytes=round(pool * GIB),
            free_bytes=round(max(pool - taken, 0.0) * GIB) or 1,
        )

    # --- what happens to it ------------------------------------------------------------------

    def take(self, life: Life) -> None:
        self.lives.append(life)

    def advance(self, now: float) -> None:
        """Everything that draws draws until now."""
        passed = now - self._since
        self._since = now
        self._clock(passed)
        for life in self._drawing:
            name = life.arrival.checkpoint
            life.left_ms -= passed * 1000 * self._rates[name]
            life.used_ms += passed * 1000 * self._shares[name]
        if self.loading is not None and now >= self._loaded_at:
            self.warm[self.loading] = now
            self.loading = None

    def ended(self, now: float) -> list[Life]:
        """Takes off what has been drawn to its end."""
        done = [life for life in self._drawing if life.left_ms <= DONE_MS]
        for life in done:
            life.left_ms, life.finished_at = 0.0, now
            self.lives.remove(life)
        return done

    def arrange(self, now: float) -> None:
        """Rows for the next steps, and the next load. Who waits for memory lets nobody behind it begin,
        or it would wait for ever."""
        self._drawing, blocked = [], False
        for life in self._in_order() if self.up else ():
            name = life.arrival.checkpoint
            if name in self.warm:
                if len(self._drawing) < self.gpu.slots and (life.begun or not blocked):
                    self._draw(life, now)
            elif self.loading is None and not self.load(name, now):
                blocked = True
        self._set_pace()

    def load(self, name: str, now: float) -> bool:
        """Begins to load it, if the weights that nobody draws with make room for it."""
        if name in self.warm or self.loading is not None:
            return False
        if not self._make_room(self.models[name].vram_gb):
            return False
        self.loading, self._loaded_at = name, now + self.models[name].load_s
        self.loads += 1
        return True

    def fail(self) -> list[Life]:
        """Dies with all that it holds."""
        lost, self.lives = self.lives, []
        self.up, self.loading, self._drawing = False, None, []
        self.warm.clear()
        for life in lost:
            life.fall_back()
        return lost

    def wakes_at(self, now: float) -> float | None:
        """When something ends by itself, if nobody comes before."""
        ends = [
            now + life.left_ms / 1000 / self._rates[life.arrival.checkpoint]
            for life in self._drawing
        ]
        if self.loading is not None:
            ends.append(self._loaded_at)
        return max(min(ends), now) if ends else None

    # --- inside ------------------------------------------------------------------------------

    def _in_order(self) -> list[Life]:
        if not self.pushes:
            return self.lives
        return sorted(self.lives, key=lambda life: RANK[life.arrival.speed])

    def _draw(self, life: Life, now: float) -> None:
        life.begun = True
        life.drawn_at = now if life.drawn_at is None else life.drawn_at
        self.warm[life.arrival.checkpoint] = now
        self._drawing.append(life)

    def _set_pace(self) -> None:
        """Checkpoints take turns, step by step; jobs of one checkpoint share its step."""
        jobs = Counter(life.arrival.checkpoint for life in self._drawing)
        steps = {name: self.gpu.step(count) for name, count in jobs.items()}
        whole = sum(steps.values())
        self._rates = dict.fromkeys(jobs, self.gpu.speed / whole if jobs else 0.0)
        self._shares = {name: steps[name] / jobs[name] / whole for name in jobs}

    def _clock(self, passed: float) -> None:
        self.slot_s += passed * min(len(self.lives), self.gpu.slots)
        if not self.up:
            self.down_s += passed
        elif self._drawing:
            self.drawing_s += passed
        elif self.loading is not None:
            self.loading_s += passed
        else:
            self.idle_s += passed

    def _taken_gb(self) -> float:
        there = self.warm.keys() | ({self.loading} if self.loading else set())
        return sum(self.models[name].vram_gb for name in there)

    def _make_room(self, wanted_gb: float) -> bool:
        """Drops what was drawn with longest ago; nothing at all if that would not be enough."""
        in_use = {life.arrival.checkpoint for life in self.lives if life.begun}
        idle = sorted(self.warm.keys() - in_use, key=lambda name: (self.warm[name], name))
        missing = self._taken_gb() + wanted_gb - self.gpu.pool_gb
        leaving: list[str] = []
        for name in idle:
            if missing <= 0:
                break
            leaving.append(name)
            missing -= self.models[name].vram_gb
        if missing > 0:
            return False
        for name in leaving:
            del self.warm[name]
        return True
