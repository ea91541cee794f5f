"""How many GPUs for so many images a minute, so that nobody waits longer than promised. Pure.

It plays the fair queue with more and with fewer GPUs. Memory is fixed: weights once for each warm
checkpoint, and an amount for each running job; the slots share a GPU's throughput.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import ceil, inf

from farm.simulate.arrivals import Arrival, Stream, arrivals
from farm.simulate.figures import figures, wait_percentile
from farm.simulate.hardware import Farm, Gpu, Model, checked
from farm.simulate.policies import Fair
from farm.simulate.scenarios import PEOPLE, SHARES, SPEEDS, jobs_per_minute
from farm.simulate.world import Past, World
from shared.errors import Refusal
from shared.plans import PlanBook
from shared.spec import IMAGES

SEEDS = (1, 2, 3)
WARM_UP_S = 300.0  # a farm that starts cold is not what was asked about
JOBS = 3000  # a percentile of fewer says little
# A farm that cannot keep up looks well for as long as relax may wait.
LEAST_MINUTES, MOST_MINUTES = 60.0, 240.0
MOST_GPUS = 512
# Who needs so many times the GPUs that the work takes is not short of GPUs.
AMPLE = 4


@dataclass(frozen=True, slots=True)
class Question:
    """`slos`: seconds that the percentile of a lane's waits may reach. `minutes` of each seed, the first
    five of which do not count; 0 for as many as make the percentile sure."""

    images_per_minute: float
    slos: Mapping[str, float]
    gpu: Gpu
    models: Mapping[str, Model]
    checkpoints: Mapping[str, float]
    steps: int | None = None
    percentile: float = 95.0
    seeds: tuple[int, ...] = SEEDS
    minutes: float = 0.0
    gpu_hour_price: float = 0.0

    @property
    def jobs_per_minute(self) -> float:
        return self.images_per_minute / IMAGES

    def part(self, checkpoint: str) -> float:
        return self.checkpoints[checkpoint] / sum(self.checkpoints.values())

    def steps_of(self, checkpoint: str) -> int:
        return self.steps or self.models[checkpoint].checkpoint.steps


@dataclass(frozen=True, slots=True)
class Trial:
    """With so many GPUs: each lane's percentile in the worst of the seeds."""

    gpus: int
    waits: dict[str, float]
    utilisation: float
    cost_per_image: float
    holds: bool


@dataclass(frozen=True, slots=True)
class Answer:
    question: Question
    gpus: int
    found: dict[str, float]
    one_less: dict[str, float]
    binds: str
    utilisation: float
    cost_per_image: float


def answer(question: Question, book: PlanBook) -> Answer:
    """A Refusal when no number of GPUs would do."""
    question = _checked(question)
    floor = _floor(question)
    trials = _Trials(question, book)
    gpus = _least(trials, floor)
    found = trials.of(gpus)
    less = trials.of(gpus - 1).waits if gpus > 1 else {}
    return Answer(
        question=question,
        gpus=gpus,
        found=found.waits,
        one_less=less,
        binds=trials.what_binds(gpus),
        utilisation=found.utilisation,
        cost_per_image=found.cost_per_image,
    )


class _Trials:
    """Each number of GPUs is played once, always with the same arrivals."""

    def __init__(self, question: Question, book: PlanBook) -> None:
        self.question, self._book = question, book
        self._asked = {seed: _arrivals(question, seed) for seed in question.seeds}
        self.of = cache(self._of)

    def _of(self, gpus: int) -> Trial:
        return self._with(Farm(gpus, self.question.gpu, self.question.models))

    def what_binds(self, gpus: int) -> str:
        """What one GPU less would need more of."""
        if gpus == 1:
            return "nothing, one GPU is the least there is"
        gpu, models = self.question.gpu, self.question.models
        warm = {name: replace(model, load_s=0.0) for name, model in models.items()}
        if self._with(Farm(gpus - 1, gpu, warm)).holds:
            return "loads; without them one GPU less would do"
        roomy = replace(gpu, slots=2 * gpu.slots, vram_gb=gpu.vram_gb + gpu.slots * gpu.job_gb)
        if self._with(Farm(gpus - 1, roomy, models)).holds:
            return "slots and memory; with twice the slots one GPU less would do"
        return "compute; neither more slots nor instant loads would save a GPU"

    def _with(self, farm: Farm) -> Trial:
        question, pasts = self.question, [self._play(farm, seed) for seed in self.question.seeds]
        waits = {
            lane: max(
                wait_percentile(past, lane, question.percentile, since=WARM_UP_S) for past in pasts
            )
            for lane in question.slos
        }
        every = [
            figures(past, self._book, gpu_hour_price=question.gpu_hour_price) for past in pasts
        ]
        return Trial(
            gpus=farm.gpus,
            waits=waits,
            utilisation=sum(one.utilisation for one in every) / len(every),
            cost_per_image=sum(one.cost_per_image for one in every) / len(every),
            holds=all(waits[lane] <= limit for lane, limit in question.slos.items()),
        )

    def _play(self, farm: Farm, seed: int) -> Past:
        until = self.question.minutes * 60
        world = World(
            farm, Fair(self._book), self._book, until=until, tell_every_s=0, waiting_limits=False
        )
        return world.run(self._asked[seed])


