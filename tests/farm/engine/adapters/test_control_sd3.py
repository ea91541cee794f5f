"""ControlNets of Stable Diffusion 3 against diffusers' own pipeline, and beside unlike rows."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import SD3ControlNetModel, StableDiffusion3ControlNetPipeline
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor, nn

from farm.engine.families import Hint, sd3
from farm.engine.families.sd3 import StableDiffusion3
from farm.engine.samplers import build_scheduler, generator_for
from shared.errors import Fault
from shared.spec import RenderSpec
from tests.farm.engine.families import drive, tiny_sd3
from tests.farm.engine.families.pair_sd3 import CLOSE, WIDE, fresh, recipe, reference_of, told

INSTANTX: dict[str, Any] = {"force_zeros_for_pooled_projection": True}
PLAIN: dict[str, Any] = {"force_zeros_for_pooled_projection": False}
STABILITY = {**PLAIN, "use_pos_embed": False, "joint_attention_dim": None}
PICTURES = [drive.picture(seed, *WIDE) for seed in (3, 4)]


def tiny_net(seed: int, **changes: Any) -> SD3ControlNetModel:
    """Its last layers are zero before training, and would show nothing."""
    model = reference_of("with T5").transformer.config
    names = ("sample_size", "patch_size", "in_channels", "attention_head_dim", "out_channels")
    more = ("num_attention_heads", "caption_projection_dim", "pooled_projection_dim")
    alike = {name: model[name] for name in (*names, *more, "pos_embed_max_size")}
    alike |= {"joint_attention_dim": model["joint_attention_dim"], "num_layers": 1}
    torch.manual_seed(seed)
    net = SD3ControlNetModel(**alike | changes).eval()
    for layer in (*net.controlnet_blocks, net.pos_embed_input.proj):
        nn.init.normal_(layer.weight, std=0.2)
    return net


def with_nets(**nets: SD3ControlNetModel) -> StableDiffusion3:
    family = fresh("with T5")
    for name, net in nets.items():
        family.controls.put(name, deepcopy(net))
    return family


def hint(name: str, picture: int = 0, **acts: Any) -> Hint:
    pixels = reference_of("with T5").image_processor.preprocess(PICTURES[picture])
    return Hint(name, pixels / 2 + 0.5, **acts)


def begin(family: StableDiffusion3, spec: RenderSpec, *hints: Hint) -> drive.Course:
    course = drive.begin(family, spec)
    course.conditioning = replace(course.conditioning, hints=hints)
    return course


def draw(family: StableDiffusion3, spec: RenderSpec, *hints: Hint) -> Tensor:
    course = begin(family, spec, *hints)
    drive.run(family, [course])
    return course.latents


def expected(nets: Sequence[SD3ControlNetModel], spec: RenderSpec, **acts: Any) -> Tensor:
    parts = dict(reference_of("with T5").components)
    parts["scheduler"] = build_scheduler(spec.sampler, parts["scheduler"].config)
    one = len(nets) == 1
    pipeline = StableDiffusion3ControlNetPipeline(
        **parts, controlnet=deepcopy(nets[0] if one else list(nets))
    )
    pipeline.set_progress_bar_config(disable=True)
    words = told(spec, generator_for(spec.seed))
    shown = PICTURES[0] if one else PICTURES[: len(nets)]
    latents: Tensor = pipeline(**words, **acts, control_image=shown, output_type="latent").images
    return latents


@pytest.fixture
def _likeliest(monkeypatch: pytest.MonkeyPatch) -> None:
    """diffusers draws a hint's latents from the global generator: here it takes the likeliest too."""
    drawn = DiagonalGaussianDistribution.sample

    def sample(spread: Any, generator: torch.Generator | None = None) -> Tensor:
        mode: Tensor = spread.mode()
        return mode if generator is None else drawn(spread, generator)

    monkeypatch.setattr(DiagonalGaussianDistribution, "sample", sample)


# --- alone -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_likeliest")
@pytest.mark.parametrize("guidance", [1.0, 5.0])
@pytest.mark.parametrize("kind", [INSTANTX, PLAIN, STABILITY], ids=["zeros", "pooled", "blind"])
def test_a_net_acts_as_in_the_pipeline(kind: dict[str, Any], guidance: float) -> None:
    net, spec = tiny_net(5, **kind), recipe(guidance=guidance, steps=5)
    acts = {"control_guidance_start": 0.2, "control_guidance_end": 0.8}
    wanted = expected([net], spec, **acts, controlnet_conditioning_scale=0.7)
    family = with_nets(net=net)
    found = draw(family, spec, hint("net", scale=0.7, start=0.2, end=0.8))
    assert drive.relative(found, wanted) < CLOSE
    plain = draw(family, spec)
    assert drive.relative(found, plain) > 100 * CLOSE
    assert drive.relative(draw(family, spec, hint("net", scale=0.7)), found) > 10 * CLOSE
    assert drive.relative(draw(family, spec, hint("net", 1, scale=0.7)), wanted) > 10 * CLOSE


