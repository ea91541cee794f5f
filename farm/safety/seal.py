"""The files a detector was loaded from, watched as long as it is used.

Weights may be mapped from the disk, so bytes that change there change what answers. Hashing gigabytes
before each picture would cost more than the detector; size, times and inode cost microseconds, and no
write leaves them all as they were (a change time cannot be set). Only what these betray is hashed again.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from farm.engine.weights import manifest, vetting
from farm.engine.weights.digests import Digests, sha256_of
from farm.safety.declarations import Declaration
from farm.safety.detectors.contract import WrongAnswer
from shared.errors import Fault

Marks = tuple[int, int, int, int]


class Seal:
    """`digests` by file. `check` is called by one thread at a time."""

    def __init__(
        self, digests: Mapping[Path, str], marks: Mapping[Path, Marks] | None = None
    ) -> None:
        self._digests = dict(digests)
        self._marks = dict(marks or {})

    @classmethod
    def of_folder(cls, folder: Path) -> "Seal":
        """Fault unless its files are harmless, and to the byte what its manifest.json lists."""
        vetting.check_folder(folder)
        marks = {path: _marks(path) for path in folder.rglob("*") if path.is_file()}
        listed = manifest.verify(folder, Digests().of)
        return cls({folder / path: digest for path, digest in listed.items()}, marks)

    @classmethod
    def of_file(cls, path: Path, sha256: str) -> "Seal":
        """Fault when the file is missing or another."""
        if not path.is_file():
            raise Fault("weights_missing", f"There is no file of weights at {path}.")
        marks = {path: _marks(path)}
        if sha256_of(path) != sha256:
            raise Fault("weights_altered", f"{path} is not the file whose SHA-256 is declared.")
        return cls({path: sha256}, marks)

    @property
    def sha256(self) -> str:
        listed = sorted((path.name, digest) for path, digest in self._digests.items())
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()

    def check(self) -> None:
        """WrongAnswer `weights` when a file is gone or another than what was loaded."""
        for path, digest in self._digests.items():
            try:
                self._look_at(path, digest)
            except OSError:
                raise WrongAnswer("weights") from None

    def _look_at(self, path: Path, digest: str) -> None:
        marks = _marks(path)
        if marks == self._marks.get(path):
            return
        if sha256_of(path) != digest:
            raise WrongAnswer("weights")
        self._marks[path] = marks


def seal_of(declared: Declaration) -> Seal | None:
    """Of its folder or graph; None where its file comes with a package. Fault as above."""
    if declared.folder is not None:
        return Seal.of_folder(declared.folder)
    if declared.graph is not None:
        return Seal.of_file(declared.graph.file, declared.graph.sha256)
    return Seal.of_file(declared.file, declared.sha256) if declared.file else None


def _marks(path: Path) -> Marks:
    state = path.stat()
    return state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino
