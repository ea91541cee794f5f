"""What only a GPU can show: nobody waits for it in the loop, and what it draws is the same there.

Each test that means something without one runs on the CPU too, so that it is known to be sound.
"""

import math
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionInpaintPipeline
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from farm.engine import sentry
from farm.engine.decoding import Decoder
from farm.engine.families import flux, sd3, sd15, sdxl
from farm.engine.memory import measures as memory
from farm.engine.memory.headroom import Headroom
from farm.engine.memory.pool import Pool
from farm.engine.memory.tiers import Crate, Lodgings, bring, packed_size
from farm.engine.messages import Failed, Input, Picture
from farm.engine.samplers import Sampler, build_scheduler, generator_for
from farm.engine.trajectory import State
from shared.catalog import Catalog
from shared.spec import ControlUse, LoraUse, RenderKind, RenderSpec, Source
from tests.farm.engine.desk import PROMPTS, Desk, recipe
from tests.farm.engine.families import drive, tiny_flux, tiny_sd3, tiny_sd15, tiny_sdxl
from tests.farm.engine.shelf import pool_of

GPU = (
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
)
CLOSE, LEAST_PSNR = 1e-4, 40.0
ON_CUDA = pytest.param("cuda", marks=GPU)


@pytest.fixture(params=["cpu", ON_CUDA])
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    """Single precision means it: no TF32."""
    chosen: str = request.param
    backends: Any = torch.backends
    doors = (backends.cuda.matmul, backends.cudnn.conv)
    before = [door.fp32_precision for door in doors]
    for door in doors:
        door.fp32_precision = "ieee"
    yield chosen
    for door, precision in zip(doors, before, strict=True):
        door.fp32_precision = precision


@pytest.fixture
def trained(catalog: Catalog, device: str) -> Pool:
    return Pool(catalog, device=device, dtype=torch.float32)


@pytest.fixture
def desk(trained: Pool, tmp_path: Path) -> Desk:
    return Desk(trained, tmp_path, rows=32)


# --- nobody waits --------------------------------------------------------------------------------

HOUSE, MASK = Source("house", "a" * 64), Source("mask", "b" * 64)
EDGES = (ControlUse("edges", HOUSE, scale=0.8),)
MIXED = {
    "guided": recipe(PROMPTS[0], steps=9, loras=(LoraUse("sepia"),)),
    "plain": recipe(PROMPTS[1], steps=8, guidance=1.0, sampler="euler-a", images=1),
    "rescaled": recipe(
        PROMPTS[2], steps=12, rescale=0.7, sampler="ddim", loras=(LoraUse("neon", 0.5),)
    ),
    "hinted": recipe(PROMPTS[3], steps=10, sampler="euler", controls=EDGES),
    "masked": recipe(
        PROMPTS[0],
        steps=20,
        sampler="euler-a",
        images=1,
        kind=RenderKind.INPAINT,
        sources=(HOUSE,),
        mask=MASK,
        strength=0.6,
    ),
    "stopped": recipe(PROMPTS[1], steps=30, stop=0.3, images=1, sampler="heun"),
}
ASKING = {"_local_scalar_dense", "nonzero", "is_nonzero", "equal", "item"}


def inputs() -> list[Input]:
    colours, mask = drive.picture(3), drive.mask(24).convert("RGB")
    sizes = {"width": 64, "height": 64}
    return [
        Input(HOUSE.sha256, rgb=colours.tobytes(), **sizes),
        Input(MASK.sha256, rgb=mask.tobytes(), **sizes),
    ]


