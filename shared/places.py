"""Where the weights of a catalog row lie, and how the row's fields are read. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.config import ROOT

FIELDS = frozenset({"folder", "file", "config", "sha256", "repo", "revision", "path"})
_SOURCES = ("folder", "file", "repo")
_REPO = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_INSIDE = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)*")  # no "..", nothing hidden, nothing absolute
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Folder:
    """As diffusers writes one."""

    path: Path


@dataclass(frozen=True, slots=True)
class File:
    """One .safetensors; `config` is a folder with the configurations and tokenizers it lacks."""

    path: Path
    config: Path | None = None
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Repo:
    """What the Hugging Face cache of this machine holds; `path` is a folder or a file in it."""

    name: str
    revision: str = "main"
    path: str = ""


Place = Folder | File | Repo
Reader = Callable[[Any], Any]


def read_place(row: Mapping[str, Any]) -> Place:
    """ValueError unless the row names exactly one of folder, file and repo."""
    named = [source for source in _SOURCES if source in row]
    require(len(named) == 1, "one of folder, file and repo must say where the weights lie")
    source = named[0]
    belonging = {"file": {"config", "sha256"}, "repo": {"revision", "path"}}.get(source, set())
    stray = (FIELDS & set(row)) - belonging - {source}
    require(not stray, f"{', '.join(sorted(stray))} means nothing beside {source}")
    fields = read_fields(row, READERS)
    return _PLACES[source](fields)


def rooted(value: Any) -> Path:
    """Relative paths start at the repository's root."""
    return ROOT / text(value)


def read_fields(row: Mapping[str, Any], readers: Mapping[str, Reader]) -> dict[str, Any]:
    """The fields that the row has; ValueError that names the first that is of the wrong kind."""
    found = {}
    for field in readers.keys() & row.keys():
        try:
            found[field] = readers[field](row[field])
        except ValueError as error:
            raise ValueError(f"{field} {error}") from None
    return found


def text(value: Any) -> str:
    require(isinstance(value, str), f"must be a text, not {value!r}")
    return str(value)


def flag(value: Any) -> bool:
    require(isinstance(value, bool), f"must be true or false, not {value!r}")
    return bool(value)


def whole(value: Any) -> int:
    require(type(value) is int, f"must be a whole number, not {value!r}")
    return int(value)


def number(value: Any) -> float:
    require(type(value) in (int, float), f"must be a number, not {value!r}")
    return float(value)


def texts(value: Any) -> tuple[str, ...]:
    require(isinstance(value, list), f"must be a list of texts, not {value!r}")
    return tuple(map(text, value))


def require(holds: bool, sentence: str) -> None:
    if not holds:
        raise ValueError(sentence)


def _matching(pattern: re.Pattern[str], what: str) -> Reader:
    def read(value: Any) -> str:
        require(pattern.fullmatch(text(value)) is not None, f"must be {what}, not {value!r}")
        return str(value)

    return read


def _safetensors(value: Any) -> Path:
    require(text(value).endswith(".safetensors"), f"must be a .safetensors, not {value!r}")
    return rooted(value)


READERS: dict[str, Reader] = {
    "folder": rooted,
    "file": _safetensors,
    "config": rooted,
    "sha256": _matching(_SHA256, "64 hexadecimal digits in lower case"),
    "repo": _matching(_REPO, "a name such as owner/model"),
    "revision": _matching(_INSIDE, "a branch, a tag or a commit"),
    "path": _matching(_INSIDE, "a path inside the repository"),
}

_PLACES: dict[str, Callable[[dict[str, Any]], Place]] = {
    "folder": lambda row: Folder(row["folder"]),
    "file": lambda row: File(row["file"], row.get("config"), row.get("sha256", "")),
    "repo": lambda row: Repo(row["repo"], row.get("revision", "main"), row.get("path", "")),
}
