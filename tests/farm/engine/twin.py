"""A catalog of two: the trained model, and another checkpoint like it under another name."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from farm.engine.weights import manifest
from farm.postcards.manifest import WEIGHTS
from shared.config import SHARED

ROW = "[checkpoints.postcards]"
PLACE = 'folder = "farm/postcards/weights/base"'


def catalog_with_twin(
    target: Path, name: str, *, weights: Path = WEIGHTS / "base", tier: str = "cold"
) -> Path:
    """Writes it into the folder `target`."""
    text = (SHARED / "catalog.toml").read_text()
    row = ROW + text.split(ROW)[1].split("\n[")[0]
    twin = row.replace(ROW, f'[checkpoints.{name}]\ntier = "{tier}"')
    twin = twin.replace(PLACE, f'folder = "{weights}"')
    twin = "\n".join(line for line in twin.split("\n") if not line.startswith("versions"))
    path = target / "catalog.toml"
    path.write_text(f"{text}\n{twin}")
    return path


def broken_weights(target: Path, word: str) -> Path:
    """Whole by their manifest, and well until this word is used: then each picture breaks, in any
    precision, as on a device that is sick."""
    folder = target / "broken"
    shutil.copytree(WEIGHTS / "base", folder)
    words = json.loads((folder / "tokenizer" / "vocab.json").read_text())
    path = folder / "text_encoder" / "model.safetensors"
    tensors = load_file(path)
    tensors["embeddings.token_embedding.weight"][words[f"{word}</w>"]] = torch.nan
    save_file(tensors, path)
    manifest.write(folder)
    return folder
