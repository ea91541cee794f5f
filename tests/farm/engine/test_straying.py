"""--chaos and --weird: noise in what the model is told, of the seed or of the words, and of nothing else."""

from pathlib import Path

import pytest
import torch

from farm.engine.memory.pool import Pool
from farm.engine.straying import ENDED, HELD, led_away, loudness, strayed
from shared.catalog import Catalog
from shared.spec import RenderSpec, Variation, WeightedText
from tests.farm.engine.desk import Desk, recipe
from tests.farm.engine.shelf import pool_of
from tests.farm.engine.test_contract import TINY, final_latents, spec_of

NAMES = ("sd15", "sdxl", "sd3", "flux-dev")
SAMPLERS = {"sd15": "dpm++2m", "sdxl": "euler", "sd3": "flow-euler", "flux-dev": "flow-euler"}


@pytest.fixture(scope="module")
def tiny(catalog: Catalog) -> Pool:
    return pool_of(catalog, {name: TINY[name] for name in NAMES})


def of(name: str, **changes: object) -> RenderSpec:
    return spec_of(name, SAMPLERS[name], **{"images": 2, **changes})


def drawn(pool: Pool, folder: Path, spec: RenderSpec) -> list[torch.Tensor]:
    return final_latents(Desk(pool, folder), spec)


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> list[bool]:
    return [bool(torch.equal(a, b)) for a, b in zip(one, other, strict=True)]


@pytest.mark.parametrize("name", NAMES)
def test_every_family_strays_by_its_seed_alone(tiny: Pool, tmp_path: Path, name: str) -> None:
    plain = drawn(tiny, tmp_path / "1", of(name))
    for asked in ({"chaos": 0.6}, {"weird": 0.6}):
        once, twice = (drawn(tiny, tmp_path / f"{n}{asked}", of(name, **asked)) for n in "23")
        assert same(once, twice) == [True, True]
        assert same(once, plain) == [False, False]


@pytest.mark.parametrize("name", NAMES)
def test_whoever_runs_beside_it_changes_nothing(tiny: Pool, tmp_path: Path, name: str) -> None:
    """Rows whose noise has ended, rows without any, rows in the midst of it."""
    specs = {
        "plain": of(name, seed=1),
        "wild": of(name, seed=2, chaos=1.0),
        "late": of(name, seed=3, chaos=0.3, weird=0.5),
    }
    desk, jobs = Desk(tiny, tmp_path / "together"), {}
    for job, spec in specs.items():
        desk.admit(spec, job)
        jobs[job] = desk.engine.running[job].trajectories
        desk.steps(1)
    desk.finish()
    for job, spec in specs.items():
        alone = drawn(tiny, tmp_path / job, spec)
        assert same([one.latents for one in jobs[job]], alone) == [True, True]


def test_a_killed_job_strays_on_as_it_began(tiny: Pool, tmp_path: Path) -> None:
    spec = of("sd15", chaos=0.8, weird=0.2, steps=8)
    whole = drawn(tiny, tmp_path / "whole", spec)
    first = Desk(tiny, tmp_path / "shared")
    first.admit(spec)
    first.steps(2)
    first.engine.drain()
    second = Desk(tiny, tmp_path / "shared")
    second.admit(spec, attempt=2)
    trajectories = second.engine.running["job"].trajectories
    assert second.engine.running["job"].resumed_from == 2
    second.finish()
    assert same([one.latents for one in trajectories], whole) == [True, True]


def test_the_noise_is_loud_first_and_gone_while_details_are_drawn() -> None:
    shares = [k / 100 for k in range(101)]
    levels = [loudness(share) for share in shares]
    assert levels == sorted(levels, reverse=True)
    assert (loudness(0), loudness(HELD), loudness(ENDED), loudness(1)) == (1, 1, 0, 0)


def test_a_variation_keeps_its_parents_noise_and_weird_is_of_the_words(tiny: Pool) -> None:
    family = tiny.get("sd15").family
    parent = of("sd15", chaos=0.5, weird=0.5, seed=9)
    told = family.encode(parent)
    child = of("sd15", chaos=0.5, weird=0.5, seed=parent.image_seed(1), variation=Variation(3, 0.3))
    theirs = strayed(parent, told, index=1, evaluations=5).stray
    ours = strayed(child, told, index=3, evaluations=5).stray
    assert theirs is not None
    assert ours is not None
    assert torch.equal(theirs.noise["texts"], ours.noise["texts"])
    led = [led_away(spec, told).towards["texts"] for spec in (parent, child)]
    assert torch.equal(*led)
    other = of("sd15", weird=0.5, texts=(WeightedText("a cat"),))
    assert not torch.equal(led[0], led_away(other, told).towards["texts"])


def test_sizes_and_guidance_never_stray(tiny: Pool) -> None:
    spec = of("sdxl", chaos=1.0, weird=1.0)
    told = tiny.get("sdxl").family.encode(spec)
    led = led_away(spec, told)
    assert torch.equal(led.towards["size"], told.towards["size"])
    assert led.against is told.against
    stray = strayed(spec, told, index=0, evaluations=5).stray
    assert stray is not None
    assert stray.noise.keys() == {"texts", "pooled"}


def test_the_pictures_of_a_postcard_grid_differ_more(desk: Desk) -> None:
    """Among four of them as good as always, on the trained model."""

    def spread(spec: RenderSpec) -> float:
        rows = [one.float() for one in final_latents(desk, spec)]
        return sum(float((a - b).abs().mean()) for k, a in enumerate(rows) for b in rows[:k])

    plain, wild = (spread(recipe(images=4, chaos=chaos)) for chaos in (0.0, 1.0))
    assert wild > 1.15 * plain
