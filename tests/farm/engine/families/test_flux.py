"""What Flux is told, what it refuses, and unlike rows of one forward."""

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from farm.engine.adapters.lora import Patch
from farm.engine.families import flux
from farm.engine.samplers import generator_for
from shared.errors import Fault
from shared.spec import LoraUse, RenderKind, RenderSpec, WeightedText
from tests.farm.engine.families import drive, tiny_flux
from tests.farm.engine.families.pair_flux import (
    CLOSE,
    KINDS,
    TALL,
    WIDE,
    family_of,
    fresh,
    origin_of,
    recipe,
)

# --- rows of one forward -----------------------------------------------------------------------


def unlike(**changes: Any) -> list[RenderSpec]:
    texts = ["a red sailboat", "two owls at night", "snow", "a lighthouse, 1900"]
    return [
        recipe(texts=(WeightedText(texts[0]),), steps=3, guidance=1.0, **changes),
        recipe(texts=(WeightedText(texts[1]),), steps=6, guidance=3.5, seed=8, **changes),
        recipe(texts=(WeightedText(texts[2]),), steps=4, sampler="flow-lcm", **changes),
        recipe(texts=(WeightedText(texts[3]),), steps=5, sampler="flow-unipc", **changes),
        recipe(kind=RenderKind.INPAINT, strength=0.7, steps=5, guidance=7.0, **changes),
    ]


@pytest.mark.parametrize("kind", ["dev", "schnell", "true"])
def test_unlike_rows_in_one_forward_are_each_as_alone(kind: str) -> None:
    """To the bit, on a CPU: latents and pixels."""
    family, specs = family_of(kind), unlike(negative="fog")
    together = drive.draw_together(family, specs, [origin_of(spec) for spec in specs])
    pixels = family.decode(torch.cat([course.latents for course in together]))
    for nth, (course, spec) in enumerate(zip(together, specs, strict=True)):
        alone = drive.draw(family, spec, origin_of(spec))
        assert torch.equal(course.latents, alone.latents)
        assert torch.equal(pixels[nth : nth + 1], drive.pixels(family, alone))


def test_pictures_of_equal_tokens_and_unlike_sides_never_share_a_forward() -> None:
    family = family_of("dev")
    wide, tall = (drive.draw(family, recipe(size)) for size in (WIDE, TALL))
    assert wide.latents[0, :, :, 0].numel() == tall.latents[0, :, :, 0].numel()
    assert wide.latents.shape != tall.latents.shape
    assert drive.pixels(family, wide).shape == (1, 32, 64, 3)
    assert drive.pixels(family, tall).shape == (1, 64, 32, 3)


# --- what the model is told --------------------------------------------------------------------


def encoded(kind: str, **changes: Any) -> Any:
    return family_of(kind).encode(recipe(**changes))


def test_weighted_parts_are_blended_in_every_tensor() -> None:
    parts = (WeightedText("red", 3.0), WeightedText("blue", 1.0), WeightedText("fog", -1.0))
    both = encoded("true", texts=parts, negative="rain")
    red, blue = (encoded("true", texts=(part,)).towards for part in parts[:2])
    for name in ("texts", "pooled"):
        assert drive.relative(both.towards[name], 0.75 * red[name] + 0.25 * blue[name]) < 1e-6
    unwanted = encoded("true", texts=(WeightedText("rain, fog"),)).towards
    assert both.against is not None
    assert all(torch.equal(both.against[name], unwanted[name]) for name in unwanted)


def test_a_distilled_model_ignores_the_negative_prompt_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO):
        plain = encoded("dev")
        assert not caplog.records
        negative = encoded("dev", negative="fog")
    assert "negative prompt is ignored" in caplog.text
    assert plain.against is None
    assert negative.against is None
    assert all(torch.equal(plain.towards[name], negative.towards[name]) for name in plain.towards)


def test_only_dev_embeds_guidance_and_only_true_guidance_takes_a_second_row() -> None:
    assert encoded("dev").towards["guidance"].tolist() == [3.5]
    assert set(encoded("schnell").towards) == {"texts", "pooled"}
    assert [encoded(kind).rows for kind in ("dev", "schnell", "true")] == [1, 1, 2]
    assert encoded("true", guidance=1.0).rows == 1


def test_a_text_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    family = fresh("true")
    asked: list[str] = []
    plain = family.pipeline.encode_prompt

    def counted(text: str, **rest: Any) -> Any:
        asked.append(text)
        return plain(text, **rest)

    monkeypatch.setattr(family.pipeline, "encode_prompt", counted)
    for _ in range(2):
        assert (
            family.encode(recipe(negative="fog")).towards["texts"].shape[1] == tiny_flux.TEXT_LENGTH
        )
    assert asked == [drive.WORDS, "fog"]
    for number in range(flux.TEXTS_KEPT):
        family.encode(recipe(guidance=1.0))
        family.encode(recipe(texts=(WeightedText(f"{number}"),), guidance=1.0))
    assert len(family.texts) == flux.TEXTS_KEPT
    assert (asked.count(drive.WORDS), ("fog", ()) in family.texts) == (1, False)


def test_rescale_is_handed_on() -> None:
    assert encoded("true", rescale=0.7).rescale == 0.7


def patch(layer: torch.nn.Module, strength: float) -> Patch:
    weight, draw = layer.weight, generator_for(9)
    assert isinstance(weight, Tensor)
    down = torch.randn(2, weight.shape[1], generator=draw)
    return Patch(down, torch.randn(weight.shape[0], 2, generator=draw), strength)


