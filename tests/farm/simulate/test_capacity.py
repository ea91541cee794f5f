"""The least number of GPUs: it holds, one less does not, and what cannot be had is refused."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import pytest

from farm.simulate.arrivals import Stream, arrivals
from farm.simulate.capacity import WARM_UP_S, Answer, Question, answer
from farm.simulate.hardware import Farm, Gpu, Model
from farm.simulate.scenarios import PEOPLE, SHARES, SPEEDS
from shared.errors import Refusal
from shared.spec import IMAGES
from tests.farm.simulate.paper import BOOK, STUDIO, run

SLOS = {"turbo": 2.0, "fast": 30.0, "relax": 600.0}
QUICK = Model(replace(STUDIO, step_ms=5.0, fixed_ms=20.0), 7.0, 15.0)


def a_question(images_per_minute: float, **changes: object) -> Question:
    fields: dict[str, object] = {
        "images_per_minute": images_per_minute,
        "slos": SLOS,
        "gpu": Gpu(),
        "models": {"studio": QUICK},
        "checkpoints": {"studio": 1.0},
        "seeds": (1,),
        "minutes": 12.0,
    }
    return Question(**(fields | changes))  # type: ignore[arg-type]


@cache
def answered(images_per_minute: float) -> Answer:
    return answer(a_question(images_per_minute), BOOK)


def waits_at(found: Answer, gpus: int) -> dict[str, float]:
    """Played and measured again by the test itself."""
    asked, until = found.question, found.question.minutes * 60
    streams = [
        Stream(
            plan,
            accounts=PEOPLE[plan],
            per_minute=asked.images_per_minute / IMAGES * share,
            speeds=SPEEDS[plan],
            checkpoints={"studio": 1.0},
            steps={STUDIO.steps: 1.0},
        )
        for plan, share in SHARES.items()
    ]
    past = run(
        Farm(gpus, asked.gpu, asked.models),
        arrivals(streams, models=asked.models, until=until, seed=1),
        until=until,
        waiting_limits=False,
    )
    waits: dict[str, list[float]] = {lane: [] for lane in SLOS}
    for life in past.lives:
        if life.arrival.at >= WARM_UP_S:
            drawn_at = until if life.drawn_at is None else life.drawn_at
            waits[life.arrival.speed].append(drawn_at - life.arrival.at)
    return {lane: sorted(each)[int(0.95 * len(each))] for lane, each in waits.items()}


def keeps(waits: Mapping[str, float]) -> bool:
    return all(waits[lane] <= limit for lane, limit in SLOS.items())


def test_the_count_found_keeps_the_promise_and_one_less_does_not() -> None:
    found = answered(400)
    assert found.gpus > 1
    assert keeps(found.found)
    assert not keeps(found.one_less)
    assert keeps(waits_at(found, found.gpus))
    assert not keeps(waits_at(found, found.gpus - 1))
    assert found.binds.startswith("compute")


def test_more_images_never_need_fewer_gpus() -> None:
    counts = [answered(images).gpus for images in (60, 400, 800)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_twice_as_fast_a_gpu_needs_about_half_as_many() -> None:
    twice = answer(a_question(800, gpu=Gpu(speed=2.0)), BOOK)
    assert abs(twice.gpus - answered(400).gpus) <= 1


def test_loads_bind_where_memory_holds_one_checkpoint_of_many() -> None:
    models = {name: replace(QUICK, vram_gb=15.0, load_s=30.0) for name in ("studio", "anime", "c")}
    question = a_question(
        120, models=models, checkpoints=dict.fromkeys(models, 1.0), slos={"fast": 20.0}
    )
    found = answer(question, BOOK)
    assert found.binds.startswith("loads")
    assert found.utilisation < 0.5


def test_a_price_becomes_the_price_of_an_image() -> None:
    found = answer(a_question(400, gpu_hour_price=3.0, slos={"relax": 5.0}), BOOK)
    by_hand = found.gpus * 3.0 / 60 / 400
    assert found.cost_per_image == pytest.approx(by_hand, rel=0.1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"slos": {"turbo": 0.0}}, "No job can start before it is submitted"),
        ({"slos": {}}, "--slo fast=30"),
        ({"images_per_minute": 0.0}, "above 0"),
        ({"percentile": 101.0}, "percentile"),
        ({"gpu": Gpu(vram_gb=8.0)}, "more memory or fewer slots"),
        ({"gpu": Gpu(slots=0)}, "at least 1 slot"),
        ({"images_per_minute": 1e9}, "plays at most"),
        ({"minutes": 5.0}, "first 5 minutes do not count"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(Refusal, match=words):
        answer(replace(a_question(60), **changes), BOOK)  # type: ignore[arg-type]


def test_a_promise_that_not_even_many_gpus_keep_is_refused_with_the_reason() -> None:
    names = [f"checkpoint {number}" for number in range(12)]
    question = a_question(
        40,
        models={name: replace(QUICK, vram_gb=18.0) for name in names},
        checkpoints=dict.fromkeys(names, 1.0),
        slos={"fast": 0.001},
        percentile=100.0,
    )
    with pytest.raises(Refusal, match=r"Even 8 GPUs, .* fast waits .* up to 15 s to load"):
        answer(question, BOOK)
