"""The world's clock: arrivals, ends, loads, outages and forecasts, one event after another. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from uuid import UUID

from farm.scheduler import Waiting
from farm.simulate.arrivals import Arrival
from farm.simulate.device import Device, Life
from farm.simulate.hardware import GIB, Farm
from farm.simulate.policies import Policy
from shared.plans import PlanBook

TELL_EVERY_S = 60.0
RESCUED_AFTER_S = 15.0  # the lease of a job whose worker died runs out


@dataclass(frozen=True, slots=True)
class Past:
    """What happened, for the figures. Times are seconds from the beginning; `until` is the end."""

    policy: str
    lives: list[Life]
    devices: list[Device]
    until: float


class World:
    """One policy, one farm, one list of arrivals. `run` is all there is to do with it."""

    def __init__(
        self,
        farm: Farm,
        policy: Policy,
        book: PlanBook,
        *,
        until: float,
        tell_every_s: float = TELL_EVERY_S,
        waiting_limits: bool = True,
    ) -> None:
        self._farm, self._policy, self._book = farm, policy, book
        self._until, self._tell_every_s = until, tell_every_s
        self._waiting_limits = waiting_limits
        self._lives: dict[UUID, Life] = {}
        self._waiting: Counter[UUID] = Counter()
        self._events: list[tuple[float, int, Event]] = []
        self._numbers = count()
        self._devices = {
            name: Device(name, farm.gpu, farm.models, pushes=policy.pushes)
            for name in (f"gpu{number:03}" for number in range(farm.gpus))
        }
        self._views = {name: device.worker() for name, device in self._devices.items()}
        self._wakes: dict[str, float | None] = dict.fromkeys(self._devices)

    def run(self, arrivals: Sequence[Arrival]) -> Past:
        self._foretell(arrivals)
        while self._events and self._events[0][0] <= self._until:
            now, _, event = heappop(self._events)
            self._happen(event, now)
            self._place(now)
        for device in self._devices.values():
            device.advance(self._until)
        return Past(
            self._policy.name, list(self._lives.values()), list(self._devices.values()), self._until
        )

    def _foretell(self, arrivals: Iterable[Arrival]) -> None:
        for arrival in arrivals:
            self._at(arrival.at, arrival)
        for outage in self._farm.outages:
            names = list(self._devices)[: outage.gpus]
            for name in names:
                self._at(outage.at, Death(name))
                self._at(outage.until, Return(name))
        if self._tell_every_s > 0:
            self._at(self._tell_every_s, Telling())

    def _happen(self, event: "Event", now: float) -> None:
        match event:
            case Arrival():
                self._submit(event, now)
            case Wake(name, due):
                if self._wakes[name] == due:
                    self._touch(name, now)
            case Rescue(lives):
                for life in lives:
                    self._settle(life, now)
                    self._wait(life, now)
            case Telling():
                self._tell(now)
            case Death(name):
                self._die(name, now)
            case Return(name):
                self._touch(name, now, up=True)

    # --- what happens ------------------------------------------------------------------------

    def _submit(self, arrival: Arrival, now: float) -> None:
        """The desk refuses who has a full waiting list, whatever order follows."""
        life = Life(arrival, arrival.work_ms)
        self._lives[arrival.job_id] = life
        limit = self._book.plan(arrival.plan).max_waiting
        full = self._waiting[arrival.account_id] >= limit
        life.refused = full and self._waiting_limits
        if not life.refused:
            self._wait(life, now)

    def _wait(self, life: Life, now: float) -> None:
        self._waiting[life.arrival.account_id] += 1
        self._policy.push(self._as_waiting(life.arrival), now)

    def _place(self, now: float) -> None:
        touched: dict[str, None] = {}
        for pick in self._policy.picks(list(self._views.values()), now):
            life = self._lives[pick.waiting.job_id]
            self._waiting[life.arrival.account_id] -= 1
            if pick.worker not in touched:
                self._devices[pick.worker].advance(now)
            life.taken_at = now
            self._devices[pick.worker].take(life)
            touched[pick.worker] = None
        for name in touched:
            self._rearrange(name, now)

    def _touch(self, name: str, now: float, *, up: bool | None = None) -> None:
        """Something ended here, or a load is done."""
        device = self._devices[name]
        device.advance(now)
        device.up = device.up if up is None else up
        for life in device.ended(now):
            self._end(life, now)
        self._rearrange(name, now)

    def _rearrange(self, name: str, now: float) -> None:
        device = self._devices[name]
        device.arrange(now)
        self._views[name] = device.worker()
        self._wakes[name] = due = device.wakes_at(now)
        if due is not None:
            self._at(due, Wake(name, due))

    def _end(self, life: Life, now: float) -> None:
        self._settle(life, now)
        assert life.taken_at is not None
        self._policy.finished(
            took_s=now - life.taken_at,
            cost_ms=life.arrival.cost_ms,
            stretch=float(self._farm.gpu.slots),
        )

    def _settle(self, life: Life, now: float) -> None:
        used_ms = life.used_ms - life.charged_ms
        life.charged_ms = life.used_ms
        self._policy.ended(life.arrival.job_id, now, used_ms=used_ms)

    def _die(self, name: str, now: float) -> None:
        """Nobody knows of a death before the leases run out; then the jobs wait again."""
        device = self._devices[name]
        device.advance(now)
        lost = device.fail()
        self._rearrange(name, now)
        if lost:
            self._at(now + RESCUED_AFTER_S, Rescue(tuple(lost)))

    def _tell(self, now: float) -> None:
        foresight = self._policy.foresee(list(self._views.values()), now)
        for outlook in foresight.outlooks:
            life = self._lives[outlook.job_id]
            if life.told is None and outlook.eta_low_s is not None:
                assert outlook.eta_high_s is not None
                life.told = now, outlook.eta_low_s, outlook.eta_high_s
        for name, expected in foresight.expected.items():
            self._read_ahead(name, expected, now)
        self._at(now + self._tell_every_s, Telling())

    def _read_ahead(self, name: str, expected: Sequence[str], now: float) -> None:
        device = self._devices[name]
        device.advance(now)
        if any(device.load(checkpoint, now) for checkpoint in expected):
            self._rearrange(name, now)

    def _at(self, moment: float, event: "Event") -> None:
        heappush(self._events, (moment, next(self._numbers), event))

    def _as_waiting(self, arrival: Arrival) -> Waiting:
        plan = self._book.plan(arrival.plan)
        return Waiting(
            job_id=arrival.job_id,
            account_id=arrival.account_id,
            lane=arrival.speed,
            plan_weight=plan.weight,
            max_running=plan.max_running,
            max_running_relax=plan.max_running_relax,
            cost_ms=arrival.cost_ms,
            submitted_at=arrival.at,
            checkpoint=arrival.checkpoint,
            vram_bytes=round(self._farm.models[arrival.checkpoint].vram_gb * GIB),
        )


@dataclass(frozen=True, slots=True)
class Wake:
    """A device's next own moment; stale when the device has been rearranged since."""

    device: str
    due: float


@dataclass(frozen=True, slots=True)
class Death:
    device: str


@dataclass(frozen=True, slots=True)
class Return:
    device: str


@dataclass(frozen=True, slots=True)
class Rescue:
    lives: tuple[Life, ...]


@dataclass(frozen=True, slots=True)
class Telling:
    pass


Event = Arrival | Wake | Death | Return | Rescue | Telling
