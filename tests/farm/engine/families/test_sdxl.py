"""What SDXL tells its model, and what it refuses."""

from pathlib import Path
from typing import Any

import pytest
import torch

from farm.engine.families import Conditioning, Origin, Wish
from farm.engine.families import sdxl as family_file
from farm.engine.families.sdxl import StableDiffusionXL, from_pipeline, load
from farm.engine.samplers import generator_for
from shared.errors import Fault
from shared.spec import RenderKind, SizeHint, WeightedText
from tests.farm.engine.families import drive, tiny_sdxl
from tests.farm.engine.families.drive import recipe

BLUE, RED, SNOW = "a blue house", "a red sailboat", "snow"


@pytest.fixture(scope="module")
def family() -> StableDiffusionXL:
    return from_pipeline(tiny_sdxl.build())


def told(family: StableDiffusionXL, *parts: tuple[str, float], **changes: Any) -> Conditioning:
    return family.encode(recipe(texts=tuple(WeightedText(*part) for part in parts), **changes))


# --- texts ---------------------------------------------------------------------------------------


def test_parts_are_blended_by_their_share(family: StableDiffusionXL) -> None:
    blue, red = (told(family, (text, 1.0)).towards for text in (BLUE, RED))
    both = told(family, (BLUE, 3.0), (RED, 1.0)).towards
    for name in ("texts", "pooled"):
        torch.testing.assert_close(both[name], 0.75 * blue[name] + 0.25 * red[name])
        assert not torch.allclose(blue[name], red[name], atol=1e-2)


def test_one_part_is_itself_whatever_its_weight(family: StableDiffusionXL) -> None:
    for name in ("texts", "pooled"):
        once, twice = (told(family, (BLUE, weight)).towards[name] for weight in (1.0, 2.0))
        assert torch.equal(once, twice)


def test_unwanted_parts_join_the_negative_prompt(family: StableDiffusionXL) -> None:
    split = told(family, (BLUE, 1.0), (SNOW, -0.5), negative="night").against
    joined = told(family, (BLUE, 1.0), negative="night, snow").against
    assert split is not None
    assert joined is not None
    assert all(torch.equal(split[name], joined[name]) for name in ("texts", "pooled", "size"))


def test_an_empty_negative_prompt_is_nothing_where_the_checkpoint_says_so() -> None:
    silent = told(from_pipeline(tiny_sdxl.build()), (BLUE, 1.0)).against
    spoken = from_pipeline(tiny_sdxl.build(force_zeros_for_empty_prompt=False))
    empty = told(spoken, (BLUE, 1.0)).against
    assert silent is not None
    assert empty is not None
    for name in ("texts", "pooled"):
        assert not silent[name].any()
        assert torch.equal(empty[name], told(spoken, ("", 1.0)).towards[name])


def test_no_second_row_without_guidance(family: StableDiffusionXL) -> None:
    assert told(family, (BLUE, 1.0), guidance=1.0).against is None
    assert told(family, (BLUE, 1.0), guidance=1.1).rows == 2


def test_texts_are_encoded_once_and_the_oldest_is_forgotten(
    family: StableDiffusionXL, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    plain = family.pipeline.encode_prompt

    def counting(text: str, **options: Any) -> Any:
        asked.append(text)
        return plain(text, **options)

    monkeypatch.setattr(family.pipeline, "encode_prompt", counting)
    monkeypatch.setattr(family_file, "TEXTS_KEPT", 2)
    family.texts.clear()
    for text in (BLUE, RED, BLUE, SNOW, BLUE, RED):
        told(family, (text, 1.0), guidance=1.0)
    assert asked == [BLUE, RED, SNOW, RED]


# --- sizes ---------------------------------------------------------------------------------------


def test_sizes_are_height_first(family: StableDiffusionXL) -> None:
    hint = SizeHint((512, 1024), (64, 32))
    sizes = told(family, (BLUE, 1.0), width=96, height=32, size_hint=hint)
    assert sizes.towards["size"].tolist() == [[512, 1024, 64, 32, 32, 96]]
    assert sizes.against is not None
    assert sizes.against["size"].tolist() == sizes.towards["size"].tolist()
    plain = told(family, (BLUE, 1.0), width=96, height=32).towards["size"]
    assert plain.tolist() == [[32, 96, 0, 0, 32, 96]]


def test_a_refiner_is_told_how_fine_it_shall_be() -> None:
    refiner = from_pipeline(tiny_sdxl.build(refiner=True))
    hint = SizeHint((512, 1024), (64, 32))
    sizes = told(refiner, (BLUE, 1.0), size_hint=hint)
    assert sizes.towards["size"].tolist() == [[512, 1024, 64, 32, 6]]
    assert sizes.against is not None
    assert sizes.against["size"].tolist() == [[512, 1024, 0, 0, 2.5]]


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(60, 64), (64, 60), (0, 64), (64, 0), (-64, -64)])
def test_sizes_that_the_model_cannot_draw(family: StableDiffusionXL, size: tuple[int, int]) -> None:
    with pytest.raises(Fault) as caught:
        family.latent_shape(recipe(width=size[0], height=size[1]))
    assert caught.value.code == "bad_spec"


