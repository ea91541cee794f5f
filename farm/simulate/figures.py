"""From what happened to figures: waits, shares, use, cost, forecasts that came true. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from uuid import UUID

from farm.simulate.device import Device, Life
from farm.simulate.shares import jain, max_min
from farm.simulate.world import Past
from shared.plans import PlanBook, Speed
from shared.spec import IMAGES


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds from submission to the first step. Who still waits counts with its age, as too little."""

    jobs: int
    refused: int
    waiting: int
    p50: float
    p95: float
    p99: float
    oldest_waiting: float


@dataclass(frozen=True, slots=True)
class Figures:
    """`jain` over (account, lane), and within each lane: served over weighted max-min fair share."""

    policy: str
    submitted: int
    refused: int
    finished: int
    images: int
    lanes: dict[str, Waits]
    plans: dict[str, Waits]
    accounts: dict[str, Waits]
    served: dict[str, float]
    jain: float
    jain_in_lane: dict[str, float]
    utilisation: float
    gpu_hours: float
    loads: int
    loading_part: float
    cost_per_image: float
    told: int
    told_true: float | None
    seconds: float = field(default=0.0, compare=False)


def figures(past: Past, book: PlanBook, *, gpu_hour_price: float = 0.0) -> Figures:
    lives, devices = past.lives, past.devices
    up_s = sum(_up_s(device) for device in devices)
    finished = [life for life in lives if life.finished_at is not None]
    images = IMAGES * len(finished)
    told = [life for life in finished if life.told is not None]
    return Figures(
        policy=past.policy,
        submitted=len(lives),
        refused=sum(life.refused for life in lives),
        finished=len(finished),
        images=images,
        lanes=_waits_by(lives, past.until, lambda life: life.arrival.speed.value, list(Speed)),
        plans=_waits_by(lives, past.until, lambda life: life.arrival.plan, list(book.plans)),
        accounts={name: waits_of(group, past.until) for name, group in by_zeal(lives).items()},
        served=_served_by_lane(lives),
        jain=fairness(lives, book),
        jain_in_lane={
            speed.value: fairness([one for one in lives if one.arrival.speed is speed], book)
            for speed in Speed
        },
        utilisation=sum(device.drawing_s for device in devices) / max(up_s, 1e-9),
        gpu_hours=up_s / 3600,
        loads=sum(device.loads for device in devices),
        loading_part=sum(device.loading_s for device in devices) / max(up_s, 1e-9),
        cost_per_image=up_s / 3600 * gpu_hour_price / max(images, 1),
        told=len(told),
        told_true=sum(map(_came_true, told)) / len(told) if told else None,
    )


def waits_of(lives: Iterable[Life], until: float) -> Waits:
    every = list(lives)
    taken = [life for life in every if not life.refused]
    waiting = [until - life.arrival.at for life in taken if life.drawn_at is None]
    waits = sorted(wait_s(life, until) for life in taken)
    return Waits(
        jobs=len(every),
        refused=len(every) - len(taken),
        waiting=len(waiting),
        p50=percentile(waits, 50),
        p95=percentile(waits, 95),
        p99=percentile(waits, 99),
        oldest_waiting=max(waiting, default=0.0),
    )


def wait_percentile(past: Past, lane: str, part: float, *, since: float) -> float:
    """Of the lane's jobs that were submitted from that moment on."""
    waits = sorted(
        wait_s(life, past.until)
        for life in past.lives
        if life.arrival.speed == lane and life.arrival.at >= since and not life.refused
    )
    return percentile(waits, part)


def wait_s(life: Life, until: float) -> float:
    return (until if life.drawn_at is None else life.drawn_at) - life.arrival.at


def percentile(ordered: Sequence[float], part: float) -> float:
    """The least value that so many percent do not exceed; 0 of nothing."""
    if not ordered:
        return 0.0
    return ordered[max(ceil(len(ordered) * part / 100) - 1, 0)]


def fairness(lives: Iterable[Life], book: PlanBook) -> float:
    """Jain's index of what each (account, lane) was served, over its fair share of all that was served.

    Water filling on two floors, as the fair queue shares: lanes by their weight, then accounts by their
    plan's. What was asked for and not refused bounds a share.
    """
    asked: dict[Speed, dict[UUID, float]] = defaultdict(lambda: defaultdict(float))
    served: dict[Speed, dict[UUID, float]] = defaultdict(lambda: defaultdict(float))
    weights: dict[UUID, float] = {}
    for life in lives:
        speed, account = life.arrival.speed, life.arrival.account_id
        asked[speed][account] += 0.0 if life.refused else life.arrival.work_ms
        served[speed][account] += life.used_ms
        weights[account] = book.plan(life.arrival.plan).weight
    whole = sum(sum(lane.values()) for lane in served.values())
    lanes = max_min(
        whole,
        {speed: sum(lane.values()) for speed, lane in asked.items()},
        {speed: float(book.lane_weights[speed]) for speed in asked},
    )
    return jain(
        served[speed][account] / share
        for speed, lane in asked.items()
        for account, share in max_min(lanes[speed], lane, weights).items()
        if share > 0
    )


def by_zeal(lives: Sequence[Life]) -> dict[str, list[Life]]:
    """The jobs of the half of the accounts that asked least often, and of the tenth that asked most."""
    counts = Counter(life.arrival.account_id for life in lives)
    keenest_first = [account for account, _ in counts.most_common()]
    light = set(keenest_first[len(keenest_first) // 2 :])
    heavy = set(keenest_first[: max(len(keenest_first) // 10, 1)])
    groups = {"light accounts": light, "heavy accounts": heavy}
    return {
        name: [life for life in lives if life.arrival.account_id in group]
        for name, group in groups.items()
    }


def _waits_by(
    lives: Iterable[Life], until: float, key: Callable[[Life], str], order: Iterable[str]
) -> dict[str, Waits]:
    groups: dict[str, list[Life]] = {str(name): [] for name in order}
    for life in lives:
        groups.setdefault(key(life), []).append(life)
    return {name: waits_of(group, until) for name, group in groups.items()}


def _served_by_lane(lives: Iterable[Life]) -> dict[str, float]:
    """Each lane's part of the GPU time that all jobs had."""
    used: Mapping[Speed, list[float]] = {speed: [] for speed in Speed}
    for life in lives:
        used[life.arrival.speed].append(life.used_ms)
    whole = sum(map(sum, used.values())) or 1.0
    return {speed.value: sum(parts) / whole for speed, parts in used.items()}


def _came_true(life: Life) -> bool:
    assert life.told is not None
    assert life.finished_at is not None
    at, low, high = life.told
    return low <= life.finished_at - at <= high


def _up_s(device: Device) -> float:
    return device.drawing_s + device.loading_s + device.idle_s