@pytest.mark.usefixtures("_likeliest")
def test_two_nets_add_up_as_in_the_pipeline() -> None:
    nets, spec = [tiny_net(5, **PLAIN), tiny_net(6, **PLAIN)], recipe()
    wanted = expected(nets, spec, controlnet_conditioning_scale=[0.7, 0.4])
    family = with_nets(one=nets[0], other=nets[1])
    found = draw(family, spec, hint("one", scale=0.7), hint("other", 1, scale=0.4))
    assert drive.relative(found, wanted) < CLOSE


# --- beside unlike rows ------------------------------------------------------------------------


def test_rows_with_unlike_nets_share_a_forward() -> None:
    """To the bit, on a CPU. The deeper one speaks to each block, the others to both."""
    family = with_nets(
        flat=tiny_net(5, **PLAIN),
        deep=tiny_net(6, **INSTANTX, num_layers=2),
        blind=tiny_net(8, **STABILITY),
    )
    rows: list[tuple[RenderSpec, tuple[Hint, ...]]] = [
        (recipe(steps=3, guidance=1.0), (hint("flat"),)),
        (recipe(steps=6, seed=8), (hint("flat", 1, scale=0.5, end=0.5), hint("deep", scale=0.6))),
        (recipe(steps=4, sampler="flow-heun"), (hint("deep", 1, start=0.3),)),
        (recipe(steps=5, seed=9), ()),
        (recipe(steps=4, seed=3, guidance=1.0), (hint("blind"),)),
    ]
    together = [begin(family, spec, *hints) for spec, hints in rows]
    drive.run(family, together)
    for course, (spec, hints) in zip(together, rows, strict=True):
        assert torch.equal(course.latents, draw(family, spec, *hints))


def test_a_picture_shows_the_same_each_time() -> None:
    spec, net = recipe(steps=3), tiny_net(5)
    found = [draw(with_nets(net=net), spec, hint("net")) for _ in range(2)]
    assert torch.equal(*found)


def test_a_silent_net_is_not_asked() -> None:
    family, late = with_nets(net=tiny_net(5)), hint("net", start=0.5)
    silent, waiting = (begin(family, recipe(), one) for one in (hint("net", scale=0.0), late))
    assert family.controls.lay([silent.wish(True)], 4) is None
    laid = family.controls.lay([silent.wish(True), waiting.wish(True)], 4)
    assert laid is not None
    assert [len(shares) for shares in laid.forwards] == [0, 0, 1, 1]


def test_a_picture_is_encoded_once_and_forgotten_with_its_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    family, spec = with_nets(net=tiny_net(5), other=tiny_net(6, **PLAIN)), recipe(steps=3)
    seen: list[Tensor] = []
    encode = family.vae.encode

    def counted(rows: Tensor) -> Any:
        seen.append(rows)
        return encode(rows)

    monkeypatch.setattr(family.vae, "encode", counted)
    first = hint("net", end=0.5)
    draw(family, spec, first, Hint("other", first.picture))
    draw(family, spec, first)
    assert len(seen) == 1
    assert len(family.controls.seen) == 1
    del first
    assert len(family.controls.seen) == 0


# --- what is there -----------------------------------------------------------------------------


def test_nets_come_and_go(tmp_path: Path) -> None:
    family, spec, net = with_nets(), recipe(steps=3), tiny_net(5)
    assert family.controls.names == frozenset()
    assert family.controls.bytes == 0
    net.save_pretrained(tmp_path)
    family.controls.load("net", tmp_path)
    assert family.controls.names == {"net"}
    assert family.controls.bytes == sum(4 * part.numel() for part in net.parameters())
    found = draw(family, spec, hint("net"))
    assert drive.relative(found, draw(with_nets(net=net), spec, hint("net"))) < CLOSE
    family.controls.remove("net")
    with pytest.raises(Fault) as caught:
        draw(family, spec, hint("net"))
    assert caught.value.code == "missing_control"


UNFIT: list[dict[str, Any]] = [
    {"in_channels": 4},
    {"patch_size": 4},
    {"attention_head_dim": 32, "caption_projection_dim": 64},
    {"pooled_projection_dim": 64},
    {"joint_attention_dim": 48},
    {"extra_conditioning_channels": 1},
]


@pytest.mark.parametrize("changes", UNFIT, ids=str)
def test_nets_of_other_models_are_a_fault(changes: dict[str, Any]) -> None:
    family = with_nets()
    with pytest.raises(Fault) as caught:
        family.controls.put("net", tiny_net(5, **changes))
    assert caught.value.code == "unfit_control"
    assert family.controls.names == frozenset()


def test_bf16_models_take_the_nets_with_them() -> None:
    half = sd3.from_pipeline(tiny_sd3.build(dtype=torch.bfloat16), text_length=tiny_sd3.TEXT_LENGTH)
    half.controls.put("net", tiny_net(5))
    spec = recipe(guidance=1.0, steps=3)
    found, plain = draw(half, spec, hint("net")), draw(half, spec)
    assert found.dtype == torch.bfloat16
    whole = draw(with_nets(net=tiny_net(5)), spec, hint("net"))
    assert drive.relative(found, whole) < 0.05 < drive.relative(plain, whole)