@pytest.mark.parametrize("place", ["transformer", "text_encoder"])
def test_an_adapter_changes_its_own_rows_as_if_merged(place: str) -> None:
    family, merged = fresh("true"), fresh("true")
    module = family.modules[place]
    path = next(name for name, _ in module.named_modules() if name.endswith(("to_q", "q_proj")))
    added = patch(module.get_submodule(path), 0.3)
    for name, bank in family.loras.items():
        bank.put("ink", {path: added} if name == place else {})
    plain, dressed = recipe(), recipe(loras=(LoraUse("ink", 0.5),))
    with torch.inference_mode():
        weight: Any = merged.modules[place].get_submodule(path).weight
        weight += 0.5 * 0.3 * added.up @ added.down
    together = [one.latents for one in drive.draw_together(family, [plain, dressed])]
    assert drive.relative(together[0], drive.draw(family_of("true"), plain).latents) < CLOSE
    assert drive.relative(together[1], drive.draw(merged, plain).latents) < CLOSE
    assert drive.relative(together[1], together[0]) > 10 * CLOSE


def test_text_encoders_may_be_of_another_precision_and_never_drop_out() -> None:
    pipeline = tiny_flux.build(**KINDS["dev"])
    encoders = (pipeline.text_encoder, pipeline.text_encoder_2)
    for encoder in encoders:
        encoder.to(torch.bfloat16).train()
    told = flux.from_pipeline(pipeline, text_length=9).encode(recipe()).towards
    assert {name: rows.dtype for name, rows in told.items()} == dict.fromkeys(told, torch.float32)
    assert not any(encoder.training for encoder in encoders)


def test_text_lengths_are_dev_and_schnells_own() -> None:
    lengths = {
        kind: flux.from_pipeline(
            tiny_flux.build(**KINDS[kind]), true_cfg=kind == "true"
        ).text_length
        for kind in ("dev", "schnell", "true")
    }
    assert lengths == {"dev": 512, "schnell": 256, "true": 512}


# --- what it cannot do -------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(62, 32), (64, 30), (0, 32), (64, 0), (-64, 32)])
def test_sizes_that_do_not_pack_are_a_fault(size: tuple[int, int]) -> None:
    with pytest.raises(Fault) as caught:
        family_of("dev").latent_shape(recipe(size))
    assert caught.value.code == "bad_spec"


def test_a_prompt_of_negative_parts_alone_is_a_fault() -> None:
    with pytest.raises(Fault, match="above 0"):
        encoded("dev", texts=(WeightedText("fog", -1.0),))


def test_it_refines_nothing() -> None:
    with pytest.raises(Fault) as caught:
        family_of("dev").sampler(recipe(), refining=True)
    assert caught.value.code == "bad_spec"


def test_a_sampler_for_other_models_is_a_fault() -> None:
    with pytest.raises(Fault) as caught:
        family_of("dev").sampler(recipe(sampler="euler"))
    assert caught.value.code == "bad_spec"


def test_models_of_another_shape_are_refused() -> None:
    with pytest.raises(Fault) as twice:
        flux.from_pipeline(tiny_flux.build(guidance_embeds=True), true_cfg=True)
    pipeline = tiny_flux.build(guidance_embeds=True)
    pipeline.register_modules(vae=tiny_flux.build(guidance_embeds=True, channels=16).vae)
    with pytest.raises(Fault) as channels:
        flux.from_pipeline(pipeline)
    assert (twice.value.code, channels.value.code) == ("weights_unfit", "weights_unfit")


# --- pictures ----------------------------------------------------------------------------------


def test_estimate_steps_straight_back_to_the_clean_latents() -> None:
    family, spec = family_of("dev"), recipe(steps=6)
    sampler = family.sampler(spec)
    clean, noise = torch.randn(2, 2, *family.latent_shape(spec)[1:], generator=generator_for(5))
    for index, moments in enumerate(zip(*[sampler.timesteps] * 2, strict=True)):
        seen = sampler.noised(clean, noise, index)
        assert drive.relative(family.estimate(seen, noise - clean, moments), clean) < 1e-5


def test_pixels_that_are_no_numbers_are_an_error() -> None:
    family = family_of("dev")
    with pytest.raises(ArithmeticError):
        family.decode(torch.full(family.latent_shape(recipe()), torch.nan))


def test_tiles_are_decoded_when_asked() -> None:
    family, course = family_of("dev"), drive.draw(family_of("dev"), recipe((96, 64)))
    whole = drive.pixels(family, course)
    family.tile(True)
    tiled = drive.pixels(family, course)
    family.tile(False)
    assert not torch.equal(tiled, whole)
    assert torch.equal(drive.pixels(family, course), whole)
    assert tiled.shape == whole.shape


def test_a_loaded_folder_draws_the_same(tmp_path: Path) -> None:
    tiny_flux.build(**KINDS["dev"]).save_pretrained(tmp_path)
    length = tiny_flux.TEXT_LENGTH
    loaded = flux.load(tmp_path, device="cpu", dtype=torch.float32, text_length=length)
    loaded.warm()
    spec = recipe()
    assert torch.equal(drive.draw(loaded, spec).latents, drive.draw(family_of("dev"), spec).latents)
    assert set(loaded.modules) == {"transformer", "vae", "text_encoder", "text_encoder_2"}
    assert not any(module.training for module in loaded.modules.values())
