"""One picture, changed in every way that people change pictures: what is said of it, word by word."""

import zlib
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from PIL import Image, ImageDraw

from farm.safety import keys
from farm.safety.examination import Examination, Trust, examine
from farm.safety.looks import ALIKE, distance, looks_of
from farm.safety.manifests import State
from farm.safety.provenance import Proven
from farm.safety.verify import Found, Origin, answer
from farm.safety.watermark import code_of
from shared.attestation import Answer
from shared.errors import Refusal
from shared.fingerprints import Made
from tests.farm.safety.origin import (
    AT,
    JOB,
    OTHER_JOB,
    claim,
    decoded,
    encoded,
    farm_in,
    scene,
)

EDITED, STRIPPED = "edited after it was signed", "manifest was taken off"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("farm") / "keys"


@pytest.fixture(scope="module")
def farm(folder: Path) -> Proven:
    return farm_in(folder)


@pytest.fixture(scope="module")
def trust(farm: Proven, folder: Path) -> Trust:
    return Trust(keys.read_root(folder), keys.read_mark(folder))


def delivered(farm: Proven, job: UUID = JOB, *, seed: int = 3) -> bytes:
    marked = farm.mark(scene(seed), code_of(job), index=1)
    return farm.sign(encoded(marked), mime="image/png", claim=claim(job=str(job)))


@pytest.fixture(scope="module")
def picture(farm: Proven) -> bytes:
    return delivered(farm)


@pytest.fixture(scope="module")
def whole(picture: bytes, trust: Trust) -> Examination:
    return examine(picture, trust)


def made_of(whole: Examination, job: UUID = JOB) -> Made:
    return Made(
        job_id=job,
        picture=1,
        account_id=job,
        discord_id="4711",
        guild_id="17",
        at=AT,
        looks=whole.looks,
        sha256=whole.sha256,
        width=whole.width,
        height=whole.height,
        mime=whole.mime,
    )


def said(data: bytes, trust: Trust, *known: Made) -> Answer:
    """As the rows would have it that hold only these pictures."""
    seen = examine(data, trust)
    of = {job: [one for one in known if one.job_id == job] for job in (JOB, OTHER_JOB)}
    codes = {code_of(job): made for job, made in of.items()}
    return answer(
        seen,
        Found(
            by_file=[one for one in known if one.sha256 == seen.sha256],
            by_manifest=of[UUID(seen.manifest.job)] if seen.manifest.job else [],
            by_mark=codes.get(seen.mark.code, []) if seen.mark else [],
            alike=[one for one in known if distance(one.looks or 0, seen.looks) <= ALIKE],
        ),
    )


def signs(told: Answer) -> tuple[bool, bool, bool]:
    return told.manifest.holds, told.watermark.holds, told.looks.holds


def test_an_untouched_picture_is_ours_by_all_three_signs(
    picture: bytes, whole: Examination, trust: Trust
) -> None:
    told = said(picture, trust, made_of(whole))
    assert (told.origin, signs(told)) == (Origin.PROVEN, (True, True, True))
    assert told.changes == ("Nothing: byte for byte the file that was delivered.",)
    assert (told.job, told.picture, told.owner, told.guild) == (str(JOB), 1, "4711", "17")
    assert told.made_at == AT.isoformat()
    assert told.for_strangers().job is None
    assert told.for_strangers().owner is None


# --- what people do to pictures --------------------------------------------------------------------


def one_pixel(data: bytes) -> bytes:
    """Edited in place, with the manifest carried over by a tool that knows no better."""
    image = decoded(data)
    image.putpixel((5, 9), (1, 2, 3))
    return with_manifest_of(data, encoded(image))


def with_manifest_of(data: bytes, other: bytes) -> bytes:
    end = 33 + 12 + int.from_bytes(data[33:37], "big")
    assert data[37:41] == b"caBX"
    return other[:33] + data[33:end] + other[33:]


def as_jpeg(data: bytes) -> bytes:
    return encoded(decoded(data), "image/jpeg", quality=70)


def as_webp(data: bytes) -> bytes:
    return encoded(decoded(data), "image/webp", quality=80)


def stripped(data: bytes) -> bytes:
    return encoded(decoded(data))


def halved(data: bytes) -> bytes:
    return encoded(decoded(data).resize((307, 307), Image.Resampling.LANCZOS))


def cut(data: bytes) -> bytes:
    return encoded(decoded(data).crop((20, 12, 500, 492)))


DEEDS: dict[str, tuple[Callable[[bytes], bytes], str, State, list[str]]] = {
    "one pixel": (one_pixel, Origin.MARKED, State.ALTERED, [EDITED]),
    "jpeg": (as_jpeg, Origin.MARKED, State.ABSENT, [STRIPPED, "saved as JPEG; it was delivered as PNG"]),
    "webp": (as_webp, Origin.MARKED, State.ABSENT, [STRIPPED, "saved as WEBP"]),
    "stripped": (stripped, Origin.MARKED, State.ABSENT, [STRIPPED, "again in the same format"]),
    "resized": (halved, Origin.MARKED, State.ABSENT, [STRIPPED, "again", "resized to 60%"]),
    "cropped": (cut, Origin.MARKED, State.ABSENT, [STRIPPED, "again", "480 × 480 pixels are left of 51"]),
}  # fmt: skip


