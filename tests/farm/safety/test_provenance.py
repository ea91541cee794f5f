"""Marked, encoded, signed: read back by C2PA's own reader, and not believed once a byte has changed."""

import random
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import c2pa
import pytest

from farm.safety import keys, manifests, signers, watermark
from farm.safety.manifests import State, read_manifest
from farm.safety.provenance import MADE_BY, Proven, Unproven, open_provenance
from shared.config import ProvenanceSettings
from shared.errors import Fault
from tests.farm.safety.origin import (
    AT,
    FORMATS,
    JOB,
    claim,
    decoded,
    encoded,
    farm_in,
    scene,
    settings_in,
)

SMALL = 64  # a manifest does not care


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("farm") / "keys"


@pytest.fixture(scope="module")
def farm(folder: Path) -> Proven:
    return farm_in(folder)


@pytest.fixture(scope="module")
def root(farm: Proven, folder: Path) -> str:
    return keys.read_root(folder)


@pytest.fixture(scope="module")
def signed(farm: Proven) -> bytes:
    return farm.sign(encoded(scene(side=SMALL)), mime="image/png", claim=claim())


@pytest.mark.parametrize("mime", FORMATS)
def test_an_independent_reader_finds_a_valid_manifest_in_every_format(
    farm: Proven, root: str, mime: str
) -> None:
    plain = encoded(scene(side=SMALL), mime)
    data = farm.sign(plain, mime=mime, claim=claim())
    trusting = c2pa.Context.from_dict({"trust": {"trust_anchors": root}})
    with c2pa.Reader(mime, BytesIO(data), context=trusting) as reader:
        assert reader.get_validation_state() == "Trusted"
        manifest = reader.get_active_manifest()
    (actions,) = (a for a in manifest["assertions"] if a["label"] == "c2pa.actions.v2")
    (created,) = actions["data"]["actions"]
    assert (created["action"], created["digitalSourceType"]) == ("c2pa.created", MADE_BY)
    assert manifest["signature_info"]["issuer"] == "A farm"
    assert "thumbnail" not in manifest
    assert len(data) - len(plain) < 5_000
    assert decoded(data).tobytes() == decoded(plain).tobytes()


def test_to_whom_our_root_is_not_known_it_is_valid_and_untrusted(signed: bytes) -> None:
    with c2pa.Reader("image/png", BytesIO(signed)) as reader:
        assert reader.get_validation_state() == "Valid"


def test_the_manifest_tells_the_job_and_never_who_asked_or_what(
    farm: Proven, root: str, signed: bytes
) -> None:
    found = read_manifest(signed, "image/png", root=root)
    assert (found.state, found.signer, found.job) == (State.OURS, "A farm", str(JOB))
    assert (found.picture, found.made_at) == ("image 1", "2026-11-30T12:00:00Z")
    silent = farm.sign(encoded(scene(side=SMALL)), mime="image/png", claim=claim(prompt=None))
    assert b"prompt" not in silent
    telling = farm.sign(
        encoded(scene(side=SMALL)), mime="image/png", claim=claim(prompt="a red boat")
    )
    assert b"a red boat" in telling


def test_another_farms_signature_is_not_ours(root: str, tmp_path: Path) -> None:
    other = farm_in(tmp_path / "other", name="A farm")
    data = other.sign(encoded(scene(side=SMALL)), mime="image/png", claim=claim())
    found = read_manifest(data, "image/png", root=root)
    assert (found.state, found.job) == (State.FOREIGN, "")


def test_what_an_old_leaf_signed_stays_ours_after_a_renewal(tmp_path: Path) -> None:
    before = farm_in(tmp_path).sign(encoded(scene(side=SMALL)), mime="image/png", claim=claim())
    keys.renew_leaf(tmp_path, root_key=tmp_path / keys.ROOT_KEY, now=AT)
    after = farm_in(tmp_path).sign(encoded(scene(side=SMALL)), mime="image/png", claim=claim())
    root = keys.read_root(tmp_path)
    for data in (before, after):
        assert read_manifest(data, "image/png", root=root).state is State.OURS


# --- mutations ---------------------------------------------------------------------------------


