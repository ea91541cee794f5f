import json
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers import (
    FluxImg2ImgPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionXLImg2ImgPipeline,
)
from torch import Tensor

from farm.engine.samplers import (
    FLOW_NAMES,
    NAMES,
    RECIPES,
    Sampler,
    build_scheduler,
    generator_for,
)
from farm.engine.trajectory import slerp
from shared.config import ROOT
from shared.errors import Fault, Refusal

SHAPE = (1, 4, 8, 8)
FOLDER = ROOT / "farm/postcards/weights/base"
DIFFUSION: dict[str, Any] = json.loads((FOLDER / "scheduler/scheduler_config.json").read_text())
FLOW = {"num_train_timesteps": 1000, "shift": 3.0}
DYNAMIC = FLOW | {"use_dynamic_shifting": True}
KINDS = {name: FLOW if name in FLOW_NAMES else DIFFUSION for name in NAMES}
PLAIN_NAMES = [name for name in NAMES if name not in FLOW_NAMES]


def walk(sampler: Sampler, latents: Tensor, start: int, generator: torch.Generator) -> Tensor:
    """A model that answers with a fixed function of what it sees."""
    for index in range(start, len(sampler.timesteps)):
        answer = sampler.scale(latents, index).tanh()
        latents = sampler.advance(latents, answer, index=index, generator=generator)
    return latents


@pytest.mark.parametrize("name", NAMES)
def test_a_fork_knows_nothing_of_its_twin(name: str) -> None:
    first = Sampler.begin(name, 6, config=KINDS[name])
    noise = torch.randn(SHAPE, generator=generator_for(1)) * first.start_scale
    walked = walk(first, noise, 0, generator_for(2))
    twin = first.fork()
    assert twin.save() == {}
    again = walk(twin, noise, 0, generator_for(2))
    assert torch.equal(walked, again)


@pytest.mark.parametrize("name", NAMES)
def test_saved_state_is_small_and_plain(name: str) -> None:
    """Only what stepping changed: no tables, nothing that JSON or safetensors cannot hold."""
    sampler = Sampler.begin(name, 6, config=KINDS[name])
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


@pytest.mark.parametrize("name", NAMES)
def test_a_restored_twin_goes_on_where_the_first_stood(name: str) -> None:
    whole = Sampler.begin(name, 6, config=KINDS[name])
    half = whole.fork()
    noise = torch.randn(SHAPE, generator=generator_for(1)) * whole.start_scale
    drawn = walk(whole, noise, 0, generator_for(2))
    generator = generator_for(2)
    for index in range(3):
        answer = half.scale(noise, index).tanh()
        noise = half.advance(noise, answer, index=index, generator=generator)
    resumed = whole.fork()
    resumed.restore(half.save())
    assert torch.equal(walk(resumed, noise, 3, generator), drawn)


# --- names --------------------------------------------------------------------------------------


def test_every_schedule_is_another_than_plain() -> None:
    for name in NAMES:
        plain, _, schedule = name.removeprefix("flow-").partition("-")
        if schedule and name != "euler-a":
            whole = "euler-a" if name.startswith("euler-a-") else plain
            whole = f"flow-{whole}" if name in FLOW_NAMES else whole
            this, that = (Sampler.begin(one, 8, config=KINDS[one]) for one in (name, whole))
            assert this.timesteps != that.timesteps, name


def test_the_checkpoints_own_schedule_does_not_leak_into_a_name() -> None:
    """The folder says Karras, and diffusers refuses two schedules at once."""
    assert DIFFUSION["use_karras_sigmas"]
    for name in ("euler", "dpm++2m", "unipc-exponential", "heun"):
        assert not build_scheduler(name, DIFFUSION).config.use_karras_sigmas
    assert build_scheduler("dpm++2m-karras", DIFFUSION).config.use_karras_sigmas


def test_flow_names_are_those_made_for_flow_matching() -> None:
    assert set(FLOW_NAMES) == {name for name in RECIPES if name.startswith("flow-")}


def test_latents_are_clipped_only_where_the_checkpoint_says_so() -> None:
    silent = {key: value for key, value in DIFFUSION.items() if key != "clip_sample"}
    assert diffusers.DDIMScheduler.from_config(silent).config.clip_sample
    assert not build_scheduler("ddim", silent).config.clip_sample
    assert build_scheduler("ddim", silent | {"clip_sample": True}).config.clip_sample


