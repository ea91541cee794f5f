import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from farm.engine import checkpoints
from farm.engine.families import loader
from farm.engine.pool import Pool
from farm.postcards import manifest
from shared.catalog import Catalog, Checkpoint
from shared.errors import Fault, Refusal


@pytest.fixture
def copied(catalog: Catalog, tmp_path: Path) -> Checkpoint:
    """The trained checkpoint in a folder that a test may spoil."""
    original = catalog.get("postcards")
    folder = tmp_path / "weights"
    shutil.copytree(original.folder, folder)
    return replace(original, folder=folder)


def load(checkpoint: Checkpoint) -> checkpoints.Loaded:
    return checkpoints.load(checkpoint, device="cpu", dtype=torch.float32)


def test_the_digest_stands_for_every_byte(copied: Checkpoint) -> None:
    before = load(copied).sha256
    (copied.folder / "note.txt").write_text("another file")
    manifest.write(copied.folder)
    assert load(copied).sha256 != before


def flip_a_bit(folder: Path) -> None:
    path = folder / "unet" / "diffusion_pytorch_model.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def lose_a_file(folder: Path) -> None:
    (folder / "vae" / "config.json").unlink()


def add_a_file(folder: Path) -> None:
    (folder / "vae" / "more.safetensors").write_bytes(b"")


def lose_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


@pytest.mark.parametrize("spoil", [flip_a_bit, lose_a_file, add_a_file, lose_the_manifest])
def test_weights_that_are_not_as_listed_are_not_loaded(
    copied: Checkpoint, spoil: Callable[[Path], None]
) -> None:
    spoil(copied.folder)
    with pytest.raises(Fault) as caught:
        load(copied)
    assert caught.value.code == "weights_altered"


@pytest.mark.parametrize("name", ["model.bin", "model.ckpt", "pipeline.py", "weights.pt", "x.pkl"])
def test_what_could_carry_code_is_not_even_read(copied: Checkpoint, name: str) -> None:
    (copied.folder / "unet" / name).write_bytes(b"")
    manifest.write(copied.folder)
    with pytest.raises(Fault) as caught:
        load(copied)
    assert caught.value.code == "weights_unsafe"


def test_a_missing_folder_is_named(copied: Checkpoint) -> None:
    with pytest.raises(Fault, match="nowhere"):
        load(replace(copied, folder=copied.folder / "nowhere"))


def test_an_unknown_family_is_named() -> None:
    with pytest.raises(Fault, match="dreams"):
        loader("dreams")


# --- the pool --------------------------------------------------------------------------------


@pytest.fixture
def three(catalog: Catalog) -> Catalog:
    default = catalog.get("postcards")
    others = {name: replace(default, name=name) for name in ("second", "third")}
    return Catalog({"postcards": default, **others}, "postcards")


def test_what_is_warm_is_not_loaded_again(pool: Pool) -> None:
    assert pool.is_warm("postcards")
    assert pool.get("postcards") is pool.get("postcards")
    assert pool.warm == ["postcards"]


def test_the_least_recently_used_leaves_unless_it_is_in_use_or_default(three: Catalog) -> None:
    pool = Pool(three, device="cpu", kept=2)
    pool.get("postcards")
    second = pool.get("second")
    pool.get("third")
    pool.trim([second])
    assert pool.warm == ["postcards", "second"]
    pool.get("third")
    pool.trim([])
    assert pool.warm == ["postcards", "third"]


def test_a_name_the_catalog_does_not_know_is_a_refusal(pool: Pool) -> None:
    with pytest.raises(Refusal):
        pool.get("nowhere")
