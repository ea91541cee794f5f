"""Where weights are found, and that every byte is the one that is meant."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from farm.engine.weights import digests, manifest
from farm.engine.weights.digests import Digests
from farm.engine.weights.whereabouts import Weights, look_up
from shared.errors import Fault
from shared.places import File, Folder, Repo

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All that a loader looks for, and next to nothing in it."""
    home = tmp_path / "model"
    (home / "unet").mkdir(parents=True)
    index = {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet"]}
    (home / "model_index.json").write_text(json.dumps(index))
    (home / "unet" / "config.json").write_text("{}")
    save_file({"weight": torch.ones(4)}, home / "unet" / "weights.safetensors")
    return home


def find(place: Folder | File | Repo) -> Weights:
    return look_up(place, Digests())


def refused(place: Folder | File | Repo) -> Fault:
    with pytest.raises(Fault) as caught:
        find(place)
    return caught.value


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


# --- folders ---------------------------------------------------------------------------------


def test_a_folder_without_a_manifest_is_hashed_as_it_is(folder: Path) -> None:
    before = find(Folder(folder))
    assert set(before.digests) == {
        "model_index.json",
        "unet/config.json",
        "unet/weights.safetensors",
    }
    flip_a_bit(folder / "unet" / "weights.safetensors")
    assert find(Folder(folder)).sha256 != before.sha256


@pytest.mark.parametrize(
    ("spoil", "state"),
    [
        (lambda home: flip_a_bit(home / "unet" / "weights.safetensors"), "changed"),
        (lambda home: (home / "unet" / "config.json").unlink(), "missing"),
        (lambda home: (home / "unet" / "more.json").write_text("{}"), "not listed"),
    ],
)
def test_a_manifest_pins_every_file(
    folder: Path, spoil: Callable[[Path], None], state: str
) -> None:
    manifest.write(folder)
    assert find(Folder(folder))
    spoil(folder)
    fault = refused(Folder(folder))
    assert fault.code == "weights_altered"
    assert state in fault.sentence


def test_a_folder_with_one_tensor_file_says_which(folder: Path) -> None:
    weights = find(Folder(folder / "unet"))
    assert weights.tensors == folder / "unet" / "weights.safetensors"
    save_file({"weight": torch.ones(4)}, folder / "unet" / "other.safetensors")
    with pytest.raises(Fault, match=r"2 \.safetensors"):
        _ = find(Folder(folder / "unet")).tensors


# --- single files ----------------------------------------------------------------------------


def test_a_file_is_found_with_its_configuration(folder: Path) -> None:
    path = folder / "unet" / "weights.safetensors"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    bare = find(File(path, sha256=digest))
    assert bare.tensors == path
    assert bare.digests == {path.name: digest}
    whole = find(File(path, folder))
    assert whole.config == folder
    assert whole.digests["config/unet/config.json"] == hashlib.sha256(b"{}").hexdigest()


def test_a_file_that_is_not_the_pinned_one_is_refused(folder: Path) -> None:
    path = folder / "unet" / "weights.safetensors"
    pinned = File(path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    flip_a_bit(path)
    assert refused(pinned).code == "weights_altered"


def test_the_configuration_of_a_file_is_looked_at_too(folder: Path) -> None:
    path = folder / "unet" / "weights.safetensors"
    (folder / "unet" / "config.json").write_text('{"auto_map": {}}')
    assert refused(File(path, folder)).code == "weights_unsafe"


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    for place in (Folder(tmp_path / "nowhere"), File(tmp_path / "nowhere.safetensors")):
        fault = refused(place)
        assert fault.code == "weights_missing"
        assert "nowhere" in fault.sentence


# --- the Hugging Face cache ------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(home))
    return home


@pytest.fixture
def cached(cache: Path, folder: Path) -> Path:
    """The repository acme/model as huggingface_hub lays it out: links to blobs, by commit."""
    return keep(cache / "models--acme--model", folder)


def keep(store: Path, folder: Path) -> Path:
    (store / "blobs").mkdir(parents=True)
    (store / "refs").mkdir()
    (store / "refs" / "main").write_text(COMMIT)
    snapshot = store / "snapshots" / COMMIT
    for path in (path for path in folder.rglob("*") if path.is_file()):
        large = path.suffix == ".safetensors"
        kind = hashlib.sha256 if large else hashlib.sha1
        blob = store / "blobs" / kind(path.read_bytes()).hexdigest()
        blob.write_bytes(path.read_bytes())
        link = snapshot / path.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    return snapshot


@pytest.mark.parametrize("revision", ["main", COMMIT])
def test_a_repository_is_found_in_the_cache(cached: Path, folder: Path, revision: str) -> None:
    weights = find(Repo("acme/model", revision))
    assert weights.path == cached
    assert weights.sha256 == find(Folder(folder)).sha256


def test_a_folder_and_a_file_inside_a_repository(cached: Path) -> None:
    part = find(Repo("acme/model", path="unet"))
    assert part.path == cached / "unet"
    single = find(Repo("acme/model", path="unet/weights.safetensors"))
    assert single.tensors == cached / "unet" / "weights.safetensors"


@pytest.mark.parametrize(
    "place",
    [
        Repo("acme/other"),
        Repo("acme/model", "v2"),
        Repo("acme/model", path="vae"),
        Repo("acme/model", path="unet/none.safetensors"),
    ],
)
@pytest.mark.usefixtures("cached")
def test_what_was_never_fetched_is_not_fetched_now(place: Repo) -> None:
    fault = refused(place)
    assert fault.code == "weights_missing"
    assert place.name in fault.sentence


@pytest.mark.parametrize("path", ["", "unet/weights.safetensors"])
def test_a_blob_that_is_not_what_it_is_called_is_refused(cached: Path, path: str) -> None:
    flip_a_bit((cached / "unet" / "weights.safetensors").resolve())
    assert refused(Repo("acme/model", path=path)).code == "weights_altered"


@pytest.mark.parametrize("path", ["", "unet/weights.safetensors"])
def test_a_link_out_of_the_cache_is_refused(cached: Path, tmp_path: Path, path: str) -> None:
    elsewhere = tmp_path / "elsewhere.safetensors"
    link = cached / "unet" / "weights.safetensors"
    link.resolve().rename(elsewhere)
    link.unlink()
    link.symlink_to(elsewhere)
    assert refused(Repo("acme/model", path=path)).code == "weights_unsafe"


# --- what is remembered ----------------------------------------------------------------------


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every file that is really read; every file is worth remembering."""
    seen: list[Path] = []

    def sha256_of(path: Path) -> str:
        seen.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(digests, "sha256_of", sha256_of)
    monkeypatch.setattr(digests, "WORTH", 0)
    return seen


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.safetensors"
    path.write_bytes(b"weights")
    age(path, 60)
    return path


def age(path: Path, seconds: float) -> None:
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def test_a_large_file_is_read_once_in_all_processes(
    tmp_path: Path, large: Path, reads: list[Path]
) -> None:
    memory = tmp_path / "var" / "digests.json"
    first = Digests(memory).of(large)
    assert Digests(memory).of(large) == first == hashlib.sha256(b"weights").hexdigest()
    assert reads == [large]


@pytest.mark.parametrize("kept", ["size", "times"])
def test_a_file_that_changed_is_read_again(
    tmp_path: Path, large: Path, reads: list[Path], kept: str
) -> None:
    known = Digests(tmp_path / "digests.json")
    before, state = known.of(large), large.stat()
    large.write_bytes(b"Weights" if kept == "size" else b"more weights")
    if kept == "times":
        os.utime(large, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert known.of(large) != before
    assert len(reads) == 2


def test_bytes_changed_under_the_same_size_and_time_are_seen(
    tmp_path: Path, large: Path, reads: list[Path]
) -> None:
    known = Digests(tmp_path / "digests.json")
    before, state = known.of(large), large.stat()
    large.write_bytes(b"WEIGHTS")
    os.utime(large, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert known.of(large) != before


def test_a_file_still_being_written_is_not_remembered(
    tmp_path: Path, large: Path, reads: list[Path]
) -> None:
    large.touch()
    known = Digests(tmp_path / "digests.json")
    known.of(large)
    known.of(large)
    assert len(reads) == 2


@pytest.mark.parametrize("text", ["", "[]", "no json", '{"x": 3}'])
def test_a_spoilt_memory_costs_only_time(
    tmp_path: Path, large: Path, reads: list[Path], text: str
) -> None:
    memory = tmp_path / "digests.json"
    memory.write_text(text)
    assert Digests(memory).of(large) == hashlib.sha256(b"weights").hexdigest()
    Digests(memory).of(large)
    assert reads == [large]


def test_a_memory_that_cannot_be_written_is_no_failure(large: Path, reads: list[Path]) -> None:
    assert Digests(large / "digests.json").of(large) == hashlib.sha256(b"weights").hexdigest()