class Asked(TorchDispatchMode):
    """Names of the operators that on a GPU wait for it: Python reads their answer, or rows are
    picked by a list, which is carried over."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = func.overloadpacket.__name__
        if name in ASKING or (name == "index" and args[0].dim() > 1):
            self.names.append(name)
        return func(*args, **(kwargs or {}))


@contextmanager
def never_waiting(device: str) -> Iterator[None]:
    """Schedulers carry their tables to the device when they are asked themselves: that waits too."""

    def refuse(*_: Any) -> Any:
        raise AssertionError("a scheduler was asked")

    with pytest.MonkeyPatch.context() as patch, _listening(device):
        patch.setattr(Sampler, "noised", refuse)
        patch.setattr(Sampler, "scale", refuse)
        yield


@contextmanager
def _listening(device: str) -> Iterator[None]:
    if device == "cpu":
        with Asked() as asked:
            yield
        assert not asked.names
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_no_step_waits_for_the_device(desk: Desk, device: str) -> None:
    """On a GPU not even the first of a new company; on a CPU laying out reads its own numbers."""
    for name, spec in MIXED.items():
        desk.admit(spec, name, inputs=inputs(), preview_every=3)
    assert desk.engine.running.keys() == MIXED.keys(), desk.sent
    if device == "cpu":
        desk.steps(1)
    shown = list[Any]()
    with never_waiting(device), pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            desk.engine.finishing.decodings, "ask", lambda *asked, **_: shown.append(asked)
        )
        desk.steps(5)
    assert shown, "previews are asked for in a step, and decoded elsewhere"
    assert desk.engine.counts["rows"] / desk.engine.counts["forwards"] > 9, "they ran together"
    desk.finish()
    assert all(desk.rendered(name).pictures for name in MIXED)


def test_a_question_in_a_step_is_noticed(desk: Desk, device: str) -> None:
    """The test above can fail."""
    desk.admit(recipe(steps=4))
    desk.steps(1)
    family = desk.engine.pool.get("postcards").family
    denoise = family.denoise

    def curious(*asked: Any) -> Tensor:
        answer = denoise(*asked)
        assert answer.sum().item() == answer.sum().item()
        return answer

    def step() -> None:
        with never_waiting(device):
            desk.steps(1)
        assert not [one for one in desk.sent if isinstance(one, Failed)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(family, "denoise", curious)
        with pytest.raises(AssertionError):
            step()
    desk.engine.drop("job", forget=True)


def test_a_broken_row_is_learnt_of_without_waiting(desk: Desk, device: str) -> None:
    desk.admit(recipe(steps=12, images=2))
    desk.admit(recipe(PROMPTS[1], steps=12, images=1), "other")
    job, told = desk.engine.running["job"], list[Any]()
    vars(desk.engine)["start_over"] = lambda job, places: told.append((job.id, list(places)))
    desk.steps(2)
    broken = job.trajectories[1]
    broken.leave()
    broken.own = State(torch.full_like(broken.own.latents, math.nan), broken.own.past)
    desk.engine.cohorts.clear()
    desk.steps(1)
    with never_waiting(device):
        desk.steps(4)
    assert set(map(str, told)) == {"('job', [1])"}
    assert len(desk.engine.sentry._under_way) <= sentry.AHEAD + 1, "no more steps than that wait"


def test_pictures_are_decoded_as_well_on_a_stream_of_their_own(trained: Pool, device: str) -> None:
    family = trained.get("postcards").family
    latents = torch.randn((5, 4, 16, 16), generator=generator_for(3)).to(device)
    decoder = Decoder(torch.device(trained.device))
    rows = list(latents.split(1))
    pictures, _ = decoder.pictures(family, rows, range(5), decoder.mark())
    with torch.inference_mode():
        wanted = family.decode(latents).numpy().astype(int)
    for picture, pixels in zip(pictures, wanted, strict=True):
        assert np.abs(rgb(picture) - pixels).max() <= 1


def rgb(picture: Picture) -> Any:
    shape = (picture.height, picture.width, 3)
    return np.frombuffer(picture.rgb, np.uint8).reshape(shape).astype(int)


# --- the same pictures ---------------------------------------------------------------------------

BUILDS: dict[str, Callable[..., Any]] = {
    "sd15": tiny_sd15.build,
    "sdxl": tiny_sdxl.build,
    "sd3": tiny_sd3.build,
    "flux": partial(tiny_flux.build, **tiny_flux.KINDS["dev"]),
}
MAKERS: dict[str, Callable[..., Any]] = {
    "sd15": sd15.from_pipeline,
    "sdxl": sdxl.from_pipeline,
    "sd3": partial(sd3.from_pipeline, text_length=tiny_sd3.TEXT_LENGTH),
    "flux": partial(flux.from_pipeline, text_length=tiny_flux.TEXT_LENGTH),
}
LENGTHS = {"sd3": tiny_sd3.TEXT_LENGTH, "flux": tiny_flux.TEXT_LENGTH}
CELLS = [
    *((name, sampler) for name in ("sd15", "sdxl") for sampler in ("euler-a", "dpm++2m-karras")),
    *((name, "flow-euler") for name in ("sd3", "flux")),
]


def tiny_pool(catalog: Catalog, device: str, dtype: torch.dtype, **pool: Any) -> Pool:
    builds = {name: (name, partial(_made, name)) for name in BUILDS}
    return pool_of(catalog, builds, device=device, dtype=dtype, **pool)


def _made(name: str, dtype: torch.dtype) -> Any:
    return MAKERS[name](BUILDS[name](dtype=dtype))


def tiny_recipe(name: str, sampler: str, **changes: Any) -> RenderSpec:
    plain = {"checkpoint": name, "sampler": sampler, "height": 32 if name in LENGTHS else 64}
    return drive.recipe(**plain | {"guidance": 3.5, "steps": 5} | changes)


def expected(spec: RenderSpec, dtype: torch.dtype, device: str, output: str) -> Any:
    """From diffusers' own pipeline on that device, of the same numbers."""
    name = spec.checkpoint
    pipeline = BUILDS[name](dtype=dtype).to(device)
    pipeline.scheduler = build_scheduler(spec.sampler, pipeline.scheduler.config)
    words: dict[str, Any] = {} if name == "flux" else {"negative_prompt": spec.negative or None}
    words |= {"max_sequence_length": LENGTHS[name]} if name in LENGTHS else {}
    return pipeline(
        prompt=spec.texts[0].text,
        width=spec.width,
        height=spec.height,
        num_inference_steps=spec.steps,
        guidance_scale=spec.guidance,
        generator=generator_for(spec.seed),
        output_type=output,
        **words,
    ).images


