"""Known pictures: by file, by pixels, by looks; lists that cannot be read let nothing pass. Noise only."""

import hashlib
import importlib.util
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from farm.engine.messages import Finding, Picture
from farm.pictures import picture_of
from farm.safety.hashes import KnownHashes, fingerprints, read_list
from farm.safety.watchlist import Watchlist
from shared.connections import Database
from shared.errors import Fault
from shared.moderation import knownhashes
from shared.moderation.knownhashes import KnownHash

with_pdq = pytest.mark.skipif(
    importlib.util.find_spec("pdqhash") is None, reason="the extra `hashes` is not installed"
)


def noise(seed: int, side: int = 96) -> Image.Image:
    """Coarse, so that it survives what a photograph survives."""
    coarse = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def file(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def allowed(picture: Picture) -> Finding:
    return Finding(picture.sha256, "allow", "none", 0.1, "", "images-test")


def one(algorithm: str, digest: str) -> KnownHashes:
    return KnownHashes.build([KnownHash(algorithm, digest)])


def screened(known: KnownHashes, image: Image.Image) -> Finding:
    picture = picture_of(image, index=0, seed=1)
    (found,) = known.screen([picture], [allowed(picture)])
    assert found.sha256 == picture.sha256
    return found


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_a_listed_file_is_known_and_another_is_not(algorithm: str) -> None:
    listed, other = file(noise(1)), file(noise(2))
    known = one(algorithm, hashlib.new(algorithm, listed).hexdigest().upper())
    hit, miss = known.screen_upload(listed), known.screen_upload(other)
    assert (hit.decision, hit.category, hit.rule) == ("block", "known", f"known_hash:{algorithm}")
    assert (miss.decision, miss.rule) == ("allow", "")
    assert hit.sha256 == hashlib.sha256(listed).hexdigest()


def test_listed_pixels_are_known_in_any_file_and_as_a_result() -> None:
    image = noise(1)
    known = one("sha256", hashlib.sha256(image.tobytes()).hexdigest())
    assert known.screen_upload(file(image, "WEBP", lossless=True)).decision == "block"
    assert screened(known, image).rule == "known_hash:sha256"
    assert screened(known, noise(2)).decision == "allow"


def test_a_known_picture_is_blocked_whatever_else_was_found_in_it() -> None:
    image = noise(1)
    picture = picture_of(image, index=0, seed=1)
    known = one("sha256", picture.sha256)
    found = known.screen([picture, picture_of(noise(2), index=1, seed=1)], [allowed(picture)] * 2)
    assert [finding.category for finding in found] == ["known", "none"]


@with_pdq
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_picture_is_known_by_its_looks_however_it_is_turned(
    quarters: int, mirrored: bool
) -> None:
    known = one("pdq", fingerprints(noise(1, 700))[0].tobytes().hex())
    pixels: NDArray[Any] = np.rot90(np.asarray(noise(1, 700)), quarters)
    turned = Image.fromarray(np.ascontiguousarray(np.fliplr(pixels) if mirrored else pixels))
    small = turned.resize((300, 300), Image.Resampling.LANCZOS)
    finding = known.screen_upload(file(small, "JPEG", quality=50))
    assert (finding.decision, finding.category, finding.rule) == (
        "block",
        "known",
        "known_hash:pdq",
    )
    assert screened(known, turned).rule == "known_hash:pdq"


@with_pdq
def test_pictures_that_only_resemble_noise_are_not_known() -> None:
    known = one("pdq", fingerprints(noise(1))[0].tobytes().hex())
    assert {screened(known, noise(seed)).decision for seed in range(2, 30)} == {"allow"}
    assert screened(known, noise(1).filter(ImageFilter.GaussianBlur(1))).decision == "block"


@with_pdq
def test_31_bits_are_near_and_32_are_not() -> None:
    bits = np.unpackbits(fingerprints(noise(1))[0])
    far = bits.copy()
    far[:32] ^= 1
    near = bits.copy()
    near[:31] ^= 1
    assert screened(one("pdq", np.packbits(near).tobytes().hex()), noise(1)).decision == "block"
    assert screened(one("pdq", np.packbits(far).tobytes().hex()), noise(1)).decision == "allow"


@with_pdq
def test_our_fingerprint_is_the_one_that_threatexchange_makes() -> None:
    from threatexchange.signal_type.pdq.signal import PdqSignal

    image = noise(5, 256)
    theirs = PdqSignal.hash_from_bytes(file(image))
    ours = fingerprints(image)[0].tobytes().hex()
    assert ours == theirs


def test_what_shows_nothing_has_no_fingerprint_and_what_cannot_be_read_is_blocked() -> None:
    known = KnownHashes.build([KnownHash("sha256", "0" * 64)])
    finding = known.screen_upload(b"no picture")
    assert (finding.decision, finding.rule) == ("block", "filter_failed:hashes:picture")
    if importlib.util.find_spec("pdqhash") is not None:
        assert fingerprints(Image.new("RGB", (64, 64), "grey")) == []


def test_without_the_extra_a_pdq_hash_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm.safety.hashes.find_spec", lambda _: None)
    with pytest.raises(Fault, match=r"pip install 'pictor\[hashes\]'"):
        one("pdq", "0" * 64)
    assert len(one("md5", "0" * 32)) == 1


# --- lists ---------------------------------------------------------------------------------------


def test_a_list_is_csv_or_plain_sha256(tmp_path: Path) -> None:
    path = tmp_path / "known.csv"
    digests = {"sha256": "AB" * 32, "md5": "cd" * 16, "pdq": "ef" * 32}
    path.write_text(
        "\ufeffalgorithm,digest,category,note\n"
        f"sha-256,{digests['sha256']},terror,case 12\n"
        f"md5, {digests['md5']}\n\n"
        f"PDQ,{digests['pdq']},x\n"
        f"# a comment\n{'12' * 32}  # alone\n"
    )
    assert read_list(path) == [
        KnownHash("sha256", "ab" * 32),
        KnownHash("md5", "cd" * 16),
        KnownHash("pdq", "ef" * 32),
        KnownHash("sha256", "12" * 32),
    ]


@pytest.mark.parametrize(
    "line", ["no hash", "abc123", "g" * 64, "md5," + "0" * 64, "sha1," + "0" * 40, "pdq,", ","]
)
def test_a_list_with_a_bad_line_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "known.csv"
    path.write_text(f"{'12' * 32}\n{line}\n")
    with pytest.raises(Fault, match=r"known\.csv"):
        read_list(path)


def test_a_list_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="cannot be read"):
        read_list(tmp_path / "none.csv")
    (tmp_path / "known.csv").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(Fault, match="cannot be read"):
        read_list(tmp_path / "known.csv")


