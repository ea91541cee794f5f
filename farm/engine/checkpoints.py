"""From a folder of weights to a loaded family: every byte is the one its manifest names."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import torch

from farm.engine.families import Family, loader
from farm.postcards import manifest
from shared.catalog import Checkpoint
from shared.errors import Fault

# Data only: nothing in a weights folder may be code, or a format that can carry code.
HARMLESS = frozenset({".safetensors", ".json", ".txt", ".model"})


@dataclass(frozen=True, slots=True)
class Loaded:
    """`sha256` stands for all the weights: a snapshot of other weights is told apart by it."""

    name: str
    sha256: str
    family: Family


def load(checkpoint: Checkpoint, *, device: str, dtype: torch.dtype) -> Loaded:
    """Fault when a file is missing, changed, not listed or not of a harmless kind."""
    _check_kinds(checkpoint.folder)
    digests = manifest.verify(checkpoint.folder)
    family = loader(checkpoint.family)(checkpoint.folder, device=device, dtype=dtype)
    return Loaded(checkpoint.name, _one_digest(digests), family)


def _check_kinds(folder: Path) -> None:
    if not folder.is_dir():
        raise Fault("weights_missing", f"There is no folder of weights at {folder}.")
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in HARMLESS:
            raise Fault("weights_unsafe", f"The file {path.name} in {folder} is not plain weights.")


def _one_digest(digests: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()
