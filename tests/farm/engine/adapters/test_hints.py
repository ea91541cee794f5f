from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from farm.engine.adapters.hints import KINDS, canny, depth, flattened, prepare, scribble
from shared.errors import Refusal

SIZE = 96
Shape = Callable[[], Image.Image]


def drawn(ground: str = "black") -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new("RGB", (SIZE, SIZE), ground)
    return picture, ImageDraw.Draw(picture)


def marks(picture: Image.Image) -> NDArray[np.bool_]:
    found = np.asarray(picture)
    assert set(np.unique(found)) <= {0, 255}
    return found > 127


def box() -> Image.Image:
    picture, pen = drawn()
    pen.rectangle((20, 30, 69, 79), fill="white")
    return picture


def disc() -> Image.Image:
    picture, pen = drawn()
    pen.ellipse((20, 20, 76, 76), fill=(40, 160, 230))
    return picture


def slope() -> Image.Image:
    picture, pen = drawn()
    pen.polygon([(0, 0), (SIZE, 0), (0, SIZE)], fill="white")
    return picture


def border(picture: Image.Image) -> NDArray[np.bool_]:
    """Pixels that touch one of another tone: where an edge may be found."""
    tones = np.pad(np.asarray(picture, np.int16).sum(-1), 1, mode="edge")
    middle = tones[1:-1, 1:-1]
    around = [tones[1 + y : y + 1 + SIZE, 1 + x : x + 1 + SIZE] for y, x in ROUND]
    return np.any([one != middle for one in around], axis=0)


ROUND = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0)]


