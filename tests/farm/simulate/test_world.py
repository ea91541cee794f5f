"""The world's arithmetic, against small cases computed by hand, and what must add up in large ones."""

from dataclasses import replace

import pytest

from farm.simulate.arrivals import arrivals
from farm.simulate.hardware import Outage
from farm.simulate.scenarios import scenario
from farm.simulate.world import RESCUED_AFTER_S, Past
from shared.plans import Speed
from tests.farm.simulate.paper import a_farm, a_model, asks, lives, run

ORDERS = ("fair", "fifo", "strict")


@pytest.mark.parametrize("policy", ORDERS)
def test_two_jobs_share_a_gpu_and_the_first_load_is_waited_for(policy: str) -> None:
    farm = a_farm(models={"studio": a_model(load_s=10)})
    seen = lives(run(farm, [asks(1, 0, 4), asks(2, 12, 4)], policy=policy))
    # 10 s of load; alone until 12, then at half the pace until the first has ended, then alone.
    assert (seen[1].drawn_at, seen[2].drawn_at) == (10, 12)
    assert seen[1].finished_at == pytest.approx(16)
    assert seen[2].finished_at == pytest.approx(18)
    assert [round(seen[number].used_ms) for number in (1, 2)] == [4000, 4000]


def test_a_batch_is_cheaper_where_a_part_of_the_step_does_not_grow() -> None:
    seen = lives(run(a_farm(overhead=0.5), [asks(1, 0, 3), asks(2, 0, 3)]))
    # A step of two is 0.5 + 0.5 * 2 = 1.5 long: 4.5 s for both, and each had half of the GPU.
    assert seen[1].finished_at == seen[2].finished_at == pytest.approx(4.5)
    assert seen[1].used_ms == pytest.approx(2250)


def test_jobs_of_two_checkpoints_take_turns_step_by_step() -> None:
    models = {"studio": a_model(), "anime": a_model()}
    farm = a_farm(overhead=0.5, models=models)
    seen = lives(run(farm, [asks(1, 0, 3), asks(2, 0, 3, checkpoint="anime")]))
    assert seen[2].finished_at == pytest.approx(6), "nothing is shared across checkpoints"


@pytest.mark.parametrize("policy", ["fair", "strict"])
def test_turbo_starts_at_once_on_a_full_gpu_and_who_is_pushed_aside_loses_nothing(
    policy: str,
) -> None:
    arrivals = [asks(1, 0, 10, speed=Speed.RELAX), asks(2, 3, 2, speed=Speed.TURBO)]
    seen = lives(run(a_farm(slots=1), arrivals, policy=policy))
    assert seen[2].drawn_at == 3
    assert seen[2].finished_at == pytest.approx(5)
    assert seen[1].finished_at == pytest.approx(12)
    assert seen[1].used_ms == pytest.approx(10_000)


def test_first_come_first_served_pushes_nobody_aside() -> None:
    arrivals = [asks(1, 0, 10, speed=Speed.RELAX), asks(2, 3, 2, speed=Speed.TURBO)]
    seen = lives(run(a_farm(slots=1), arrivals, policy="fifo"))
    assert seen[2].drawn_at == pytest.approx(10)


def test_strict_priority_lets_relax_wait_while_anybody_faster_does() -> None:
    arrivals = [
        asks(1, 0, 10),
        asks(2, 1, 5, speed=Speed.RELAX),
        *(asks(number, number, 5) for number in range(3, 8)),
    ]
    seen = lives(run(a_farm(slots=1), arrivals, policy="strict"))
    assert seen[2].drawn_at == pytest.approx(10 + 5 * 5)


def test_a_dead_gpus_job_goes_on_elsewhere_from_its_last_snapshot() -> None:
    farm = a_farm(gpus=2, slots=1, outages=[Outage(at=15, until=500, gpus=1)])
    seen = lives(run(farm, [asks(1, 0, 20, steps=20)]))
    # 15 of 20 steps drawn, 10 kept, and nobody notices before the lease has run out.
    assert seen[1].finished_at == pytest.approx(15 + RESCUED_AFTER_S + 10)
    assert seen[1].used_ms == pytest.approx(25_000), "what was lost was used all the same"


def test_a_job_of_a_dead_gpu_holds_no_place_under_its_accounts_cap() -> None:
    farm = a_farm(gpus=2, outages=[Outage(at=5, until=900, gpus=1)])
    both = [asks(n, 0, 10, account=1, plan="free") for n in (1, 2)]
    ends = [life.finished_at for life in run(farm, both).lives]
    assert all(end is not None and end < 60 for end in ends), "the cap of two counts the dead"


