"""The scenarios by name: people, GPUs, checkpoints and mishaps. Their figures are chosen, not measured."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from farm.simulate.arrivals import TAKES, Stream
from farm.simulate.hardware import Farm, Gpu, Model, Outage
from shared.catalog import Checkpoint
from shared.errors import Refusal
from shared.places import Folder
from shared.plans import Speed

MINUTES = 60.0
GPUS = 16
MIX = {"studio": 0.6, "anime": 0.3, "poster": 0.1}
STEPS = {20: 0.3, 28: 0.5, 40: 0.2}
# Of all submissions: 45% Free, 35% Paid, 20% Pro. Free has no turbo (see plans.toml).
SHARES = {"free": 0.45, "paid": 0.35, "pro": 0.2}
SPEEDS: Mapping[str, Mapping[Speed, float]] = {
    "free": {Speed.FAST: 0.3, Speed.RELAX: 0.7},
    "paid": {Speed.TURBO: 0.15, Speed.FAST: 0.55, Speed.RELAX: 0.3},
    "pro": {Speed.TURBO: 0.3, Speed.FAST: 0.5, Speed.RELAX: 0.2},
}
PEOPLE = {"free": 120, "paid": 60, "pro": 20}
CROWD = {"free": 20, "paid": 10, "pro": 4}


@dataclass(frozen=True, slots=True)
class Scenario:
    """What `pictor simulate NAME` plays. The farm starts empty and cold."""

    name: str
    title: str
    farm: Farm
    streams: tuple[Stream, ...]
    minutes: float = MINUTES
    waiting_limits: bool = True

    @property
    def until(self) -> float:
        return self.minutes * 60


def scenario(name: str) -> Scenario:
    """Refusal that names the nearest one."""
    if name in SCENARIOS:
        return SCENARIOS[name](name)
    nearest = get_close_matches(name, SCENARIOS, n=1, cutoff=0.4)
    advice = f"Did you mean “{nearest[0]}”? " if nearest else ""
    sentence = f"There is no scenario “{name[:40]}”. {advice}There are {', '.join(SCENARIOS)}."
    raise Refusal("unknown_scenario", sentence, field="scenario")


def steady(name: str) -> Scenario:
    return Scenario(name, "an ordinary hour, 70% of what the GPUs can do", FARM, usual(0.7))


def free_tier_rush(name: str) -> Scenario:
    """A link goes round: from minute 10 to 30 a few very busy free accounts ask for twice the farm."""
    crowd = Stream(
        "free",
        accounts=300,
        per_minute=_per_minute(2.0),
        speeds=SPEEDS["free"],
        checkpoints=MIX,
        steps=STEPS,
        start_s=600,
        end_s=1800,
        people="newcomers",
    )
    title = "free newcomers ask for twice the farm from minute 10 to 30"
    return Scenario(name, title, FARM, (*usual(0.6), crowd))


def viral_turbo_spike(name: str) -> Scenario:
    """Turbo alone asks for what the whole farm can do, for five minutes."""
    spike = Stream(
        "paid",
        accounts=200,
        per_minute=_per_minute(1.0),
        speeds={Speed.TURBO: 1.0},
        checkpoints=MIX,
        steps=STEPS,
        start_s=1200,
        end_s=1500,
        people="viral",
    )
    title = "turbo alone asks for the whole farm from minute 20 to 25"
    return Scenario(name, title, FARM, (*usual(0.7), spike))


def half_the_gpus_lost(name: str) -> Scenario:
    outage = Outage(at=900, until=2700, gpus=GPUS // 2)
    title = "half of the GPUs die at minute 15 and come back at minute 45"
    return Scenario(name, title, replace(FARM, outages=(outage,)), usual(0.7))


def model_flip(name: str) -> Scenario:
    """Everybody wants the new checkpoint from one moment on, and no GPU has it warm."""
    before = [replace(stream, end_s=1800.0) for stream in usual(0.7, {"studio": 0.7, "anime": 0.3})]
    after = [
        replace(stream, start_s=1800.0) for stream in usual(0.7, {"studio": 0.15, "poster": 0.85})
    ]
    title = "85% move to a large checkpoint that nobody has warm at minute 30"
    return Scenario(name, title, FARM, (*before, *after))


def overload(name: str) -> Scenario:
    """Every account asks for more than its share all the time, and the desk refuses nobody: whatever
    each one gets, the order alone decides."""
    title = "everybody asks for more than a share: five times what the GPUs can do"
    farm = replace(FARM, gpus=GPUS // 2)
    return Scenario(name, title, farm, usual(2.5, people=CROWD), waiting_limits=False)


SCENARIOS: dict[str, Callable[[str], Scenario]] = {
    "steady": steady,
    "free-tier-rush": free_tier_rush,
    "viral-turbo-spike": viral_turbo_spike,
    "half-the-gpus-lost": half_the_gpus_lost,
    "model-flip": model_flip,
    "overload": overload,
}


def usual(
    load: float, mix: Mapping[str, float] = MIX, people: Mapping[str, int] = PEOPLE
) -> tuple[Stream, ...]:
    """The three plans together, at this part of what the GPUs of FARM can do."""
    return tuple(
        Stream(
            plan,
            accounts=people[plan],
            per_minute=_per_minute(load, mix) * share,
            speeds=SPEEDS[plan],
            checkpoints=mix,
            steps=STEPS,
        )
        for plan, share in SHARES.items()
    )


def jobs_per_minute(gpu: Gpu, mean_ms: float) -> float:
    """What one GPU finishes when it is busy all the time, of jobs that cost so much on average."""
    full = gpu.slots / gpu.step(gpu.slots) * gpu.speed
    return full * 60_000 / (mean_ms * sum(TAKES) / 2)


def _per_minute(load: float, mix: Mapping[str, float] = MIX) -> float:
    weight = sum(mix.values()) * sum(STEPS.values())
    costs = (
        share * part * MODELS[name].cost_ms(steps)
        for name, share in mix.items()
        for steps, part in STEPS.items()
    )
    return load * GPUS * jobs_per_minute(FARM.gpu, sum(costs) / weight)


def _model(name: str, *, step_ms: float, vram_gb: float, load_s: float) -> Model:
    """`step_ms`: a forward of one picture of 1024 pixels square, on a GPU of speed 1."""
    checkpoint = Checkpoint(
        name=name,
        title=name.title(),
        family="sdxl",
        weights=Folder(Path(name)),
        native=1024,
        multiple=64,
        max_area=1024**2,
        steps=28,
        guidance=5.0,
        sampler="dpm++2m-karras",
        samplers=("dpm++2m-karras",),
        step_ms=step_ms,
        fixed_ms=150.0,
        known_words=frozenset(),
        vram_gb=vram_gb,
    )
    return Model(checkpoint, vram_gb, load_s)


MODELS = {
    "studio": _model("studio", step_ms=25.0, vram_gb=7.0, load_s=15.0),
    "anime": _model("anime", step_ms=25.0, vram_gb=7.0, load_s=15.0),
    "poster": _model("poster", step_ms=50.0, vram_gb=12.0, load_s=30.0),
}
FARM = Farm(gpus=GPUS, gpu=Gpu(), models=MODELS)
