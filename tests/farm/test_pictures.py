from io import BytesIO
from random import Random

import pytest
from PIL import Image

from farm import pictures
from farm.engine.messages import Picture
from shared.errors import Fault
from shared.spec import RenderSpec, WeightedText

SPEC = RenderSpec(
    checkpoint="postcards",
    texts=(WeightedText("a red sailboat"),),
    negative="rain",
    width=96,
    height=64,
    steps=12,
    guidance=4.0,
    sampler="dpm++2m-karras",
    seed=7,
    images=4,
    scale=8,
    pixel_art=True,
)


def drawn(index: int = 0, *, width: int = 96, height: int = 64) -> Picture:
    rgb = Random(index).randbytes(width * height * 3)
    return pictures.picture_of(
        Image.frombytes("RGB", (width, height), rgb), index=index, seed=7 + index
    )


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


def test_pixel_art_is_enlarged_by_whole_pixels() -> None:
    large = pictures.enlarged(drawn(), scale=8, pixel_art=True)
    assert large.size == (768, 512)
    native = pictures.image_of(drawn())
    for x, y in ((0, 0), (95, 63), (13, 40)):
        block = large.crop((8 * x, 8 * y, 8 * x + 8, 8 * y + 8))
        assert block.getcolors() == [(64, native.getpixel((x, y)))]


def test_other_pictures_are_smoothed() -> None:
    large = pictures.enlarged(drawn(), scale=8, pixel_art=False)
    assert len(large.crop((0, 0, 16, 16)).getcolors(256) or []) > 4


@pytest.mark.parametrize("scale", [8, 16, 32])
def test_a_tile_gives_its_native_pixels_back(scale: int) -> None:
    tile = pictures.enlarged(drawn(), scale=scale, pixel_art=True)
    data = pictures.png(tile, parameters="", job_id="")
    assert pictures.native_of(data, SPEC).rgb == drawn().rgb


@pytest.mark.parametrize(
    ("count", "size"),
    [(1, (768, 512)), (2, (1544, 512)), (3, (1544, 1032)), (4, (1544, 1032))],
)
def test_the_grid_keeps_its_pictures_apart(count: int, size: tuple[int, int]) -> None:
    tiles = [pictures.enlarged(drawn(i), scale=8, pixel_art=True) for i in range(count)]
    sheet = pictures.grid(tiles)
    assert sheet.size == size
    corners = [(0, 0), (776, 0), (0, 520), (776, 520)]
    for tile, (x, y) in zip(tiles, corners, strict=False):
        assert sheet.crop((x, y, x + 768, y + 512)).tobytes() == tile.tobytes()
    if count == 3:
        assert sheet.crop((776, 520, *size)).getcolors() == [(768 * 512, pictures.BACKGROUND)]


def test_webp_of_pixel_art_loses_nothing() -> None:
    tile = pictures.enlarged(drawn(), scale=8, pixel_art=True)
    assert opened(pictures.webp(tile, exact=True)).convert("RGB").tobytes() == tile.tobytes()
    assert opened(pictures.webp(tile, exact=False)).size == tile.size


def test_a_png_carries_its_recipe() -> None:
    recipe = pictures.recipe(SPEC, prompt="a red sailboat --no rain", seed=9)
    data = pictures.png(pictures.image_of(drawn()), parameters=recipe, job_id="some-job")
    info = opened(data).info
    assert info["pictor-job"] == "some-job"
    assert info["parameters"].splitlines() == [
        "a red sailboat --no rain",
        "Negative prompt: rain",
        (
            "Steps: 12, Sampler: dpm++2m-karras, CFG scale: 4, "
            "Seed: 9, Model: postcards, Size: 96x64, Scale: 8"
        ),
    ]


def test_a_png_carries_a_recipe_in_any_script() -> None:
    data = pictures.png(pictures.image_of(drawn()), parameters="красная лодка ⛵", job_id="j")
    assert opened(data).info["parameters"] == "красная лодка ⛵"


def test_the_same_picture_is_the_same_file() -> None:
    tile = pictures.enlarged(drawn(), scale=8, pixel_art=True)
    assert pictures.webp(tile, exact=True) == pictures.webp(tile, exact=True)


def bomb() -> bytes:
    image = Image.new("1", (pictures.MAX_SIDE + 1, 8))
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def webp_of_one_pixel() -> bytes:
    return pictures.webp(Image.new("RGB", (1, 1)), exact=True)


@pytest.mark.parametrize(
    "data",
    [b"", b"no picture", pictures.png(Image.new("RGB", (8, 8)), parameters="", job_id="")[:60]],
)
def test_a_tile_that_cannot_be_read_is_a_fault(data: bytes) -> None:
    with pytest.raises(Fault, match="cannot be read"):
        pictures.native_of(data, SPEC)


def test_a_tile_of_another_kind_or_too_large_is_a_fault() -> None:
    for data in (bomb(), webp_of_one_pixel()):
        with pytest.raises(Fault, match="cannot be read"):
            pictures.native_of(data, SPEC)
