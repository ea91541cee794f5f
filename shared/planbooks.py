"""Plans and speeds: what an account may do, what it costs and what it weighs. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

# Crashes after which a job has a worker to itself: from its third attempt on it takes nobody along.
ALONE_FROM = 2


class Speed(StrEnum):
    TURBO = "turbo"
    FAST = "fast"
    RELAX = "relax"


class Visibility(StrEnum):
    """Who may see a job's pictures beside whoever made them."""

    PUBLIC = "public"  # galleries and lists of everybody
    STEALTH = "stealth"  # nobody but the moderators


@dataclass(frozen=True, slots=True)
class Plan:
    """Entitlements of one plan. Times in GPU-milliseconds, sizes in pixels.

    `grant_ms` is given each month and ends with it. `max_running` counts all jobs, `max_running_relax` those
    at relax among them. More jobs at once than `confirm_above` want a confirmation first. `models` are names
    of checkpoints, None: all. `many_at` are the speeds that repeats and sets of choices work at. `price` is
    what a measured GPU-millisecond costs at each speed.
    """

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
    max_running_relax: int = 3
    max_permutations: int = 4
    confirm_above: int = 5
    stealth: bool = False
    models: tuple[str, ...] | None = None
    many_at: tuple[Speed, ...] = (Speed.TURBO, Speed.FAST)
    price: Mapping[Speed, float] = field(default_factory=lambda: dict.fromkeys(Speed, 1.0))
    about: str = ""

    def allows(self, checkpoint: str) -> bool:
        return self.models is None or checkpoint in self.models


@dataclass(frozen=True, slots=True)
class Sku:
    """What Discord sells under this id: a plan while it is paid for, or GPU time that never ends.

    `price` in minor units (cents) of `currency`: for reports and cards, Discord alone charges it.
    """

    id: str
    title: str
    plan: str | None
    top_up_ms: int
    price: int
    currency: str

    @property
    def consumable(self) -> bool:
        return self.plan is None


@dataclass(frozen=True, slots=True)
class Trial:
    """A plan for some days, once for each person, with GPU time of its own that ends with its month."""

    plan: str
    days: float
    grant_ms: int


@dataclass(frozen=True, slots=True)
class Override:
    """What is otherwise on one server or for one role: a plan that everybody there has at least, and
    fields of whatever plan they have."""

    plan: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlanBook:
    """Every plan by name, and what a GPU-millisecond costs at each speed where a plan says nothing else.

    `relax_floor` is the part of the farm that relax keeps; `reserved` are slots kept for a speed. `guilds`
    and `roles` are by Discord's id. `link` is where plans are sold beside Discord.
    """

    plans: Mapping[str, Plan]
    first: str
    price: Mapping[Speed, float]
    lane_weights: Mapping[Speed, int]
    relax_floor: float = 0.05
    reserved: Mapping[Speed, int] = field(default_factory=dict)
    skus: Mapping[str, Sku] = field(default_factory=dict)
    guilds: Mapping[str, Override] = field(default_factory=dict)
    roles: Mapping[str, Override] = field(default_factory=dict)
    trial: Trial | None = None
    link: str = ""

    def plan(self, name: str) -> Plan:
        return self.plans.get(name) or self.plans[self.first]

    def weightiest(self, names: Iterable[str]) -> Plan:
        """Of these plans and the first one; of equals, the one named first."""
        return max(map(self.plan, (*names, self.first)), key=lambda plan: plan.weight)

    def terms(self, name: str, *, guild_id: str | None = None, roles: Iterable[str] = ()) -> Plan:
        """The plan as it is on this server and for these roles: the server's fields, then each role's."""
        here = [self.guilds.get(guild_id or ""), *map(self.roles.get, roles)]
        plan = self.plan(name)
        for override in here:
            plan = replace(plan, **override.fields) if override else plan
        return plan

    def given(self, *, guild_id: str | None = None, roles: Iterable[str] = ()) -> tuple[str, ...]:
        """Plans that everybody on this server or with these roles has."""
        here = [self.guilds.get(guild_id or ""), *map(self.roles.get, roles)]
        return tuple(override.plan for override in here if override and override.plan)