@pytest.mark.parametrize(("name", "sampler"), CELLS)
def test_a_job_alone_equals_the_pipeline_in_single_precision(
    catalog: Catalog, tmp_path: Path, device: str, name: str, sampler: str
) -> None:
    desk = Desk(tiny_pool(catalog, device, torch.float32), tmp_path)
    spec = tiny_recipe(name, sampler, negative="fog")
    desk.admit(spec)
    (one,) = desk.engine.running["job"].trajectories
    desk.finish()
    theirs = expected(spec, torch.float32, device, "latent")
    assert drive.relative(one.latents.reshape(theirs.shape), theirs) <= CLOSE


@pytest.mark.parametrize(("name", "sampler"), CELLS)
def test_a_job_alone_is_as_near_as_rounding_in_half_precision(
    catalog: Catalog, tmp_path: Path, device: str, name: str, sampler: str
) -> None:
    desk = Desk(tiny_pool(catalog, device, torch.bfloat16), tmp_path)
    spec = tiny_recipe(name, sampler)
    picture = desk.render(spec).pictures[0]
    theirs = expected(spec, torch.bfloat16, device, "np")[0] * 255
    square = float(np.mean((rgb(picture) - theirs) ** 2))
    assert 10 * math.log10(255**2 / max(square, 1e-9)) >= LEAST_PSNR


def test_an_inpainting_keeps_its_source_as_the_pipeline_does(
    catalog: Catalog, tmp_path: Path, device: str
) -> None:
    desk = Desk(tiny_pool(catalog, device, torch.float32), tmp_path)
    spec = replace(MIXED["masked"], checkpoint="sd15", pixel_art=False)
    desk.admit(spec, inputs=inputs())
    (one,) = desk.engine.running["job"].trajectories
    desk.finish()
    parts = tiny_sd15.build().components
    parts["scheduler"] = build_scheduler(spec.sampler, parts["scheduler"].config)
    pipeline = StableDiffusionInpaintPipeline(**parts, requires_safety_checker=False).to(device)
    pipeline.set_progress_bar_config(disable=True)
    theirs = pipeline(
        prompt=spec.texts[0].text,
        image=drive.picture(3),
        mask_image=drive.mask(24),
        width=64,
        height=64,
        strength=spec.strength,
        num_inference_steps=spec.steps,
        guidance_scale=spec.guidance,
        generator=generator_for(spec.seed),
        output_type="latent",
    ).images
    assert drive.relative(one.latents, theirs) <= CLOSE


def test_a_snapshot_of_one_device_goes_on_on_another(
    catalog: Catalog, trained: Pool, tmp_path: Path
) -> None:
    spec, here = recipe(steps=9, sampler="dpm++2m-karras"), tmp_path / "here"
    first = Desk(trained, here)
    first.admit(spec, snapshot_every=2)
    first.steps(5)
    first.engine.drain()
    host = Pool(catalog, device="cpu", dtype=torch.float32)
    resumed = Desk(host, here).render(spec, attempt=2)
    assert resumed.resumed_from == 5
    whole = Desk(host, tmp_path / "there").render(spec)
    for ours, theirs in zip(resumed.pictures, whole.pictures, strict=True):
        assert np.abs(rgb(ours) - rgb(theirs)).mean() < 1


# --- memory --------------------------------------------------------------------------------------


