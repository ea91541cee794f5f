"""Strangers' pictures: what is not opened, and that whoever opens them can be ended."""

import asyncio
import os
import signal
import struct
import zlib
from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from farm.safety import keys
from farm.safety.cell import Cell
from farm.safety.examination import Trust
from farm.safety.manifests import State
from farm.safety.opening import MOST_BYTES, open_image
from shared.errors import Refusal
from tests.farm.safety.origin import FORMATS, encoded, scene, settings_in


def trust_in(folder: Path) -> Trust:
    settings_in(folder)
    return Trust(keys.read_root(folder), keys.read_mark(folder))


@pytest.fixture
async def cell(tmp_path: Path) -> AsyncIterator[Cell]:
    opened = Cell(trust_in(tmp_path / "keys"))
    yield opened
    await opened.close()


async def test_a_cell_that_only_opens_turns_a_photograph_upright() -> None:
    exif, buffer = Image.Exif(), BytesIO()
    exif[0x0112] = 6
    Image.new("RGB", (24, 16), (10, 200, 30)).save(buffer, "JPEG", exif=exif)
    opener = Cell()
    try:
        found = await opener.open(buffer.getvalue())
        assert (found.width, found.height, len(found.rgb)) == (16, 24, 16 * 24 * 3)
        with pytest.raises(Refusal, match="no whole PNG"):
            await opener.open(b"no picture")
    finally:
        await opener.close()


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header claims so many pixels, of one bit each."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    body = zlib.compress(bytes(1 + width // 8))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def moving() -> bytes:
    buffer = BytesIO()
    frames = [Image.new("RGB", (16, 16), (shade, 0, 0)) for shade in (0, 200)]
    frames[0].save(buffer, "WEBP", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def as_format(kind: str) -> bytes:
    buffer = BytesIO()
    scene(side=16).save(buffer, kind)
    return buffer.getvalue()


BAD = {
    "nothing": (b"", "not_a_picture"),
    "words": (b"hello, I am a picture", "not_a_picture"),
    "half": (encoded(scene(side=64))[:300], "not_a_picture"),
    "gif": (as_format("GIF"), "not_a_picture"),
    "tiff": (as_format("TIFF"), "not_a_picture"),
    "bmp": (as_format("BMP"), "not_a_picture"),
    "13,300 squared": (bomb(13_300, 13_300), "picture_too_large"),
    "4,100 squared": (bomb(4_100, 4_100), "picture_too_large"),
    "a thread": (bomb(60_000, 8), "picture_too_large"),
    "two billion squared": (bomb(2**31 - 1, 2**31 - 1), "picture_too_large"),
    "an animation": (moving(), "picture_moves"),
    "11 MB": (bytes(MOST_BYTES + 1), "file_too_large"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_opened(name: str) -> None:
    data, code = BAD[name]
    with pytest.raises(Refusal) as caught:
        open_image(data)
    assert caught.value.code == code


@pytest.mark.parametrize("mime", FORMATS)
def test_the_four_formats_are_opened(mime: str) -> None:
    image = open_image(encoded(scene(side=48), mime))
    assert (image.size, image.mode, f"image/{str(image.format).lower()}") == ((48, 48), "RGB", mime)


async def test_the_cell_answers_one_after_the_other_and_says_no_in_words(cell: Cell) -> None:
    plain = encoded(scene(side=64))
    seen, refused = await asyncio.gather(
        cell.examine(plain), cell.examine(BAD["words"][0]), return_exceptions=True
    )
    assert isinstance(refused, Refusal)
    assert not isinstance(seen, BaseException)
    assert (seen.width, seen.manifest.state, seen.mark) == (64, State.ABSENT, None)
    assert seen.rgb == scene(side=64).tobytes()


async def test_a_picture_that_kills_it_is_refused_and_the_next_is_answered(cell: Cell) -> None:
    await cell.examine(encoded(scene(side=16)))
    assert cell.pid is not None
    os.kill(cell.pid, signal.SIGKILL)
    with pytest.raises(Refusal, match="opened safely"):
        await cell.examine(encoded(scene(side=16)))
    assert (await cell.examine(encoded(scene(side=16)))).width == 16


async def test_a_picture_that_takes_too_long_is_refused_and_its_process_ended(
    tmp_path: Path,
) -> None:
    late = Cell(trust_in(tmp_path / "keys"), seconds=0.01)
    with pytest.raises(Refusal, match="opened safely"):
        await late.examine(encoded(scene(side=16)))
    assert late.pid is None


async def test_the_cell_has_little_memory_and_none_of_our_secrets(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PICTOR_DISCORD__TOKEN", "a secret")
    await cell.examine(encoded(scene(side=16)))
    assert cell.pid is not None
    folder = Path(f"/proc/{cell.pid}")
    lines = (folder / "limits").read_text().splitlines()
    limits = {line[:25].strip(): line[25:].split()[0] for line in lines}
    assert int(limits["Max address space"]) < 1.5 * 2**30
    assert (limits["Max file size"], limits["Max core file size"]) == ("0", "0")
    assert b"PICTOR" not in (folder / "environ").read_bytes()
    assert os.readlink(folder / "cwd") == "/"