def test_what_a_checkpoint_leaves_open_is_each_classes_own_to_choose() -> None:
    """diffusers notes which numbers were defaults of the class that a configuration came from."""
    open_config = diffusers.DPMSolverMultistepScheduler().config
    assert open_config.timestep_spacing == "linspace"
    assert build_scheduler("ddim", open_config).config.timestep_spacing == "leading"


def test_an_unknown_name_is_a_fault() -> None:
    with pytest.raises(Fault, match="magic"):
        build_scheduler("magic", DIFFUSION)


def test_more_steps_than_a_sampler_has_are_refused() -> None:
    with pytest.raises(Refusal, match="lcm") as refused:
        Sampler.begin("lcm", 60, config=DIFFUSION)
    assert refused.value.field == "steps"


# --- a flow's shift -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOW_NAMES)
def test_a_flow_is_shifted_for_its_size(name: str) -> None:
    low, high = (
        Sampler.begin(name, 6, config=DYNAMIC, sigmas=np.linspace(1, 1 / 6, 6).tolist(), mu=mu)
        for mu in (0.5, 1.2)
    )
    middle = len(low.timesteps) // 2
    assert high.timesteps[middle] > low.timesteps[middle]


def test_sigmas_and_mu_are_what_the_pipelines_give_them_for() -> None:
    sigmas = np.linspace(1, 1 / 6, 6)
    own = diffusers.FlowMatchEulerDiscreteScheduler(**DYNAMIC)
    own.set_timesteps(sigmas=sigmas, mu=0.9)
    ours = Sampler.begin("flow-euler", 6, config=DYNAMIC, sigmas=list(sigmas), mu=0.9)
    assert ours.timesteps == own.timesteps.tolist()


@pytest.mark.parametrize("name", ["flow-heun", "flow-dpm++2m"])
def test_one_shift_for_all_sizes_may_be_that_of_this_size(name: str) -> None:
    """e^mu is the fixed shift that does what mu does."""
    dynamic = Sampler.begin(name, 6, config=DYNAMIC, mu=float(np.log(3.0)))
    fixed = Sampler.begin(name, 6, config=FLOW)
    assert dynamic.timesteps == pytest.approx(fixed.timesteps)
    linear = Sampler.begin(name, 6, config=DYNAMIC | {"time_shift_type": "linear"}, mu=3.0)
    assert linear.timesteps == pytest.approx(fixed.timesteps)


def test_unipc_flows_with_the_checkpoints_shift() -> None:
    assert build_scheduler("flow-unipc", FLOW).config.flow_shift == 3.0


# --- part of the way ----------------------------------------------------------------------------


class Pipeline:
    """As much of a pipeline as its get_timesteps looks at."""

    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler


def their_part(kind: Any, name: str, steps: int, *asked: Any) -> tuple[list[float], int | None]:
    scheduler = build_scheduler(name, KINDS[name])
    scheduler.set_timesteps(steps)
    moments, _ = kind.get_timesteps(Pipeline(scheduler), steps, *asked)
    return moments.tolist(), getattr(scheduler, "_begin_index", None)


def our_part(sampler: Sampler) -> tuple[list[float], int | None]:
    return sampler.timesteps, getattr(sampler.scheduler, "_begin_index", None)


@pytest.mark.parametrize("strength", [0.3, 0.35, 0.6, 0.99, 1.0])
@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_strength_is_that_of_the_img2img_pipelines(name: str, strength: float) -> None:
    ours = Sampler.begin(name, 10, config=DIFFUSION, strength=strength)
    theirs = their_part(StableDiffusionImg2ImgPipeline, name, 10, strength, "cpu")
    assert our_part(ours) == theirs


@pytest.mark.parametrize("strength", [0.3, 0.35, 0.6, 0.99, 1.0])
@pytest.mark.parametrize("name", FLOW_NAMES)
def test_flows_round_strength_the_other_way(name: str, strength: float) -> None:
    ours = Sampler.begin(name, 10, config=FLOW, strength=strength)
    assert our_part(ours) == their_part(FluxImg2ImgPipeline, name, 10, strength, "cpu")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.77])
