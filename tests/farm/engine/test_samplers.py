import json

import pytest
import torch
from torch import Tensor

from farm.engine.samplers import RECIPES, Sampler, build_scheduler, generator_for
from farm.engine.trajectory import slerp
from shared.catalog import Catalog
from shared.errors import Fault

SHAPE = (1, 4, 8, 8)


@pytest.fixture(scope="module")
def config(catalog: Catalog) -> dict[str, object]:
    path = catalog.get("postcards").folder / "scheduler" / "scheduler_config.json"
    loaded: dict[str, object] = json.loads(path.read_text())
    return loaded


def walk(sampler: Sampler, latents: Tensor, start: int, generator: torch.Generator) -> Tensor:
    """A model that answers with a fixed function of what it sees."""
    for index in range(start, len(sampler.timesteps)):
        answer = sampler.scale(latents, index).tanh()
        latents = sampler.advance(latents, answer, index=index, generator=generator)
    return latents


@pytest.mark.parametrize("name", RECIPES)
def test_a_fork_knows_nothing_of_its_twin(name: str, config: dict[str, object]) -> None:
    first = Sampler.begin(name, 6, config=config)
    noise = torch.randn(SHAPE, generator=generator_for(1)) * first.start_scale
    walked = walk(first, noise, 0, generator_for(2))
    again = walk(first.fork(), noise, 0, generator_for(2))
    assert torch.equal(walked, again)


@pytest.mark.parametrize("name", RECIPES)
def test_saved_state_is_small_and_plain(name: str, config: dict[str, object]) -> None:
    """Only what stepping changed: no tables, nothing that JSON or safetensors cannot hold."""
    sampler = Sampler.begin(name, 6, config=config)
    noise = torch.randn(SHAPE, generator=generator_for(1))
    assert sampler.save() == {}
    for index in range(3):
        noise = sampler.advance(
            sampler.scale(noise, index), noise, index=index, generator=generator_for(1)
        )
    parts = [
        part
        for value in sampler.save().values()
        for part in (value if isinstance(value, list) else [value])
    ]
    assert all(isinstance(part, Tensor | bool | int | float | str | None) for part in parts)
    assert sum(part.numel() for part in parts if isinstance(part, Tensor)) <= 4 * noise.numel()


def test_karras_is_another_schedule_than_plain(config: dict[str, object]) -> None:
    plain, karras = (build_scheduler(name, config) for name in ("dpm++2m", "dpm++2m-karras"))
    for scheduler in (plain, karras):
        scheduler.set_timesteps(8)
    assert not torch.equal(plain.sigmas, karras.sigmas)


def test_an_unknown_name_is_a_fault(config: dict[str, object]) -> None:
    with pytest.raises(Fault, match="magic"):
        build_scheduler("magic", config)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_a_mixture_of_noises_is_as_loud_as_either(share: float) -> None:
    start, end = (torch.randn(1, 4, 16, 16, generator=generator_for(seed)) for seed in (1, 2))
    mixed = slerp(start, end, share)
    assert mixed.std().item() == pytest.approx(1.0, abs=0.06)
    if share in (0.0, 1.0):
        torch.testing.assert_close(mixed, end if share else start)


def test_the_arc_between_a_noise_and_itself_is_a_point() -> None:
    noise = torch.randn(SHAPE, generator=generator_for(1))
    torch.testing.assert_close(slerp(noise, noise, 0.3), noise)
