"""What a folder of weights may hold: data only, nothing that is code or asks for code to be run."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

from shared.errors import Fault

HARMLESS = frozenset({".safetensors", ".json", ".txt", ".model"})
# Repositories carry these along; no loader opens them.
PAPERS = frozenset({".md", ".png", ".jpg", ".jpeg", ".webp"})
PAPER_NAMES = frozenset({"LICENSE", "NOTICE", ".gitattributes", ".gitignore"})
# Keys by which a configuration has code fetched or chosen from outside diffusers and transformers.
ASKING = frozenset(
    {
        "auto_map",
        "trust_remote_code",
        "custom_pipeline",
        "custom_pipelines",
        "_attn_implementation",
        "_attn_implementation_internal",
        "attn_implementation",
        "_experts_implementation_internal",
        "kernel_config",
    }
)
LIBRARIES = frozenset({"diffusers", "transformers"})
# Old folders name diffusers' own checker by its module; families never load it.
SPARED = (["stable_diffusion", "StableDiffusionSafetyChecker"], [None, None])
INDEX = "model_index.json"
LARGEST_JSON = 64 * 2**20  # bytes


def check_folder(
    folder: Path, *, stores: tuple[Path, ...] = (), more: frozenset[str] = frozenset()
) -> None:
    """Fault unless every file is of a harmless kind, or one of `more`. Links may lead inside the folder or
    `stores`."""
    if not folder.is_dir():
        raise Fault("weights_missing", f"There is no folder of weights at {folder}.")
    for path in _walk(folder):
        _check_link(path, (folder, *stores))
        if not path.is_file():
            raise _unsafe(path, "is no plain file")
        if path.suffix not in HARMLESS | PAPERS | more and path.name not in PAPER_NAMES:
            raise _unsafe(path, "is not plain weights")
        if path.suffix == ".json":
            _check_json(path)


def check_file(path: Path, *, stores: tuple[Path, ...] = ()) -> None:
    """Fault unless it is a .safetensors: loaders choose how to read a file by its name.

    An operator's own link may lead anywhere; with `stores`, only there.
    """
    if not path.is_file():
        raise Fault("weights_missing", f"There is no file of weights at {path}.")
    if path.suffix != ".safetensors":
        raise _unsafe(path, "is no .safetensors")
    if stores:
        _check_link(path, (path.parent, *stores))


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder, onerror=_raise):
        linked = (name for name in folders if (Path(place) / name).is_symlink())
        for name in sorted([*files, *linked]):
            yield Path(place) / name


def _raise(error: OSError) -> None:
    raise Fault("weights_missing", f"The weights cannot be read: {error}.") from error


def _check_link(path: Path, homes: tuple[Path, ...]) -> None:
    if not path.is_symlink():
        return
    target = path.resolve()
    if not any(target.is_relative_to(home.resolve()) for home in homes):
        raise _unsafe(path, "is a link that leads out of it")


def _check_json(path: Path) -> None:
    content = read_json(path)
    asking = ASKING & set(_keys(content))
    if asking:
        raise _unsafe(path, f"asks for code by {', '.join(sorted(asking))}")
    if path.name == INDEX:
        _check_index(path, content)
    if path.name.endswith(".index.json"):
        _check_shards(path, content)


def read_json(path: Path) -> Any:
    if path.stat().st_size > LARGEST_JSON:
        raise _unsafe(path, "is too large for a configuration")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _unsafe(path, "is no readable JSON") from error


def _keys(content: Any) -> Iterator[str]:
    """Every key, however deep."""
    waiting = [content]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield from one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _check_index(path: Path, index: Any) -> None:
    """Every component is a class of diffusers or transformers, named as such."""
    pipeline = index.get("_class_name") if isinstance(index, dict) else None
    if not _is_class(pipeline):
        raise _unsafe(path, "names no pipeline of diffusers")
    for component, value in index.items():
        named = component.startswith("_") or isinstance(value, bool | int | float)
        if not (named or value is None or value in SPARED or _is_pair(value)):
            raise _unsafe(path, f"wants {component} from outside diffusers and transformers")


def _is_pair(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 2:
        return False
    library: Any = value[0]
    name: Any = value[1]
    # A pipeline inside a pipeline would have an index of its own, and components that nobody expects.
    return library in LIBRARIES and _is_class(name) and not name.endswith("Pipeline")


def _is_class(name: Any) -> TypeGuard[str]:
    return isinstance(name, str) and name.isidentifier() and name[0].isupper()


def _check_shards(path: Path, index: Any) -> None:
    """Shards lie beside their index: a path would lead past the digests."""
    shards = index.get("weight_map") if isinstance(index, dict) else None
    named = shards.values() if isinstance(shards, dict) else [None]
    for shard in named:
        name = str(shard)
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise _unsafe(path, "names a shard that does not lie beside it")


def _unsafe(path: Path, problem: str) -> Fault:
    return Fault("weights_unsafe", f"The file {path.name} in {path.parent} {problem}.")
