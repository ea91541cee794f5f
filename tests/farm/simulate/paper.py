"""Small worlds on paper, whose arithmetic fits in a head."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from farm.simulate.arrivals import Arrival
from farm.simulate.device import Life
from farm.simulate.hardware import Farm, Gpu, Model, Outage
from farm.simulate.policies import Policy, policies
from farm.simulate.scenarios import MODELS
from farm.simulate.world import Past, World
from shared.config import SHARED
from shared.plans import Speed, read_plans

BOOK = read_plans(SHARED / "plans.toml")
STUDIO = MODELS["studio"].checkpoint


def a_model(*, vram_gb: float = 7.0, load_s: float = 0.0) -> Model:
    return Model(STUDIO, vram_gb, load_s)


def a_farm(
    *,
    gpus: int = 1,
    slots: int = 2,
    overhead: float = 0.0,
    models: Mapping[str, Model] | None = None,
    outages: Sequence[Outage] = (),
    vram_gb: float = 24.0,
) -> Farm:
    gpu = Gpu(slots=slots, overhead=overhead, vram_gb=vram_gb)
    return Farm(gpus, gpu, models or {"studio": a_model()}, tuple(outages))


def asks(
    number: int,
    at: float,
    work_s: float,
    *,
    speed: Speed = Speed.FAST,
    account: int | None = None,
    checkpoint: str = "studio",
    plan: str = "pro",
    steps: int = 20,
) -> Arrival:
    """An account of its own for each job, unless one is named."""
    return Arrival(
        job_id=UUID(int=number),
        account_id=UUID(int=1000 + (number if account is None else account)),
        plan=plan,
        speed=speed,
        at=at,
        cost_ms=round(work_s * 1000),
        work_ms=work_s * 1000,
        checkpoint=checkpoint,
        steps=steps,
    )


def the_policy(name: str) -> Policy:
    return next(policy for policy in policies(BOOK) if policy.name == name)


def run(
    farm: Farm,
    arrivals: Sequence[Arrival],
    *,
    policy: str = "fair",
    until: float = 1000.0,
    waiting_limits: bool = True,
) -> Past:
    world = World(
        farm,
        the_policy(policy),
        BOOK,
        until=until,
        tell_every_s=0,
        waiting_limits=waiting_limits,
    )
    return world.run(arrivals)


def lives(past: Past) -> dict[int, Life]:
    return {life.arrival.job_id.int: life for life in past.lives}
