"""What is left of a picture that a moderator has not yet revealed."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from shared.blurring import SHOWN, blurred
from shared.errors import Fault


def picture(rgb: "np.ndarray") -> bytes:
    out = BytesIO()
    Image.fromarray(rgb).save(out, "PNG")
    return out.getvalue()


def pixels(data: bytes) -> "np.ndarray":
    return np.asarray(Image.open(BytesIO(data)).convert("RGB")).astype(int)


def test_of_fine_detail_nothing_is_left() -> None:
    noise = np.random.default_rng(7).integers(0, 256, (512, 512, 3), np.uint8)
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::16] = 255
    for detailed in (noise, stripes):
        assert pixels(blurred(picture(detailed))).std() < 12


def test_large_shapes_can_be_told_and_the_size_is_small() -> None:
    halves = np.zeros((1024, 512, 3), np.uint8)
    halves[512:] = (200, 40, 40)
    soft = pixels(blurred(picture(halves)))
    assert soft.shape == (SHOWN, SHOWN // 2, 3)
    assert soft[-40, :, 0].mean() > 150
    assert soft[40, :, 0].mean() < 50
    assert len(blurred(picture(halves))) < 20_000


@pytest.mark.parametrize("broken", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + bytes(20)])
def test_what_is_no_picture_is_not_shown(broken: bytes) -> None:
    with pytest.raises(Fault):
        blurred(broken)