async def test_the_list_is_the_operators_file_and_what_moderators_imported(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "known.txt"
    by_file, imported, other = (picture_of(noise(seed), index=0, seed=1) for seed in (1, 2, 3))
    path.write_text(by_file.sha256)
    watch = Watchlist(path)
    watch.open()
    pictures = [by_file, imported, other]

    async def decisions() -> list[str]:
        found = await watch.screen(pictures, [allowed(picture) for picture in pictures])
        return [finding.decision for finding in found]

    assert await decisions() == ["block", "allow", "allow"]
    async with database.begin() as session:
        row = KnownHash("sha256", imported.sha256)
        await knownhashes.add(session, [row], list_name="partners", actor="person:1")
    await watch.refresh(database)
    assert await decisions() == ["block", "block", "allow"]


async def test_while_a_list_cannot_be_read_nothing_passes(
    database: Database, tmp_path: Path
) -> None:
    path = tmp_path / "known.txt"
    path.write_text("12" * 32)
    watch = Watchlist(path)
    watch.open()
    picture = picture_of(noise(1), index=0, seed=1)
    assert (await watch.screen([picture], [allowed(picture)]))[0].decision == "allow"
    path.write_text("broken")
    with pytest.raises(Fault):
        await watch.refresh(database)
    (found,) = await watch.screen([picture], [allowed(picture)])
    assert (found.decision, found.rule) == ("block", "filter_failed:hashes:list")
    assert (await watch.screen_upload(file(noise(1)))).rule == "filter_failed:hashes:list"
    path.write_text("12" * 32)
    await watch.refresh(database)
    assert (await watch.screen([picture], [allowed(picture)]))[0].decision == "allow"
