"""Coefficients that ship: safetensors files, each with a manifest that says its SHA-256."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from shared.errors import Fault

Tensors = Mapping[str, NDArray[Any]]


def read_tensors(folder: Path, name: str) -> Tensors:
    """`name`.safetensors, checked against `name`.json. Fault when either is missing or they disagree."""
    try:
        content = (folder / f"{name}.safetensors").read_bytes()
        told = json.loads((folder / f"{name}.json").read_text())["sha256"]
        if hashlib.sha256(content).hexdigest() != told:
            raise ValueError("it is not the file that its manifest names")
        return load(content)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        sentence = f"The weights {folder / name} cannot be used: {type(error).__name__}: {error}."
        raise Fault("weights_unreadable", sentence) from error


def write_tensors(folder: Path, name: str, tensors: Tensors, about: Mapping[str, object]) -> None:
    """The file and its manifest; `about` tells what they were made from."""
    content = save(dict(tensors))
    manifest = {"sha256": hashlib.sha256(content).hexdigest(), **about}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.safetensors").write_bytes(content)
    (folder / f"{name}.json").write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n")


def version_of(folder: Path, name: str) -> str:
    """The first of the digest in a manifest: a name for these weights. Fault when there is none."""
    try:
        told: str = json.loads((folder / f"{name}.json").read_text())["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        sentence = (
            f"The manifest {folder / name}.json cannot be used: {type(error).__name__}: {error}."
        )
        raise Fault("weights_unreadable", sentence) from error
    return told[:8]
