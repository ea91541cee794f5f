from typing import Any

import pytest
import torch

from farm.engine.autoencoder import Autoencoder
from farm.engine.samplers import generator_for
from tests.farm.engine.families import tiny_sdxl

SPREAD: dict[str, Any] = {
    "latents_mean": [0.4, -0.2, 0.1, 0.3],
    "latents_std": [2.0, 3.0, 1.0, 1.5],
}


def build(dtype: torch.dtype = torch.float32, **changes: Any) -> Autoencoder:
    return Autoencoder(tiny_sdxl.build(vae=changes, dtype=dtype).vae, dtype)


def test_pixels_that_are_no_numbers() -> None:
    with pytest.raises(ArithmeticError):
        build().decode(torch.full((1, 4, 8, 8), torch.nan))


def test_a_picture_has_the_same_bits_whatever_is_decoded_beside_it() -> None:
    autoencoder = build()
    latents = torch.randn(16, 4, 4, 4, generator=generator_for(2))
    together = autoencoder.pixels(latents)
    for row in (slice(i, i + 1) for i in range(16)):
        assert torch.equal(together[row], autoencoder.pixels(latents[row]))


def test_latents_with_a_mean_and_a_deviation() -> None:
    plain, spread = build(), build(**SPREAD)
    mean, deviation = (torch.tensor(one).view(1, 4, 1, 1) for one in SPREAD.values())
    pixels = torch.rand(1, 3, 64, 64, generator=generator_for(1)) * 2 - 1
    centred, raw = (one.encode(pixels, generator_for(3)) for one in (spread, plain))
    scale = plain.vae.config.scaling_factor
    torch.testing.assert_close(centred, (raw / scale - mean) / deviation * scale)
    torch.testing.assert_close(spread.pixels(centred), plain.pixels(raw), atol=1e-4, rtol=1e-4)


def test_its_noise_leaves_the_generator_where_encoding_does() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        autoencoder, encoded, drawn = build(dtype), generator_for(1), generator_for(1)
        autoencoder.encode(torch.zeros(1, 3, 12, 20), encoded)
        autoencoder.noise((1, 4, 3, 5), drawn)
        assert torch.equal(encoded.get_state(), drawn.get_state())


def test_twice_the_precision_gives_the_same_latents() -> None:
    pixels = torch.rand(1, 3, 64, 64, generator=generator_for(1)) * 2 - 1
    single, double = (build(one) for one in (torch.float32, torch.float64))
    found = double.encode(pixels.double(), generator_for(3))
    torch.testing.assert_close(found.float(), single.encode(pixels, generator_for(3)))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_encoding_leaves_the_decoder_alone(dtype: torch.dtype) -> None:
    """Both run at once, in two threads; diffusers' pipelines change the precision of both."""
    autoencoder = build(dtype)
    before = [one.data_ptr() for one in autoencoder.vae.decoder.parameters()]
    latents = autoencoder.encode(torch.zeros(1, 3, 64, 64), generator_for(1))
    assert [one.data_ptr() for one in autoencoder.vae.decoder.parameters()] == before
    assert latents.dtype == dtype
    assert autoencoder.encoder.dtype == torch.float32


@pytest.mark.parametrize(
    ("dtype", "upcast"),
    [(torch.float16, False), (torch.bfloat16, False), (torch.float32, True)],
    ids=str,
)
def test_one_copy_where_one_precision_serves_both(dtype: torch.dtype, upcast: bool) -> None:
    autoencoder = build(dtype, force_upcast=upcast)
    assert autoencoder.encoder is autoencoder.vae
    assert autoencoder.vae.dtype == dtype
