"""Folders that would have a loader run code, or read what nobody hashed: refused before any is read."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from farm.engine.weights import manifest, vetting
from farm.engine.weights.digests import Digests
from farm.engine.weights.whereabouts import look_up
from shared.errors import Fault
from shared.places import File, Folder

INDEX: dict[str, Any] = {
    "_class_name": "StableDiffusionPipeline",
    "_diffusers_version": "0.42.1",
    "requires_safety_checker": True,
    "force_zeros_for_empty_prompt": None,
    "feature_extractor": [None, None],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "unet": ["diffusers", "UNet2DConditionModel"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "model"
    (home / "unet").mkdir(parents=True)
    (home / "model_index.json").write_text(json.dumps(INDEX))
    (home / "unet" / "config.json").write_text('{"sizes": [{"width": 64}]}')
    (home / "unet" / "x.safetensors.index.json").write_text(
        '{"weight_map": {"weight": "weights.safetensors"}}'
    )
    save_file({"weight": torch.ones(4)}, home / "unet" / "weights.safetensors")
    for paper in ("README.md", ".gitattributes", "LICENSE", "tokenizer.model", "merges.txt"):
        (home / paper).write_text("words")
    return home


def code_of(folder: Path) -> str:
    manifest.write(folder)  # so that nothing is refused for being unlisted
    with pytest.raises(Fault) as caught:
        look_up(Folder(folder), Digests())
    return caught.value.code


def test_what_a_repository_usually_holds_is_welcome(folder: Path) -> None:
    (folder / "inside.safetensors").symlink_to("unet/weights.safetensors")
    assert len(look_up(Folder(folder), Digests()).digests) == 10


@pytest.mark.parametrize(
    "name",
    [
        *("model.bin", "model.ckpt", "weights.pt", "weights.pth", "x.pkl", "data.pickle", "x.npy"),
        *("pipeline.py", "kernel.so", "model.onnx", "setup.cfg", "run", "weights.safetensors.bin"),
    ],
)
def test_what_could_carry_code_is_not_even_read(folder: Path, name: str) -> None:
    (folder / "unet" / name).write_bytes(b"")
    assert code_of(folder) == "weights_unsafe"


@pytest.mark.parametrize(
    "text",
    [
        '{"auto_map": {"AutoModel": "evil--model.Model"}}',
        '{"auto_map": null}',
        '{"deep": [{"deeper": {"auto_map": {}}}]}',
        '{"auto\\u005fmap": {}}',
        '{"trust_remote_code": true}',
        '{"custom_pipeline": "acme/pipeline"}',
        '{"_attn_implementation_internal": "acme/kernel"}',
        '{"_attn_implementation": "acme/kernel"}',
        '{"attn_implementation": "acme/kernel"}',
        "no json",
        "[" * 100_000,
    ],
)
def test_a_configuration_that_asks_for_code_is_refused(folder: Path, text: str) -> None:
    (folder / "unet" / "config.json").write_text(text)
    assert code_of(folder) == "weights_unsafe"


@pytest.mark.parametrize(
    "change",
    [
        {"unet": ["my_unet", "MyUNet"]},
        {"unet": ["diffusers", "Os.system"]},
        {"unet": ["transformers", "pipeline"]},
        {"unet": ["diffusers", "DiffusionPipeline"]},
        {"unet": ["diffusers", "UNet2DConditionModel", "more"]},
        {"unet": ["diffusers", None]},
        {"unet": "os"},
        {"unet": {"library": "diffusers"}},
        {"_class_name": ["my_pipeline", "MyPipeline"]},
        {"_class_name": "../pipeline"},
        {"_class_name": None},
    ],
)
def test_every_component_is_a_class_of_the_two_libraries(
    folder: Path, change: dict[str, Any]
) -> None:
    (folder / "model_index.json").write_text(json.dumps(INDEX | change))
    assert code_of(folder) == "weights_unsafe"


def test_an_index_is_looked_at_wherever_it_lies(folder: Path) -> None:
    (folder / "unet" / "model_index.json").write_text(json.dumps(INDEX | {"unet": ["me", "Me"]}))
    assert code_of(folder) == "weights_unsafe"


def link_to_a_file(folder: Path, outside: Path) -> None:
    (outside / "other.safetensors").write_bytes(b"")
    (folder / "unet" / "other.safetensors").symlink_to(outside / "other.safetensors")


def link_to_a_folder(folder: Path, outside: Path) -> None:
    (folder / "vae").symlink_to(outside)


def link_to_a_folder_inside(folder: Path, outside: Path) -> None:
    """Its files would be read by a name that no manifest lists."""
    (folder / "vae").symlink_to(folder / "unet")


def link_to_nothing(folder: Path, outside: Path) -> None:
    (folder / "vae.safetensors").symlink_to(outside / "later.safetensors")


def make_a_pipe(folder: Path, outside: Path) -> None:
    os.mkfifo(folder / "unet" / "pipe.json")


@pytest.mark.parametrize(
    "spoil",
    [link_to_a_file, link_to_a_folder, link_to_a_folder_inside, link_to_nothing, make_a_pipe],
)
def test_nothing_leads_out_of_the_folder(
    folder: Path, tmp_path: Path, spoil: Callable[[Path, Path], None]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    spoil(folder, outside)
    assert code_of(folder) == "weights_unsafe"


@pytest.mark.parametrize(
    "content",
    [
        {"weight_map": {"weight": "../../outside.safetensors"}},
        {"weight_map": {"weight": "/outside.safetensors"}},
        {"weight_map": {"weight": "weights.bin"}},
        {"weight_map": {"weight": 3}},
        {"weight_map": ["weights.safetensors"]},
        [],
    ],
)
def test_a_shard_lies_beside_its_index(folder: Path, content: Any) -> None:
    (folder / "unet" / "x.safetensors.index.json").write_text(json.dumps(content))
    assert code_of(folder) == "weights_unsafe"


def test_a_configuration_is_no_place_for_gigabytes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert look_up(Folder(folder), Digests())
    monkeypatch.setattr(vetting, "LARGEST_JSON", 10)
    assert code_of(folder) == "weights_unsafe"


@pytest.mark.parametrize("name", ["model.ckpt", "model.safetensors.ckpt", "model"])
def test_a_single_file_is_a_safetensors(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(Fault) as caught:
        look_up(File(tmp_path / name), Digests())
    assert caught.value.code == "weights_unsafe"
