import random
from collections.abc import Callable
from io import BytesIO
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from farm.postcards import world
from farm.safety.marking import codeword
from farm.safety.watermark import code_of, embed, read

KEY, OTHER = b"a farm's key", b"another farm's key"
CODE = code_of(UUID("6fd2a7c3-9b1e-4a55-8f0e-2d9c1b7a4e60"))

Pixels = NDArray[np.uint8]


def scene(seed: int, side: int = 512) -> Pixels:
    small = world.render(world.sample(random.Random(seed)), seed=seed)
    return np.asarray(Image.fromarray(small).resize((side, side), Image.Resampling.NEAREST))


def texture(seed: int, side: int = 512) -> Pixels:
    """Noise whose amplitude falls as 1/f, as in photographs."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    frequency[0, 0] = np.inf
    planes = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((3, side, side))) / frequency**1.2)
    levels = 128 + 40 * planes / planes.std()
    return np.moveaxis(levels, 0, -1).clip(0, 255).astype(np.uint8)


def psnr(one: Pixels, other: Pixels) -> float:
    return float(10 * np.log10(255**2 / np.square(one.astype(float) - other).mean()))


def encoded(rgb: Pixels, kind: str, quality: int) -> Pixels:
    buffer = BytesIO()
    Image.fromarray(rgb).save(buffer, format=kind, quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


def resized(rgb: Pixels, scale: float) -> Pixels:
    height, width = (round(side * scale) for side in rgb.shape[:2])
    return np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BICUBIC))


def cropped(rgb: Pixels) -> Pixels:
    """A tenth of the area gone, from all four sides unevenly."""
    return rgb[19 : 19 + 485, 7 : 7 + 487]


ATTACKS: dict[str, Callable[[Pixels], Pixels]] = {
    "none": lambda rgb: rgb,
    "jpeg 50": lambda rgb: encoded(rgb, "JPEG", 50),
    "webp 80": lambda rgb: encoded(rgb, "WEBP", 80),
    "half": lambda rgb: resized(rgb, 0.5),
    "1.37x": lambda rgb: resized(rgb, 1.37),
    "double": lambda rgb: resized(rgb, 2),
    "crop": cropped,
    "crop, jpeg 70": lambda rgb: encoded(cropped(rgb), "JPEG", 70),
}


@pytest.fixture(scope="module", params=["scene", "texture"])
def pair(request: pytest.FixtureRequest) -> tuple[Pixels, Pixels]:
    plain = scene(3) if request.param == "scene" else texture(3)
    return plain, embed(plain, CODE, key=KEY, index=2)


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_job_is_read_after(attack: str, pair: tuple[Pixels, Pixels]) -> None:
    reading = read(ATTACKS[attack](pair[1]), key=KEY)
    assert reading is not None
    assert (reading.code, reading.index) == (CODE, 2)


def test_the_mark_is_faint(pair: tuple[Pixels, Pixels]) -> None:
    assert psnr(*pair) >= 38


def test_an_unmarked_picture_says_nothing(pair: tuple[Pixels, Pixels]) -> None:
    assert read(pair[0], key=KEY) is None


def test_another_farm_s_mark_says_nothing(pair: tuple[Pixels, Pixels]) -> None:
    assert read(pair[1], key=OTHER) is None


def test_the_scale_is_told(pair: tuple[Pixels, Pixels]) -> None:
    reading = read(resized(pair[1], 0.75), key=KEY)
    assert reading is not None
    assert reading.scale == pytest.approx(0.75, abs=0.01)


def test_the_same_picture_gets_the_same_mark() -> None:
    plain = scene(5, 256)
    assert np.array_equal(embed(plain, CODE, key=KEY), embed(plain, CODE, key=KEY))
    assert not np.array_equal(embed(plain, CODE, key=KEY), embed(plain, CODE, key=OTHER))


def test_a_picture_too_small_stays_as_it_is() -> None:
    small = scene(1, 192)
    assert np.array_equal(embed(small, CODE, key=KEY), small)
    assert read(small, key=KEY) is None


@pytest.mark.parametrize("shape", [(1, 1, 3), (3, 700, 3), (256, 257, 3)])
def test_a_picture_of_one_colour_or_any_shape_is_no_error(shape: tuple[int, int, int]) -> None:
    white = np.full(shape, 255, np.uint8)
    assert embed(white, CODE, key=KEY).shape == shape
    assert read(white, key=KEY) is None


@pytest.mark.parametrize("wrong", [0, codeword.MENDS])
def test_wrong_signs_are_mended(wrong: int) -> None:
    signs = codeword.spell(CODE, 5, key=KEY)
    signs[random.Random(1).sample(range(codeword.LENGTH), wrong)] *= -1
    message = codeword.decipher(signs, key=KEY)
    assert message is not None
    assert (message.code, message.index, message.corrected) == (CODE, 5, wrong)
    assert message.agreement == pytest.approx(1 - wrong / codeword.LENGTH)


def test_the_least_sure_signs_are_tried_both_ways() -> None:
    signs = codeword.spell(CODE, 5, key=KEY)
    turned = random.Random(1).sample(range(codeword.LENGTH), codeword.MENDS + 3)
    signs[turned] *= -1
    assert codeword.decipher(signs, key=KEY) is None
    signs[turned[:4]] *= 0.1
    assert codeword.decipher(signs, key=KEY) is not None


def test_chance_spells_nothing() -> None:
    rng = np.random.default_rng(7)
    assert not any(
        codeword.decipher(rng.standard_normal(codeword.LENGTH), key=KEY) for _ in range(8)
    )


def test_a_word_of_another_key_is_not_ours() -> None:
    assert codeword.decipher(codeword.spell(CODE, 0, key=OTHER), key=KEY) is None


@pytest.mark.parametrize(("code", "index"), [(-1, 0), (1 << 64, 0), (1, 8)])
def test_what_does_not_fit_is_refused(code: int, index: int) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        embed(scene(1, 64), code, key=KEY, index=index)
