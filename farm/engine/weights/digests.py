"""SHA-256s of weights; those of large files are remembered, so that a start does not read them again."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path

log = logging.getLogger(__name__)

Digest = Callable[[Path], str]

MEMORY = Path("var/digests.json")
WORTH = 64 * 2**20  # bytes; a smaller file is read faster than it is worth remembering
FRESH = 2.0  # seconds; a file this young may change again without a change of its times


def sha256_of(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Digests:
    """Remembers by path, size, times and inode, in one file that workers share; losing it costs time."""

    def __init__(self, memory: Path = MEMORY) -> None:
        self._memory = memory
        self._known: dict[str, list[object]] | None = None

    def of(self, path: Path) -> str:
        if path.stat().st_size < WORTH:
            return sha256_of(path)
        self._known = _read(self._memory) if self._known is None else self._known
        place, marks = str(path.resolve()), _marks(path)
        known = self._known.get(place, [])
        if known[:-1] == marks:
            return str(known[-1])
        digest = sha256_of(path)
        if _marks(path) == marks and time.time() - path.stat().st_mtime > FRESH:
            self._remember(place, [*marks, digest])
        return digest

    def _remember(self, place: str, entry: list[object]) -> None:
        self._known = _read(self._memory) | {place: entry}  # another worker may have written
        fresh = self._memory.with_suffix(f".{os.getpid()}")
        try:
            self._memory.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps(self._known, indent=1, sort_keys=True))
            fresh.replace(self._memory)
        except OSError as error:
            log.warning("Digests are not remembered: %s.", error)


def _marks(path: Path) -> list[object]:
    state = path.stat()
    return [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]


def _read(memory: Path) -> dict[str, list[object]]:
    try:
        known = json.loads(memory.read_text())
        return {str(place): list(entry) for place, entry in known.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