def _least(trials: _Trials, floor: int) -> int:
    """Doubles until it holds, then halves the gap."""
    most = AMPLE * floor + AMPLE
    high, low = floor, floor - 1
    while not trials.of(high).holds:
        if high >= most:
            raise _impossible(trials.of(high), trials.question)
        low, high = high, min(2 * high, most)
    while low > 0 and trials.of(low).holds:
        low -= 1
    while high - low > 1:
        middle = (high + low) // 2
        low, high = (low, middle) if trials.of(middle).holds else (middle, high)
    return high


def _floor(question: Question) -> int:
    """Fewer cannot even do the work."""
    mean_ms = sum(
        question.part(name) * model.cost_ms(question.steps_of(name))
        for name, model in question.models.items()
    )
    per_minute = jobs_per_minute(question.gpu, mean_ms)
    floor = max(ceil(question.jobs_per_minute / per_minute), 1)
    if floor > MOST_GPUS:
        sentence = f"That is the work of {floor} GPUs; the simulator plays at most {MOST_GPUS}."
        raise Refusal("too_many_gpus", sentence, field="images_per_minute")
    return floor


def _checked(question: Question) -> Question:
    if not 0 < question.images_per_minute < inf:
        sentence = "Give the images a minute as a number above 0."
        raise Refusal("no_images", sentence, field="images_per_minute")
    if not 0 < question.percentile <= 100:
        raise Refusal(
            "bad_percentile", "A percentile lies above 0, at most 100.", field="percentile"
        )
    if not question.slos:
        sentence = "Say how long a lane may wait, for example --slo fast=30."
        raise Refusal("no_slo", sentence, field="slo")
    for lane, limit in question.slos.items():
        if limit <= 0:
            sentence = f"No job can start before it is submitted: give {lane} more than 0 seconds."
            raise Refusal("impossible_slo", sentence, field="slo")
    checked(Farm(1, question.gpu, question.models))
    enough = JOBS / question.jobs_per_minute + WARM_UP_S / 60
    minutes = question.minutes or min(max(enough, LEAST_MINUTES), MOST_MINUTES)
    if minutes * 60 <= WARM_UP_S:
        sentence = f"The first {WARM_UP_S / 60:g} minutes do not count: give more than that."
        raise Refusal("too_short", sentence, field="minutes")
    return replace(question, minutes=minutes)


def _impossible(trial: Trial, question: Question) -> Refusal:
    late = {
        lane: trial.waits[lane]
        for lane, limit in question.slos.items()
        if trial.waits[lane] > limit
    }
    waits = ", ".join(f"{lane} waits {wait:.1f} s" for lane, wait in late.items())
    longest = max(model.load_s for model in question.models.values())
    sentence = (
        f"Even {trial.gpus} GPUs, far more than the work needs, do not meet that: {waits}"
        f" (p{question.percentile:g}). A cold checkpoint takes up to {longest:g} s to load: allow more"
        " seconds, more memory for each GPU, or fewer checkpoints."
    )
    return Refusal("impossible_slo", sentence, field="slo")


def _arrivals(question: Question, seed: int) -> list[Arrival]:
    streams = [
        Stream(
            plan,
            accounts=PEOPLE[plan],
            per_minute=question.jobs_per_minute * share * question.part(name),
            speeds=SPEEDS[plan],
            checkpoints={name: 1.0},
            steps={question.steps_of(name): 1.0},
        )
        for plan, share in SHARES.items()
        for name in question.models
    ]
    return arrivals(streams, models=question.models, until=question.minutes * 60, seed=seed)