def within_one(found: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> float:
    """Share of `wanted` that has something of `found` at most one pixel off."""
    wide = np.pad(found, 1)
    near = np.any(
        [wide[1 + y : y + 1 + SIZE, 1 + x : x + 1 + SIZE] for y, x in [*ROUND, (0, 0)]], 0
    )
    return float(near[wanted].mean())


@pytest.mark.parametrize("shape", [box, disc, slope])
@pytest.mark.parametrize("sigma", [0.0, 1.0, 1.4])
def test_canny_finds_the_edges_of_a_shape_and_nothing_else(shape: Shape, sigma: float) -> None:
    picture = shape()
    found = marks(canny(picture, sigma=sigma))
    assert within_one(border(picture), found) == 1.0
    assert within_one(found, border(picture)) > 0.97


@pytest.mark.parametrize("shape", [box, disc, slope])
def test_cannys_edges_are_one_pixel_thin(shape: Shape) -> None:
    found = marks(canny(shape()))
    blocks = found[:-1, :-1] & found[1:, :-1] & found[:-1, 1:] & found[1:, 1:]
    assert blocks.sum() <= 4
    rows = found[35:75]
    if shape is box:
        assert (rows.sum(1) == 2).all()


@pytest.mark.parametrize("tone", ["black", "white", (120, 30, 200)])
def test_canny_finds_nothing_on_a_flat_picture(tone: str) -> None:
    assert not marks(canny(Image.new("RGB", (SIZE, SIZE), tone), low=1, high=1)).any()


def test_canny_sees_a_colour_change_of_equal_brightness() -> None:
    picture, pen = drawn("#c80000")
    pen.rectangle((48, 0, SIZE, SIZE), fill="#006600")
    assert marks(canny(picture))[:, 47:49].any(1).all()


def test_a_weak_edge_counts_where_it_continues_a_strong_one() -> None:
    """The left half of the line is faint. Alone it is nothing; joined to the right half it stays."""
    tones = np.zeros((SIZE, SIZE), np.uint8)
    tones[48:] = np.linspace(45, 200, SIZE).astype(np.uint8)
    joined = marks(canny(Image.fromarray(tones)))
    tones[48:] = np.minimum(tones[48:], 60)
    alone = marks(canny(Image.fromarray(tones)))
    assert joined.any(0).all()
    assert not alone.any()


def test_the_thresholds_are_parameters() -> None:
    tones = np.zeros((SIZE, SIZE), np.uint8)
    tones[48:] = 50
    faint = Image.fromarray(tones)
    assert not marks(canny(faint)).any()
    assert marks(canny(faint, low=40, high=80)).any(0).all()


def test_the_blur_removes_specks() -> None:
    speckled = np.zeros((SIZE, SIZE), np.uint8)
    speckled[::7, ::7] = 120
    picture = Image.fromarray(speckled)
    assert marks(canny(picture, sigma=0.0)).any()
    assert not marks(canny(picture, sigma=2.0)).any()


# --- scribble and depth --------------------------------------------------------------------------


def line(ground: str, ink: str, size: int = SIZE) -> Image.Image:
    picture = Image.new("RGB", (size, size), ground)
    ImageDraw.Draw(picture).line((10, size // 2, size - 10, size // 2), fill=ink, width=1)
    return picture


def test_a_scribble_of_either_polarity_is_white_on_black() -> None:
    dark, light = (
        marks(scribble(line(*pair))) for pair in (("white", "black"), ("black", "white"))
    )
    assert np.array_equal(dark, light)
    assert dark[48, 48]
    assert not dark[0].any()


@pytest.mark.parametrize(("size", "thick"), [(96, 3), (512, 5), (1024, 9)])
def test_a_scribbles_strokes_are_thickened_with_the_picture(size: int, thick: int) -> None:
    found = marks(scribble(line("white", "black", size)))
    assert found[:, size // 2].sum() == thick


def test_there_is_nothing_scribbled_on_flat_paper() -> None:
    assert not marks(scribble(Image.new("RGB", (SIZE, SIZE), "grey"))).any()


def test_depth_takes_the_whole_range_and_can_be_turned_round() -> None:
    tones = np.tile(np.linspace(90, 150, SIZE).astype(np.uint8), (SIZE, 1))
    near_white = np.asarray(depth(Image.fromarray(tones)))
    near_black = np.asarray(depth(Image.fromarray(tones), inverted=True))
    assert (near_white.min(), near_white.max()) == (0, 255)
    assert (np.diff(near_white[0].astype(int)) >= 0).all()
    assert np.array_equal(near_black, 255 - near_white)
    assert not np.asarray(depth(Image.new("L", (4, 4), 7))).any()


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_a_depth_map_of_many_levels_keeps_them(kind: type[Any]) -> None:
    """Pillow alone would clip it to white."""
    values: NDArray[Any] = np.tile(np.linspace(0, 60_000, SIZE), (SIZE, 1)).astype(kind)
    found = np.asarray(flattened(Image.fromarray(values)))
    assert (found[0, 0], found[0, -1]) == (0, 255)
    assert len(np.unique(found)) > 90


# --- what a net is given -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_hint_has_the_drawings_size_and_range(kind: str) -> None:
    hint = prepare(kind, disc(), (64, 48))
    assert hint.shape == (1, 3, 48, 64)
    assert hint.dtype == torch.float32
    assert hint.min() >= 0
    assert 0.5 < hint.max() <= 1


def test_a_ready_hint_of_the_right_size_is_not_touched() -> None:
    hint = prepare("", disc(), (SIZE, SIZE))
    assert np.array_equal((hint[0].permute(1, 2, 0) * 255).round().numpy(), np.asarray(disc()))


def test_what_is_transparent_is_white_paper() -> None:
    sheet = Image.new("RGBA", (SIZE, SIZE), (0, 0, 0, 0))
    ImageDraw.Draw(sheet).line((10, 48, 86, 48), fill=(0, 0, 0, 255))
    assert prepare("scribble", sheet, sheet.size)[0, 0, 48, 48] == 1
    assert prepare("scribble", sheet, sheet.size).mean() < 0.1


def test_an_unknown_kind_is_refused_with_those_there_are() -> None:
    with pytest.raises(Refusal, match="canny, scribble, depth"):
        prepare("magic", disc(), (64, 64))