@pytest.mark.parametrize("deed", DEEDS)
def test_what_was_done_to_it_is_said(
    picture: bytes, whole: Examination, trust: Trust, deed: str
) -> None:
    change, origin, state, words = DEEDS[deed]
    data = change(picture)
    assert examine(data, trust).manifest.state is state
    told = said(data, trust, made_of(whole))
    assert (told.origin, told.job) == (origin, str(JOB))
    changes = [one for one in told.changes if "looks as it did" not in one]
    assert len(changes) == len(words), changes
    for change_said, word in zip(changes, words, strict=True):
        assert word in change_said


def test_a_byte_of_the_pixels_that_changed_is_damage(picture: bytes, trust: Trust) -> None:
    place = picture.index(b"IDAT") + 400
    damaged = picture[:place] + bytes([picture[place] ^ 1]) + picture[place + 1 :]
    with pytest.raises(Refusal, match="it is damaged"):
        examine(damaged, trust)


def test_metadata_that_changed_under_the_signature_are_an_edit(
    picture: bytes, whole: Examination, trust: Trust
) -> None:
    place = picture.index(b"IEND") - 4
    chunk = b"\x00\x00\x00\x05tEXta\x00new" + (0).to_bytes(4, "big")
    told = said(picture[:place] + chunk + picture[place:], trust, made_of(whole))
    assert (told.origin, told.manifest.holds) == (Origin.MARKED, False)
    assert EDITED in told.changes[0]


def test_the_manifest_of_one_picture_on_another_of_ours(
    farm: Proven, picture: bytes, whole: Examination, trust: Trust
) -> None:
    other = delivered(farm, OTHER_JOB, seed=4)
    glued = with_manifest_of(picture, stripped(other))
    told = said(glued, trust, made_of(whole), made_of(examine(other, trust), OTHER_JOB))
    assert (told.origin, told.job) == (Origin.MARKED, str(OTHER_JOB))
    assert "names another job" in told.watermark.words
    assert told.changes[0] == "The manifest of another picture was put on it."


def test_our_manifest_on_a_strangers_picture_proves_nothing(
    picture: bytes, whole: Examination, trust: Trust
) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    glued = with_manifest_of(picture, encoded(Image.fromarray(noise)))
    told = said(glued, trust, made_of(whole))
    assert (told.origin, told.job, told.changes) == (Origin.UNKNOWN, None, ())
    assert "manifest of another picture" in told.manifest.words


def test_another_farms_picture_is_not_ours(
    whole: Examination, trust: Trust, tmp_path: Path
) -> None:
    other = delivered(farm_in(tmp_path / "other", name="Another farm"), seed=4)
    told = said(other, trust, made_of(whole))
    assert (told.origin, signs(told)) == (Origin.UNKNOWN, (False, False, False))
    assert "Another farm" in told.manifest.words


def test_a_strangers_picture_is_not_known_and_that_is_no_proof(trust: Trust) -> None:
    told = said(encoded(scene(9)), trust)
    assert (told.origin, told.headline) == (Origin.UNKNOWN, "Nothing says that it was made here.")


def test_a_small_picture_is_still_known_by_its_looks(
    picture: bytes, whole: Examination, trust: Trust
) -> None:
    """A thumbnail has no room for the mark."""
    told = said(encoded(decoded(picture).resize((96, 96)), "image/jpeg"), trust, made_of(whole))
    assert (told.origin, signs(told)) == (Origin.ALIKE, (False, False, True))
    assert "no proof" in told.headline
    assert any("resized to 19%" in change for change in told.changes)


def test_a_rectangle_over_it_is_no_disguise(
    picture: bytes, whole: Examination, trust: Trust
) -> None:
    image = decoded(picture)
    ImageDraw.Draw(image).rectangle((0, 440, 512, 512), fill="black")
    told = said(encoded(image), trust, made_of(whole))
    assert told.origin == Origin.MARKED


def test_without_a_database_the_file_speaks_for_itself(picture: bytes, trust: Trust) -> None:
    told = answer(examine(picture, trust), Found(asked=False))
    assert (told.origin, told.job) == (Origin.PROVEN, str(JOB))
    assert "no database" in told.looks.words
    told = answer(examine(stripped(picture), trust), Found(asked=False))
    assert (told.origin, told.picture) == (Origin.MARKED, 1)
    assert str(told.job).startswith(str(JOB)[:18])


def test_padding_that_changed_is_told_where_the_rows_know_the_file(
    picture: bytes, whole: Examination, trust: Trust
) -> None:
    end = 33 + 8 + int.from_bytes(picture[33:37], "big")
    place = picture.rindex(b"pad", 0, end) + 300
    box = picture[37:place] + b"\x01" + picture[place + 1 : end]
    padded = picture[:37] + box + zlib.crc32(box).to_bytes(4, "big") + picture[end + 4 :]
    told = said(padded, trust, made_of(whole))
    assert (told.origin, told.manifest.holds) == (Origin.PROVEN, True)
    assert "does not cover" in told.changes[0]


def test_looks_that_no_row_has_are_none(whole: Examination) -> None:
    old = replace(made_of(whole), looks=None, sha256="other")
    seen = Examination(**{name: getattr(whole, name) for name in whole.__struct_fields__})
    told = answer(seen, Found(by_manifest=[old]))
    assert told.looks.holds is False


def test_alike_means_what_it_says() -> None:
    plain = scene(3)
    buffer = BytesIO()
    plain.resize((200, 200)).save(buffer, "JPEG", quality=40)
    assert distance(looks_of(plain), looks_of(decoded(buffer.getvalue()))) <= ALIKE
    assert distance(looks_of(plain), looks_of(scene(4))) > ALIKE
