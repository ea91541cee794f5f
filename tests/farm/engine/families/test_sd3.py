"""What Stable Diffusion 3 is told, wears, refuses and decodes; its pictures are checked next door."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from farm.engine.adapters.lora import Patch
from farm.engine.families import sd3
from farm.engine.samplers import generator_for
from shared.errors import Fault, Refusal
from shared.spec import LoraUse, RenderKind, WeightedText
from tests.farm.engine.families import drive, tiny_sd3
from tests.farm.engine.families.pair_sd3 import (
    CLOSE,
    KINDS,
    drawn,
    family_of,
    fresh,
    origin_of,
    recipe,
    redrawn,
)

# --- what the model is told --------------------------------------------------------------------


def encoded(kind: str, **changes: Any) -> Any:
    return family_of(kind).encode(recipe(**changes))


def test_weighted_parts_are_blended_in_every_tensor() -> None:
    parts = (WeightedText("red", 3.0), WeightedText("blue", 1.0), WeightedText("fog", -1.0))
    both = encoded("with T5", texts=parts, negative="rain")
    red, blue = (encoded("with T5", texts=(part,)).towards for part in parts[:2])
    assert set(both.towards) == {"texts", "pooled"}
    for name in both.towards:
        assert drive.relative(red[name], blue[name]) > 0.1
        assert drive.relative(both.towards[name], 0.75 * red[name] + 0.25 * blue[name]) < 1e-6
    unwanted = encoded("with T5", texts=(WeightedText("rain, fog"),)).towards
    assert both.against is not None
    assert all(torch.equal(both.against[name], unwanted[name]) for name in unwanted)


def test_where_t5_is_missing_the_model_sees_zeros() -> None:
    heard, unheard = (encoded(kind).towards["texts"] for kind in ("with T5", "without T5"))
    assert heard.shape == unheard.shape
    clip = heard.shape[1] - tiny_sd3.TEXT_LENGTH
    assert torch.equal(heard[:, :clip], unheard[:, :clip])
    assert heard[:, clip:].abs().max() > 0
    assert unheard[:, clip:].abs().max() == 0
    assert drive.relative(drawn("with T5", recipe()), drawn("without T5", recipe())) > 100 * CLOSE


def test_there_is_a_second_row_only_with_guidance() -> None:
    assert [encoded("with T5", guidance=scale).rows for scale in (0.0, 1.0, 1.5)] == [1, 1, 2]


def test_a_text_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    family, asked = fresh("with T5"), []
    plain = family.pipeline.encode_prompt

    def counted(text: str, *others: Any, **rest: Any) -> Any:
        asked.append((text, rest["clip_skip"]))
        return plain(text, *others, **rest)

    monkeypatch.setattr(family.pipeline, "encode_prompt", counted)
    for skipped in (0, 0, 1):
        family.encode(recipe(clip_skip=skipped))
    assert asked == [(drive.WORDS, 0), ("fog", 0), (drive.WORDS, 1)]
    for number in range(sd3.TEXTS_KEPT):
        family.encode(recipe(guidance=1.0))
        family.encode(recipe(texts=(WeightedText(f"{number}"),), guidance=1.0))
    assert len(family.texts) == sd3.TEXTS_KEPT
    assert (asked.count((drive.WORDS, 0)), ("fog", 0, ()) in family.texts) == (1, False)


def test_text_encoders_may_be_of_another_precision_and_never_drop_out() -> None:
    pipeline = tiny_sd3.build()
    encoders = (pipeline.text_encoder, pipeline.text_encoder_2, pipeline.text_encoder_3)
    for encoder in encoders:
        encoder.to(torch.bfloat16).train()
    told = sd3.from_pipeline(pipeline, text_length=9).encode(recipe()).towards
    assert {name: rows.dtype for name, rows in told.items()} == dict.fromkeys(told, torch.float32)
    assert not any(encoder.training for encoder in encoders)


def test_rescale_is_handed_on() -> None:
    assert encoded("with T5", rescale=0.7).rescale == 0.7


def test_a_model_of_fewer_places_warms_up_within_them() -> None:
    family = fresh("with T5")
    family.transformer.register_to_config(sample_size=4 * tiny_sd3.LARGEST)
    family.warm()


# --- adapters ----------------------------------------------------------------------------------


def patch(layer: torch.nn.Module, strength: float) -> Patch:
    weight, draw = layer.weight, generator_for(9)
    assert isinstance(weight, Tensor)
    down = torch.randn(2, weight.shape[1], generator=draw)
    return Patch(down, torch.randn(weight.shape[0], 2, generator=draw), strength)


@pytest.mark.parametrize("place", ["transformer", "text_encoder", "text_encoder_2"])
def test_an_adapter_changes_its_own_rows_as_if_merged(place: str) -> None:
    family, merged = fresh("with T5"), fresh("with T5")
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
    assert drive.relative(together[0], drawn("with T5", plain)) < CLOSE
    assert drive.relative(together[1], drive.draw(merged, plain).latents) < CLOSE
    assert drive.relative(together[1], together[0]) > 10 * CLOSE


# --- what it cannot do -------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(62, 32), (64, 30), (0, 32), (64, 0), (-64, 32)])
def test_sizes_that_are_no_whole_tokens_are_a_fault(size: tuple[int, int]) -> None:
    with pytest.raises(Fault, match="multiples of 4") as caught:
        family_of("with T5").latent_shape(recipe(size))
    assert caught.value.code == "bad_spec"


@pytest.mark.parametrize("size", [(68, 32), (32, 68)])
def test_sizes_beyond_the_models_places_are_a_fault(size: tuple[int, int]) -> None:
    assert family_of("with T5").latent_shape(recipe((64, 64))) == (1, 16, 32, 32)
    with pytest.raises(Fault, match="beyond 64 pixels") as caught:
        family_of("with T5").latent_shape(recipe(size))
    assert caught.value.code == "bad_spec"


@pytest.mark.parametrize("skipped", [-1, tiny_sd3.CLIP_LAYERS])
def test_skipping_more_layers_than_there_are_is_a_fault(skipped: int) -> None:
    with pytest.raises(Fault, match="clip_skip") as caught:
        encoded("with T5", clip_skip=skipped)
    assert caught.value.code == "bad_spec"


def test_a_prompt_of_negative_parts_alone_is_a_fault() -> None:
    with pytest.raises(Fault, match="above 0"):
        encoded("with T5", texts=(WeightedText("fog", -1.0),))


def test_it_refines_nothing() -> None:
    with pytest.raises(Fault) as caught:
        family_of("with T5").sampler(recipe(), refining=True)
    assert caught.value.code == "bad_spec"


@pytest.mark.parametrize(("name", "code"), [("ddim", "bad_spec"), ("nonsense", "unknown_sampler")])
def test_samplers_of_other_models_are_a_fault(name: str, code: str) -> None:
    with pytest.raises(Fault) as caught:
        family_of("with T5").sampler(recipe(sampler=name))
    assert caught.value.code == code


def test_a_strength_that_leaves_nothing_to_draw_is_refused() -> None:
    with pytest.raises(Refusal) as caught:
        family_of("with T5").sampler(recipe(kind=RenderKind.IMAGE, strength=0.0))
    assert caught.value.code == "nothing_to_draw"


@pytest.mark.parametrize("way", [RenderKind.TEXT, RenderKind.IMAGE])
def test_an_inpainting_model_wants_a_mask(way: RenderKind) -> None:
    family, spec = family_of("inpainting"), recipe(**redrawn(way))
    with pytest.raises(Fault) as caught:
        drive.begin(family, spec, origin_of(spec))
    assert caught.value.code == "bad_spec"


def test_models_with_other_channels_are_refused() -> None:
    with pytest.raises(Fault) as caught:
        sd3.from_pipeline(tiny_sd3.build(seen=20))
    assert caught.value.code == "weights_unfit"


# --- pictures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["flow-euler", "flow-heun", "flow-lcm"])
@pytest.mark.parametrize("kind", ["with T5", "shifting"])
def test_estimate_steps_straight_back_to_the_clean_latents(kind: str, sampler: str) -> None:
    family, spec = family_of(kind), recipe(steps=6, sampler=sampler)
    course = family.sampler(spec)
    clean, noise = torch.randn(2, 2, *family.latent_shape(spec)[1:], generator=generator_for(5))
    for index, moment in enumerate(course.timesteps):
        seen = course.noised(clean, noise, index)
        assert drive.relative(family.estimate(seen, noise - clean, [moment] * 2), clean) < 1e-5


def test_each_row_is_estimated_at_its_own_moment() -> None:
    family = family_of("with T5")
    rows, velocity = torch.zeros(2, 16, 2, 2), torch.ones(2, 16, 2, 2)
    found = family.estimate(rows, velocity, [1000.0, 250.0])
    assert found[:, 0, 0, 0].tolist() == [-1.0, -0.25]


def test_pixels_that_are_no_numbers_are_an_error() -> None:
    family = family_of("with T5")
    with pytest.raises(ArithmeticError):
        family.decode(torch.full(family.latent_shape(recipe()), torch.nan))


def test_the_autoencoder_works_in_tiles_when_asked() -> None:
    family, course = family_of("with T5"), drive.draw(family_of("with T5"), recipe((64, 48)))
    vae: Any = family.modules["vae"]
    whole = drive.pixels(family, course)
    vae.enable_tiling()
    tiled = drive.pixels(family, course)
    vae.disable_tiling()
    assert tiled.shape == whole.shape
    assert not torch.equal(tiled, whole)
    assert torch.equal(drive.pixels(family, course), whole)


@pytest.mark.parametrize("kind", ["with T5", "without T5", "inpainting"])
def test_a_loaded_folder_draws_the_same(kind: str, tmp_path: Path) -> None:
    tiny_sd3.build(**KINDS[kind]).save_pretrained(tmp_path)
    without = {} if kind != "without T5" else {"text_encoder_3": None, "tokenizer_3": None}
    length = tiny_sd3.TEXT_LENGTH
    place: dict[str, Any] = {"device": "cpu", "dtype": torch.float32, **without}
    loaded = sd3.load(tmp_path, text_length=length, **place)
    loaded.warm()
    spec = recipe(kind=RenderKind.INPAINT, strength=0.7)
    found = drive.draw(loaded, spec, origin_of(spec)).latents
    # Weights mapped from a file lie elsewhere in memory, and kernels mind that in the last bit.
    assert drive.relative(found, drawn(kind, spec)) < CLOSE
    assert set(loaded.modules) == set(family_of(kind).modules)
    assert not any(module.training for module in loaded.modules.values())


def test_a_whole_checkpoint_can_be_loaded_without_t5(tmp_path: Path) -> None:
    tiny_sd3.build().save_pretrained(tmp_path)
    place: dict[str, Any] = {"device": "cpu", "dtype": torch.float32}
    place |= {"text_encoder_3": None, "tokenizer_3": None}
    loaded = sd3.load(tmp_path, text_length=tiny_sd3.TEXT_LENGTH, **place)
    assert "text_encoder_3" not in loaded.modules
    found = drive.draw(loaded, recipe()).latents
    assert drive.relative(found, drawn("without T5", recipe())) < CLOSE