def one_byte(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


def manifest_of(data: bytes) -> range:
    """Where the caBX chunk lies in a PNG of ours: right behind the header."""
    assert data[37:41] == b"caBX"
    return range(33, 33 + 12 + int.from_bytes(data[33:37], "big"))


def test_one_byte_anywhere_outside_the_manifest_is_seen(root: str, signed: bytes) -> None:
    outside = [place for place in range(8, len(signed)) if place not in manifest_of(signed)]
    for place in random.Random(5).sample(outside, 60):
        found = read_manifest(one_byte(signed, place), "image/png", root=root)
        assert found.state in (State.ALTERED, State.BROKEN), place


def test_one_byte_of_the_manifest_breaks_it_or_lies_where_nothing_is_said(
    root: str, signed: bytes
) -> None:
    """Its padding, the names of its boxes and a checksum of PNG's are under no hash; what it claims is."""
    whole = read_manifest(signed, "image/png", root=root)
    for place in random.Random(6).sample(manifest_of(signed), 60):
        found = read_manifest(one_byte(signed, place), "image/png", root=root)
        assert found == whole or found.state is not State.OURS, place


def test_a_byte_more_or_less_is_seen(root: str, signed: bytes) -> None:
    for data in (signed + b"x", signed[:-1]):
        found = read_manifest(data, "image/png", root=root)
        assert found.state in (State.ALTERED, State.BROKEN)


def test_a_manifest_glued_to_another_picture_is_seen(root: str, signed: bytes) -> None:
    other = encoded(scene(4, side=SMALL))
    place = manifest_of(signed)
    glued = other[:33] + signed[place.start : place.stop] + other[33:]
    found = read_manifest(glued, "image/png", root=root)
    assert (found.state, found.job) == (State.ALTERED, str(JOB))


def test_without_a_manifest_there_is_none(root: str, signed: bytes) -> None:
    stripped = encoded(decoded(signed))
    assert read_manifest(stripped, "image/png", root=root).state is State.ABSENT


def test_a_manifest_that_lies_elsewhere_is_not_fetched(
    farm: Proven, folder: Path, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture names an address; whoever looks at it must not be made to ask there."""
    import socket

    chain = keys.read_keys(folder).chain
    remote = BytesIO()
    with c2pa.Builder({"assertions": [ACTIONS]}) as builder:
        builder.set_no_embed()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            listening.settimeout(0.3)
            builder.set_remote_url(f"http://127.0.0.1:{listening.getsockname()[1]}/m.c2pa")
            signer = signers.by_file(folder, chain)
            builder.sign(signer, "image/png", BytesIO(encoded(scene(side=SMALL))), remote)
            assert b"m.c2pa" in remote.getvalue()
            found = read_manifest(remote.getvalue(), "image/png", root=root)
            assert found.state is State.BROKEN
            with pytest.raises(TimeoutError):
                listening.accept()


ACTIONS = {
    "label": "c2pa.actions.v2",
    "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": MADE_BY}]},
}


@pytest.mark.parametrize(
    ("failed", "state"),
    [
        ({"signingCredential.untrusted"}, State.FOREIGN),
        ({"signingCredential.untrusted", "signingCredential.expired"}, State.EXPIRED),
        ({"assertion.dataHash.mismatch", "signingCredential.untrusted"}, State.BROKEN),
        ({"claimSignature.mismatch"}, State.BROKEN),
        ({"something.new"}, State.BROKEN),
        (set(), State.BROKEN),
    ],
)
def test_a_reader_that_is_not_sure_proves_nothing(failed: set[str], state: State) -> None:
    assert manifests._state("Valid", {"claimSignature.validated"}, failed) is state


# --- what fails ----------------------------------------------------------------------------------


def test_a_worker_without_keys_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="pictor keys init"):
        open_provenance(ProvenanceSettings(keys=tmp_path))


def test_it_is_switched_off_only_in_so_many_words(tmp_path: Path) -> None:
    off = open_provenance(ProvenanceSettings(enabled=False, keys=tmp_path))
    assert isinstance(off, Unproven)
    assert off.sign(b"data", mime="image/png", claim=claim()) == b"data"


def test_keys_that_sign_what_no_reader_takes_stop_the_start(
    folder: Path, farm: Proven, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = manifests.Manifest(State.FOREIGN)
    monkeypatch.setattr(manifests, "read_manifest", lambda *_, **__: foreign)
    with pytest.raises(Fault, match="not ours to a reader"):
        open_provenance(settings_in(folder))


@pytest.mark.parametrize(
    "broken", [lambda rgb, *_, **__: rgb[1:], lambda *_, **__: 1 / 0, lambda *_, **__: None]
)
def test_a_mark_that_fails_is_a_fault(
    farm: Proven, monkeypatch: pytest.MonkeyPatch, broken: Callable[..., object]
) -> None:
    monkeypatch.setattr(watermark, "embed", broken)
    with pytest.raises(Fault) as caught:
        farm.mark(scene(), 1, index=0)
    assert (caught.value.code, caught.value.retryable) == ("not_marked", True)


def test_a_file_that_cannot_be_signed_is_a_fault(farm: Proven) -> None:
    with pytest.raises(Fault) as caught:
        farm.sign(b"no picture", mime="image/png", claim=claim())
    assert (caught.value.code, caught.value.retryable) == ("not_signed", True)


# --- a key in a safe -----------------------------------------------------------------------------

KMS = """
import base64, sys
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
key = serialization.load_pem_private_key(open(sys.argv[1], "rb").read(), None)
signature = key.sign(sys.stdin.buffer.read(), ec.ECDSA(hashes.SHA256()))
sys.stdout.buffer.write(base64.b64encode(signature) + b"\\n" if sys.argv[2] == "base64" else signature)
"""


@pytest.mark.parametrize("how", ["der", "base64"])
def test_a_command_may_hold_the_key(tmp_path: Path, how: str) -> None:
    made = settings_in(tmp_path / "keys")
    safe = tmp_path / "safe.pem"
    (made.keys / keys.LEAF_KEY).rename(safe)
    (tmp_path / "kms.py").write_text(KMS)
    command = f"{sys.executable} {tmp_path / 'kms.py'} {safe} {how}"
    farm = farm_in(made.keys, sign_command=command)
    data = farm.sign(encoded(scene(side=SMALL)), mime="image/png", claim=claim())
    root = keys.read_root(made.keys)
    assert read_manifest(data, "image/png", root=root).state is State.OURS


@pytest.mark.parametrize("command", ["false", "no-such-program", "echo nonsense", "true"])
def test_a_command_that_does_not_sign_stops_the_start(folder: Path, command: str) -> None:
    with pytest.raises(Fault) as caught:
        open_provenance(settings_in(folder, sign_command=command))
    assert caught.value.code == "not_signed"


def test_a_command_with_another_key_signs_nothing(folder: Path, tmp_path: Path) -> None:
    keys.make_keys(tmp_path / "other", now=AT, name="A farm")
    (tmp_path / "kms.py").write_text(KMS)
    key = tmp_path / "other" / keys.LEAF_KEY
    ask = signers.asking(
        f"{sys.executable} {tmp_path / 'kms.py'} {key} der", keys.read_keys(folder).chain
    )
    with pytest.raises(Fault, match="signature of our leaf"):
        ask(b"data")