@pytest.mark.parametrize(
    "changes",
    [{"texts": (WeightedText("snow", -1.0),)}, {"clip_skip": 4}, {"clip_skip": -1}],
    ids=str,
)
def test_texts_that_cannot_be_encoded(family: StableDiffusionXL, changes: Any) -> None:
    with pytest.raises(Fault) as caught:
        family.encode(recipe(**changes))
    assert caught.value.code == "bad_spec"


@pytest.mark.parametrize("picture", [None, drive.picture(1)], ids=["nothing", "picture"])
def test_an_inpainting_model_needs_a_mask(picture: Any) -> None:
    nine = from_pipeline(tiny_sdxl.build(channels=9))
    spec = recipe()
    with pytest.raises(Fault) as caught:
        nine.start(spec, nine.sampler(spec), generator_for(1), Origin(picture))
    assert caught.value.code == "bad_spec"


def test_a_model_that_asks_for_other_channels() -> None:
    with pytest.raises(Fault) as caught:
        from_pipeline(tiny_sdxl.build(channels=8))
    assert caught.value.code == "weights_unfit"


# --- the rest ------------------------------------------------------------------------------------


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_estimate_finds_the_clean_latents(prediction: str) -> None:
    family = from_pipeline(tiny_sdxl.build(scheduler={"prediction_type": prediction}))
    clean, noise = torch.randn(2, 2, 4, 8, 8, generator=generator_for(1))
    kept = family.cumulated[[900, 30]].view(-1, 1, 1, 1)
    seen = kept.sqrt() * clean + (1 - kept).sqrt() * noise
    said = {
        "epsilon": noise,
        "v_prediction": kept.sqrt() * noise - (1 - kept).sqrt() * clean,
        "sample": clean,
    }
    found = family.estimate(seen, said[prediction], [900.0, 30.0])
    torch.testing.assert_close(found, clean, atol=1e-4, rtol=1e-4)


def test_decoding_in_tiles_is_a_switch(family: StableDiffusionXL) -> None:
    vae: Any = family.modules["vae"]
    latents = torch.randn(1, 4, 16, 24, generator=generator_for(3))
    whole = family.decode(latents)
    vae.tile_latent_min_size, vae.tile_sample_min_size = 8, 32
    vae.enable_tiling()
    tiled = family.decode(latents)
    vae.disable_tiling()
    assert not torch.equal(tiled, whole)
    assert tiled.shape == whole.shape
    assert torch.equal(family.decode(latents), whole)


def test_a_row_has_the_same_bits_whatever_runs_beside_it(family: StableDiffusionXL) -> None:
    told_all = [told(family, (text, 1.0)) for text in (BLUE, RED, SNOW)]
    wishes = [Wish(one.towards, one, True, None, 0, 4) for one in told_all]
    latents = torch.randn(3, 4, 16, 16, generator=generator_for(4))
    moments = torch.tensor([900.0, 500.0, 20.0])
    with torch.inference_mode():
        together = family.denoise(latents, moments, family.lay(wishes, 1), 0)
        for row in (slice(i, i + 1) for i in range(3)):
            alone = family.denoise(latents[row], moments[row], family.lay(wishes[row], 1), 0)
            assert torch.equal(together[row], alone)


def test_what_takes_memory() -> None:
    whole = from_pipeline(tiny_sdxl.build()).modules
    assert set(whole) == {"unet", "vae", "text_encoder", "text_encoder_2"}
    refiner = from_pipeline(tiny_sdxl.build(refiner=True, dtype=torch.bfloat16)).modules
    assert set(refiner) == {"unet", "vae", "vae_encoder", "text_encoder_2"}


def test_twice_the_precision_gives_the_same_picture(family: StableDiffusionXL) -> None:
    double = from_pipeline(tiny_sdxl.build(dtype=torch.float64))
    spec = recipe(kind=RenderKind.IMAGE, strength=0.6)
    single, found = (
        drive.draw(one, spec, Origin(drive.picture(1))).latents for one in (family, double)
    )
    assert found.dtype == torch.float64
    assert drive.relative(found, single) < 1e-2


@pytest.mark.parametrize("options", [{}, {"channels": 9}, {"distilled": True}, {"refiner": True}])
def test_the_first_forward_can_be_had_before(options: dict[str, Any]) -> None:
    from_pipeline(tiny_sdxl.build(**options)).warm()


@pytest.mark.parametrize("refiner", [False, True])
def test_a_folder_gives_the_same_family(refiner: bool, tmp_path: Path) -> None:
    pipeline = tiny_sdxl.build(refiner=refiner)
    pipeline.save_pretrained(tmp_path)
    loaded = load(tmp_path, device="cpu", dtype=torch.float32)
    spec = recipe()
    found = drive.draw(loaded, spec).latents
    assert torch.equal(found, drive.draw(from_pipeline(pipeline), spec).latents)


def test_a_folder_with_another_autoencoder(tmp_path: Path) -> None:
    tiny_sdxl.build().save_pretrained(tmp_path)
    other = tiny_sdxl.build(channels=9).vae
    loaded = load(tmp_path, device="cpu", dtype=torch.float32, vae=other)
    assert loaded.modules["vae"] is other
