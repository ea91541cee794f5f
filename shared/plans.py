"""Plans and speeds: what an account may do, and how much it weighs. Pure."""

import tomllib
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from pathlib import Path
from typing import Any

from shared.errors import Fault

# Crashes after which a job has a worker to itself: from its third attempt on it takes nobody along.
ALONE_FROM = 2


class Speed(StrEnum):
    TURBO = "turbo"
    FAST = "fast"
    RELAX = "relax"


@dataclass(frozen=True, slots=True)
class Plan:
    """Entitlements of one plan. Times in GPU-milliseconds, sizes in pixels."""

    name: str
    title: str
    speeds: tuple[Speed, ...]
    default_speed: Speed
    step_budget: int
    max_running: int
    max_waiting: int
    max_repeat: int
    max_prompt: int
    weight: int
    grant_ms: int


@dataclass(frozen=True, slots=True)
class PlanBook:
    """Every plan by name, and what a GPU-millisecond costs at each speed.

    `relax_floor` is the part of the farm that relax keeps; `reserved` are slots kept for a speed.
    """

    plans: dict[str, Plan]
    first: str
    price: dict[Speed, float]
    lane_weights: dict[Speed, int]
    relax_floor: float = 0.05
    reserved: dict[Speed, int] = field(default_factory=dict)

    def plan(self, name: str) -> Plan:
        return self.plans.get(name) or self.plans[self.first]


def read_plans(path: Path) -> PlanBook:
    """Reads `plans.toml`; a missing or malformed field is a Fault that names it."""
    try:
        raw = tomllib.loads(path.read_text())
        plans = {name: _plan(name, fields) for name, fields in raw["plans"].items()}
        book = PlanBook(
            plans=plans,
            first=raw.get("first", next(iter(plans))),
            price={speed: float(raw["price"][speed.value]) for speed in Speed},
            lane_weights={speed: int(raw["lanes"][speed.value]) for speed in Speed},
            relax_floor=float(raw["lanes"].get("relax_floor", 0.05)),
            reserved={Speed(name): int(slots) for name, slots in raw.get("reserved", {}).items()},
        )
        _check_book(book)
        return book
    except (OSError, KeyError, ValueError, TypeError, AttributeError, StopIteration) as error:
        sentence = f"The plans file {path} cannot be used: {error!r}."
        raise Fault("plans_unreadable", sentence) from error


def _plan(name: str, fields: dict[str, Any]) -> Plan:
    speeds = tuple(Speed(speed) for speed in fields["speeds"])
    return Plan(
        name=name,
        title=str(fields.get("title", name.title())),
        speeds=speeds,
        default_speed=Speed(fields.get("default_speed", speeds[0])),
        step_budget=int(fields["step_budget"]),
        max_running=int(fields["max_running"]),
        max_waiting=int(fields["max_waiting"]),
        max_repeat=int(fields["max_repeat"]),
        max_prompt=int(fields.get("max_prompt", 2000)),
        weight=int(fields["weight"]),
        grant_ms=int(fields["grant_ms"]),
    )


def _check_book(book: PlanBook) -> None:
    _require(book.first in book.plans, f"first names {book.first!r}, which is no plan")
    _require(all(0 <= price < inf for price in book.price.values()), "a price below 0")
    _require(all(weight > 0 for weight in book.lane_weights.values()), "a lane's weight below 1")
    _require(0 <= book.relax_floor <= 0.5, "lanes: relax_floor must be from 0 to 0.5")
    _require(all(slots >= 0 for slots in book.reserved.values()), "reserved: slots below 0")
    for plan in book.plans.values():
        _check_plan(plan)


def _check_plan(plan: Plan) -> None:
    _require(plan.default_speed in plan.speeds, f"{plan.name}: default_speed is not in speeds")
    _require(plan.grant_ms >= 0, f"{plan.name}: grant_ms below 0")
    for name in COUNTS:
        _require(getattr(plan, name) > 0, f"{plan.name}: {name} below 1")


COUNTS = ("step_budget", "max_running", "max_waiting", "max_repeat", "max_prompt", "weight")


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise ValueError(sentence)