def test_parked_trajectories_rest_on_the_host_and_lose_nothing(
    trained: Pool, tmp_path: Path, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    relaxed, turbo = recipe(steps=8), recipe(PROMPTS[1], steps=9)
    alone = Desk(trained, tmp_path / "alone").render(relaxed)
    monkeypatch.setattr(Headroom, "tight", True)
    desk = Desk(trained, tmp_path / "together", rows=4)
    desk.admit(relaxed, "relaxed", rank=2)
    desk.steps(3)
    desk.admit(turbo, "turbo", rank=0)
    job = desk.engine.running["relaxed"]
    before = [one.latents.cpu() for one in job.trajectories]
    desk.steps(2)
    for one, latents in zip(job.trajectories, before, strict=True):
        assert one.own.latents.device.type == "cpu"
        assert one.own.latents.is_pinned() == (device == "cuda")
        assert torch.equal(job.snapshot().tensors[f"{one.index}.latents"], latents)
        resting = one.own
        one.rest()
        assert one.own is resting or device == "cpu", "what rests is not moved again"
    desk.finish()
    for ours, theirs in zip(desk.rendered("relaxed").pictures, alone.pictures, strict=True):
        assert np.abs(rgb(ours) - rgb(theirs)).max() <= (0 if device == "cpu" else 2)


def test_checkpoints_take_turns_within_the_budget(catalog: Catalog, device: str) -> None:
    plain = tiny_pool(catalog, device, torch.float32)
    sizes = {name: _packed(plain.get(name).family) for name in BUILDS}
    del plain
    budget = sizes["sd15"] + max(sizes.values())
    pool = tiny_pool(catalog, device, torch.float32, budget=budget)
    pool.terms.measured.update({(name, torch.float32): size for name, size in sizes.items()})
    for name in ("sdxl", "sd3", "flux", "sdxl", "flux"):
        loaded = pool.get(name)
        assert {one.device.type for one in _weights(loaded.family)} == {device}
        assert pool.house.tiers["device"].used <= budget
        loaded.family.warm()
        del loaded
    assert pool.house.tally.evictions["device"] > 0
    if device == "cuda":
        lodgings = [one.lodgings for one in pool.house.homes.values() if one.lodgings]
        crates = [crate for one in lodgings for crate in one.crates.values()]
        assert crates
        assert all(one.host is not None and one.host.is_pinned() for one in crates)
        assert sum(one.size for one in crates if one.device is not None) <= budget


def _packed(family: Any) -> int:
    return sum(packed_size(module) for module in family.modules.values())


def _weights(family: Any) -> list[Tensor]:
    return [one for module in family.modules.values() for one in module.parameters()]


def test_what_is_still_read_is_not_given_away() -> None:
    """Whoever leaves a visit on a stream of its own may still be read by it."""
    crate, asked = Crate(nn.Linear(2, 2), pinned=False), list[Any]()

    class Block:
        is_cuda, device = True, "cuda"
        record_stream = asked.append

    vars(crate)["device"] = Block()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "current_stream", lambda device: f"the stream of {device}")
        crate.used()
        assert asked == ["the stream of cuda"]
        lodgings = Lodgings({"vae": nn.Linear(2, 2)}, "cpu")
        vars(lodgings.crates["vae"])["device"] = Block()
        with lodgings.visit("vae"):
            assert len(asked) == 1
        assert len(asked) == 2


def test_what_did_not_fit_is_let_go_before_less_is_tried(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    family = desk.engine.pool.get("postcards").family
    denoise, ghosts = family.denoise, list[weakref.ref[Tensor]]()

    def greedy(latents: Tensor, *rest: Any) -> Tensor:
        if len(latents) > 4:
            large = torch.zeros(8)
            ghosts.append(weakref.ref(large))
            raise torch.OutOfMemoryError("CUDA out of memory")
        assert all(ghost() is None for ghost in ghosts)
        return denoise(latents, *rest)

    monkeypatch.setattr(family, "denoise", greedy)
    desk.render(recipe(images=4))
    assert ghosts
    assert len(desk.rendered().pictures) == 4


@pytest.mark.parametrize("device", [ON_CUDA], indirect=True)
def test_a_small_device_draws_a_large_job_in_parts(trained: Pool, tmp_path: Path) -> None:
    spec = recipe(width=512, height=512, steps=3, images=8)

    def peak(images: int, name: str) -> int:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        Desk(trained, tmp_path / name).render(replace(spec, images=images))
        return torch.cuda.max_memory_reserved()

    one, many = peak(1, "one"), peak(8, "many")
    assert many > 1.2 * one
    torch.cuda.empty_cache()
    total = memory.device_memory("cuda").total
    torch.cuda.set_per_process_memory_fraction((one + many) / 2 / total)
    try:
        desk = Desk(trained, tmp_path / "small")
        desk.admit(spec)
        lowest = 16
        while desk.engine.running:
            desk.engine.step()
            lowest = min(lowest, desk.engine.ladder.rows or 16)
        desk.finish()
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert len(desk.rendered().pictures) == 8
    assert lowest < 16


@pytest.mark.parametrize("device", [ON_CUDA], indirect=True)
def test_weights_come_by_a_stream_of_their_own_and_are_whole(device: str) -> None:
    layer = nn.Linear(4096, 4096)
    wanted = layer.weight.detach().clone()
    crate = Crate(layer, pinned=True)
    for _ in range(3):
        bring([crate], device)
        assert layer.weight.device.type == "cuda"
        assert torch.equal(layer.weight.cpu(), wanted)
        crate.let_go()
        assert torch.equal(layer.weight, wanted)
