"""What SDXL wears and looks at, for one row of a batch and not for its neighbours."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionXLControlNetPipeline, StableDiffusionXLPipeline
from torch import Tensor

from farm.engine.adapters.lora import Patch
from farm.engine.families import Hint, Origin
from shared.spec import LoraUse, RenderSpec, WeightedText
from tests.farm.engine.adapters.test_references import tiny_adapter, tiny_encoder
from tests.farm.engine.families import drive, tiny_sdxl
from tests.farm.engine.families.drive import Course, recipe
from tests.farm.engine.families.pair_sdxl import Pair

CLOSE = 1e-4
SIZE = {"width": 64, "height": 64, "output_type": "latent"}
PICTURE = drive.picture(3)


def among_others(pair: Pair, course: Course) -> Tensor:
    """Its latents, drawn between two that wear and look at nothing and must not notice."""
    before, after = recipe(seed=20, steps=6), recipe(seed=21, guidance=1.0)
    others = [drive.begin(pair.ours, spec) for spec in (before, after)]
    drive.run(pair.ours, [others[0], course, others[1]])
    for spec, one in zip((before, after), others, strict=True):
        assert drive.relative(one.latents, drive.draw(pair.ours, spec).latents) < CLOSE
    return course.latents


def check_it_shows(pair: Pair, spec: RenderSpec, found: Tensor) -> None:
    plain = drive.draw(pair.ours, replace(spec, loras=())).latents
    assert drive.relative(found, plain) > 100 * CLOSE


@pytest.mark.parametrize("inputs", [{}, {"guidance": 1.0}], ids=["guided", "plain"])
def test_control_as_diffusers(inputs: dict[str, Any]) -> None:
    pair, spec = Pair(), recipe(sampler="euler-a", seed=3, **inputs)
    net = tiny_sdxl.control(pair.parts.unet, 5)
    pipeline = pair.pipeline(spec, StableDiffusionXLControlNetPipeline, controlnet=net)
    acts = {"control_guidance_start": 0.25, "control_guidance_end": 0.8}
    asked = {key: one for key, one in pair.asked(spec).items() if key != "guidance_rescale"}
    wanted = pipeline(
        **asked, **acts, **SIZE, image=PICTURE, controlnet_conditioning_scale=0.7
    ).images
    pair.ours.controls.put("net", deepcopy(net))
    pixels = pipeline.control_image_processor.preprocess(PICTURE)
    course = drive.begin(pair.ours, spec)
    hint = Hint("net", pixels, scale=0.7, start=0.25, end=0.8)
    course.conditioning = replace(course.conditioning, hints=(hint,))
    found = among_others(pair, course)
    assert drive.relative(found, wanted) < CLOSE
    check_it_shows(pair, spec, found)


def test_reference_as_diffusers() -> None:
    pair, spec = Pair(), recipe(seed=4)
    weights = tiny_adapter(pair.parts.unet, width=tiny_sdxl.FIRST + tiny_sdxl.SECOND)
    encoder = tiny_encoder()
    pipeline = pair.pipeline(spec, StableDiffusionXLPipeline, image_encoder=encoder)
    pipeline.load_ip_adapter(weights, subfolder="", weight_name="", image_encoder_folder=None)
    pipeline.set_ip_adapter_scale(0.6)
    wanted = pipeline(**pair.asked(spec), **SIZE, ip_adapter_image=PICTURE).images
    pair.ours.references.put("look", weights, deepcopy(encoder))
    course = drive.begin(pair.ours, spec)
    looks = pair.ours.references.encode([("look", PICTURE, 0.6)])
    course.conditioning = replace(course.conditioning, references=looks)
    found = among_others(pair, course)
    assert drive.relative(found, wanted) < CLOSE
    check_it_shows(pair, spec, found)


WORN = {
    "unet": "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q",
    "text_encoder": "encoder.layers.1.self_attn.q_proj",
    "text_encoder_2": "encoder.layers.0.mlp.fc1",
}


@pytest.mark.parametrize("part", WORN)
def test_lora_as_if_merged(part: str) -> None:
    pair = Pair()
    spec = recipe(seed=5, loras=(LoraUse("style", 0.8),))
    patch = _patch(_layer(getattr(pair.parts, part), WORN[part]))
    for name, bank in pair.ours.loras.items():
        bank.put("style", {WORN[part]: patch} if name == part else {})
    course = drive.begin(pair.ours, spec)
    course.conditioning = replace(course.conditioning, loras=(("style", 0.8),))
    found = among_others(pair, course)
    _merge(_layer(getattr(pair.parts, part), WORN[part]), patch, 0.8)
    wanted = pair.theirs(spec, Origin(), output_type="latent")
    assert drive.relative(found, wanted) < CLOSE
    check_it_shows(pair, spec, found)


def _layer(model: Any, path: str) -> Any:
    layers: Mapping[str, Any] = dict(model.named_modules())
    return layers.get(path) or layers[f"text_model.{path}"]


def _patch(layer: Any) -> Patch:
    generator = torch.Generator().manual_seed(6)
    down = torch.randn(3, layer.in_features, generator=generator)
    return Patch(down, torch.randn(layer.out_features, 3, generator=generator), 0.5)


def _merge(layer: Any, patch: Patch, weight: float) -> None:
    with torch.no_grad():
        layer.weight += weight * patch.scale * patch.up @ patch.down


def test_an_embedding_is_a_word_of_its_own() -> None:
    family = Pair().ours
    generator = torch.Generator().manual_seed(7)
    widths = (tiny_sdxl.FIRST, tiny_sdxl.SECOND)
    spec = recipe(texts=(WeightedText("a house, <mood>"),), embeddings=("mood",))
    before = family.encode(spec).towards
    family.embeddings.put(
        "mood", tuple(torch.randn(2, width, generator=generator) for width in widths)
    )
    family.texts.clear()
    after = family.encode(spec).towards
    for name in ("texts", "pooled"):
        assert drive.relative(after[name], before[name]) > 100 * CLOSE
    unasked = family.encode(replace(spec, embeddings=())).towards
    assert drive.relative(unasked["texts"], after["texts"]) > 100 * CLOSE