@pytest.mark.parametrize("name", ["euler", "ddim", "dpm++2m-karras", "heun", "heun-karras"])
def test_start_is_sdxls_denoising_start(name: str, share: float) -> None:
    ours = Sampler.begin(name, 11, config=DIFFUSION, start=share, strength=0.1)
    theirs = their_part(StableDiffusionXLImg2ImgPipeline, name, 11, 0.1, "cpu", share)
    assert our_part(ours) == theirs


@pytest.mark.parametrize("share", [0.25, 0.5, 0.8])
@pytest.mark.parametrize("name", ["euler", "ddim", "dpm++2m-karras"])
def test_two_parts_joined_are_the_whole(name: str, share: float) -> None:
    whole = Sampler.begin(name, 12, config=DIFFUSION)
    base = Sampler.begin(name, 12, config=DIFFUSION, end=share)
    refiner = Sampler.begin(name, 12, config=DIFFUSION, start=share)
    assert 0 < len(base.timesteps) < 12
    assert base.timesteps + refiner.timesteps == whole.timesteps


@pytest.mark.parametrize("name", ["euler", "ddim"])
def test_two_parts_draw_what_the_whole_draws(name: str) -> None:
    whole = Sampler.begin(name, 8, config=DIFFUSION)
    noise = torch.randn(SHAPE, generator=generator_for(1)) * whole.start_scale
    half = walk(Sampler.begin(name, 8, config=DIFFUSION, end=0.5), noise, 0, generator_for(2))
    rest = Sampler.begin(name, 8, config=DIFFUSION, start=0.5)
    torch.testing.assert_close(
        walk(rest, half, 0, generator_for(2)), walk(whole, noise, 0, generator_for(2))
    )


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_shares_at_the_ends_cut_nothing(share: float) -> None:
    cut = Sampler.begin("euler", 8, config=DIFFUSION, start=share, end=share, strength=0.5)
    assert cut.timesteps == Sampler.begin("euler", 8, config=DIFFUSION, strength=0.5).timesteps


@pytest.mark.parametrize("part", [{"strength": 0.1}, {"start": 0.9995}, {"end": 0.0001}])
def test_nothing_left_to_draw_is_refused(part: dict[str, float]) -> None:
    with pytest.raises(Refusal, match="greater strength"):
        Sampler.begin("ddim", 6, config=DIFFUSION, **part)


# --- noise --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_noise_is_added_as_diffusers_adds_it_between_steps(name: str) -> None:
    """Inpainting calls add_noise after each step, for the timestep that comes next."""
    sampler = Sampler.begin(name, 6, config=KINDS[name], strength=0.7)
    theirs = sampler.fork()
    own: Any = theirs.scheduler
    clean, noise = (torch.randn(SHAPE, generator=generator_for(seed)) for seed in (1, 2))
    latents = sampler.noised(clean, noise, 0)
    for index in range(len(sampler.moments)):
        moment = theirs.moments[index][None]
        flow = hasattr(own, "scale_noise")
        wanted = (
            own.scale_noise(clean, moment, noise) if flow else own.add_noise(clean, noise, moment)
        )
        assert torch.equal(sampler.noised(clean, noise, index), wanted)
        seen = theirs.scale(latents, index)
        latents = theirs.advance(latents, seen.tanh(), index=index, generator=generator_for(3))
    assert sampler.noised(clean, noise, len(sampler.moments)) is clean
    assert sampler.save() == {}


def test_eta_is_ddims_alone() -> None:
    still, lively = (Sampler.begin("ddim", 6, config=DIFFUSION, eta=eta) for eta in (0.0, 0.5))
    noise = torch.randn(SHAPE, generator=generator_for(1))
    one, two, other = (
        walk(sampler.fork(), noise, 0, generator_for(seed))
        for sampler, seed in ((lively, 2), (lively, 2), (lively, 3))
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert torch.equal(
        walk(still.fork(), noise, 0, generator_for(2)), walk(still, noise, 0, generator_for(3))
    )
    indifferent = Sampler.begin("euler", 6, config=DIFFUSION, eta=0.5)
    walk(indifferent, noise, 0, generator_for(2))


# --- start noise --------------------------------------------------------------------------------


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