def test_a_gpu_that_comes_back_is_cold() -> None:
    farm = a_farm(
        models={"studio": a_model(load_s=10)}, outages=[Outage(at=100, until=200, gpus=1)]
    )
    past = run(farm, [asks(1, 0, 5), asks(2, 150, 5)])
    assert lives(past)[2].drawn_at == pytest.approx(210)
    assert past.devices[0].down_s == pytest.approx(100)


def test_the_checkpoint_drawn_with_longest_ago_leaves_when_memory_is_short() -> None:
    models = {name: a_model(load_s=10) for name in ("studio", "anime", "poster")}
    wanted = ["anime", "studio", "anime", "poster", "anime", "studio"]
    arrivals = [asks(n, 100 * n, 1, checkpoint=name) for n, name in enumerate(wanted, 1)]
    past = run(a_farm(models=models, vram_gb=17), arrivals)  # two of 7 GB beside two jobs
    waits = [life.drawn_at - life.arrival.at for life in past.lives if life.drawn_at]
    assert waits == pytest.approx([10, 10, 0, 10, 0, 10])
    assert past.devices[0].loads == 4


def test_who_waits_for_memory_is_not_overtaken_for_ever() -> None:
    models = {"studio": a_model(), "anime": a_model(vram_gb=20)}
    steady = [asks(n, 1.0 * n, 3) for n in range(1, 300)]
    late = asks(900, 50.5, 3, checkpoint="anime")
    arrivals = sorted([*steady, late], key=lambda one: one.at)
    seen = lives(run(a_farm(slots=3, models=models), arrivals, policy="fifo", until=300))
    taken_at, drawn_at = seen[900].taken_at, seen[900].drawn_at
    assert taken_at is not None
    assert drawn_at is not None
    assert drawn_at - taken_at < 10


def test_the_desk_refuses_beyond_the_plans_waiting_list() -> None:
    arrivals = [asks(n, n / 100, 50, account=1, plan="free") for n in range(10)]
    past = run(a_farm(slots=1), arrivals)
    limit = 4
    assert sum(life.refused for life in past.lives) == 10 - 1 - limit
    open_desk = run(a_farm(slots=1), arrivals, waiting_limits=False)
    assert not any(life.refused for life in open_desk.lives)


# --- what must add up ------------------------------------------------------------------------


def busy(policy: str, seed: int = 3) -> Past:
    """Ten minutes with twice the work that the GPUs can do, half of them lost in between."""
    chosen = scenario("half-the-gpus-lost")
    outage = Outage(at=200, until=400, gpus=2)
    farm = replace(chosen.farm, gpus=4, outages=(outage,))
    streams = [replace(stream, per_minute=stream.per_minute / 4 * 2.5) for stream in chosen.streams]
    asked = arrivals(streams, models=farm.models, until=600, seed=seed)
    return run(farm, asked, policy=policy, until=600)


@pytest.mark.parametrize("policy", ORDERS)
def test_every_job_ends_once_and_every_gpu_second_is_somebodys(policy: str) -> None:
    past = busy(policy)
    aboard = [life for device in past.devices for life in device.lives]
    assert len({id(life) for life in aboard}) == len(aboard), "no job is in two places"
    for life in past.lives:
        ended, running = life.finished_at is not None, any(life is one for one in aboard)
        assert life.refused + ended + running <= 1
        assert not ended or life.left_ms == 0
        if life.refused:
            assert life.drawn_at is None
            assert life.used_ms == 0
    for device in past.devices:
        whole = device.drawing_s + device.loading_s + device.idle_s + device.down_s
        assert whole == pytest.approx(past.until)
    drawing_ms = 1000 * sum(device.drawing_s for device in past.devices)
    assert sum(life.used_ms for life in past.lives) == pytest.approx(drawing_ms)


@pytest.mark.parametrize("policy", ORDERS)
def test_who_was_never_on_a_dead_gpu_used_exactly_its_work(policy: str) -> None:
    past = busy(policy)
    done = [life for life in past.lives if life.finished_at is not None]
    exact = [life for life in done if life.used_ms == pytest.approx(life.arrival.work_ms)]
    assert all(life.used_ms >= life.arrival.work_ms - 1e-3 for life in done)
    assert len(exact) > 0.9 * len(done) > 150


def test_the_same_seed_gives_the_same_world_and_another_one_another() -> None:
    def story(seed: int) -> list[tuple[str, float | None, float | None]]:
        return [
            (str(life.arrival.job_id), life.drawn_at, life.finished_at)
            for life in busy("fair", seed).lives
        ]

    assert story(3) == story(3)
    assert story(3) != story(4)
