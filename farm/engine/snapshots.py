"""Snapshots: a job's trajectories saved at a step, so that a killed worker costs a few steps only.

A file is safetensors bytes followed by MAGIC and the SHA-256 of those bytes. It names its job, its
spec, its weights and its libraries, and is used only where all of them are the same. The last two
of a job are kept: the one before is the fallback for a damaged one.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors.torch
from torch import Tensor

from shared.errors import Fault

log = logging.getLogger(__name__)

MAGIC = b"PICTOR-1"
TRAILER = len(MAGIC) + hashlib.sha256().digest_size
FORMAT = 2  # one more whenever the state or the meaning of its parts changes
KEPT = 2
NAME = re.compile(r"(\d{8})-(\d{8})\.snapshot")
SAFE = re.compile(r"[A-Za-z0-9_-]{1,80}")


@dataclass(frozen=True, slots=True)
class Identity:
    """What a snapshot must match, all of it, to be used. Another device or precision takes it over."""

    job_id: str
    spec: str
    weights: str
    libraries: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`state` is plain JSON, `tensors` the rest; `step` orders the snapshots of a job."""

    identity: Identity
    attempt: int
    step: int
    state: dict[str, Any]
    tensors: dict[str, Tensor] = field(repr=False)


class Unusable(Exception):
    """Why a snapshot is passed over: `damaged` bytes, or `foreign` (another job, spec, weights)."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


@cache
def libraries() -> str:
    """The same state means the same next step only in the same samplers and the same FORMAT of ours."""
    named = " ".join(f"{name}=={version(name)}" for name in ("torch", "diffusers"))
    return f"{named} snapshot=={FORMAT}"


# --- bytes -----------------------------------------------------------------------------------


def pack(snapshot: Snapshot) -> bytes:
    # Rows of one forward share its memory; safetensors wants each tensor by itself.
    tensors = {name: tensor.cpu().clone() for name, tensor in snapshot.tensors.items()}
    about = {
        "identity": json.dumps(asdict(snapshot.identity)),
        "attempt": str(snapshot.attempt),
        "step": str(snapshot.step),
        "state": json.dumps(snapshot.state),
    }
    body = safetensors.torch.save(tensors, metadata=about)
    return body + MAGIC + hashlib.sha256(body).digest()


def unpack(data: bytes, expected: Identity) -> Snapshot:
    """Unusable when a bit is not as it was written, or when it belongs to something else."""
    body, trailer = data[:-TRAILER], data[-TRAILER:]
    if trailer != MAGIC + hashlib.sha256(body).digest():
        raise Unusable("damaged", "its SHA-256 does not match")
    about = _about(body)
    found = Identity(**json.loads(about["identity"]))
    if found != expected:
        raise Unusable("foreign", f"it differs in {', '.join(_differing(found, expected))}")
    return Snapshot(
        identity=found,
        attempt=int(about["attempt"]),
        step=int(about["step"]),
        state=json.loads(about["state"]),
        tensors=safetensors.torch.load(body),
    )


def _about(body: bytes) -> dict[str, str]:
    length = int.from_bytes(body[:8], "little")
    about: dict[str, str] = json.loads(body[8 : 8 + length])["__metadata__"]
    return about


def _differing(found: Identity, expected: Identity) -> list[str]:
    wanted = asdict(expected)
    return [name for name, value in asdict(found).items() if value != wanted[name]]


# --- files -----------------------------------------------------------------------------------


class SnapshotFolder:
    """One folder a job. Reading counts what it had to pass over in `passed_over`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.passed_over: Counter[str] = Counter()
        root.mkdir(parents=True, exist_ok=True)

    def write(self, snapshot: Snapshot) -> None:
        target = self._path(snapshot)
        folder = target.parent
        folder.mkdir(parents=True, exist_ok=True)
        _write_whole(target, pack(snapshot))
        for old in _files(folder)[KEPT:]:
            old.unlink(missing_ok=True)

    def resume(self, expected: Identity, accept: Callable[[Snapshot], None]) -> Snapshot | None:
        """The newest that is whole, is of `expected` and that `accept` does not raise for."""
        for path in _files(self._folder(expected.job_id)):
            try:
                snapshot = unpack(path.read_bytes(), expected)
                accept(snapshot)
                return snapshot
            except Exception as problem:
                self._pass_over(path, problem)
        return None

    def _pass_over(self, path: Path, problem: Exception) -> None:
        kind = problem.kind if isinstance(problem, Unusable) else "damaged"
        self.passed_over[kind] += 1
        log.warning("Snapshot %s/%s is %s: %s", path.parent.name, path.name, kind, problem)
        path.unlink(missing_ok=True)

    def forget(self, job_id: str) -> None:
        shutil.rmtree(self._folder(job_id), ignore_errors=True)

    def sweep(self, *, older_than: float) -> None:
        """Jobs that ended while nobody held them leave folders behind; `older_than` is a file time."""
        for folder in self.root.iterdir():
            if folder.is_dir() and folder.stat().st_mtime < older_than:
                shutil.rmtree(folder, ignore_errors=True)

    def has(self, snapshot: Snapshot) -> bool:
        return self._path(snapshot).exists()

    def _path(self, snapshot: Snapshot) -> Path:
        name = f"{snapshot.step:08d}-{snapshot.attempt:08d}.snapshot"
        return self._folder(snapshot.identity.job_id) / name

    def _folder(self, job_id: str) -> Path:
        if not SAFE.fullmatch(job_id):
            raise Fault("bad_job_id", "A job id holds only letters, digits, '-' and '_'.")
        return self.root / job_id


def _files(folder: Path) -> list[Path]:
    """Newest first, by step and attempt; what a crash left half written has another name."""
    if not folder.is_dir():
        return []
    return sorted((one for one in folder.iterdir() if NAME.fullmatch(one.name)), reverse=True)


def _write_whole(target: Path, data: bytes) -> None:
    """All of it or nothing, also when the power fails: tmp, fsync, rename, fsync of the folder."""
    draft = target.with_suffix(f".{os.getpid()}.tmp")
    with draft.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# --- off the loop ----------------------------------------------------------------------------


class SnapshotWriter:
    """Writes in its own thread. A slow disk skips snapshots (the newest wins); it never stops a step."""

    def __init__(self, folder: SnapshotFolder) -> None:
        self.folder = folder
        self.failures = 0
        self._pending: dict[str, Callable[[], None]] = {}
        self._busy = False
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="snapshots", daemon=True).start()

    def save(self, snapshot: Snapshot) -> None:
        self._put(snapshot.identity.job_id, lambda: self.folder.write(snapshot))

    def store(self, snapshot: Snapshot) -> None:
        """Returns when it is on the disk. OSError when it is not, or a newer one took its place."""
        self.save(snapshot)
        if not (self.flush() and self.folder.has(snapshot)):
            raise OSError(
                f"snapshot {snapshot.step} of job {snapshot.identity.job_id} is not stored"
            )

    def resume(self, expected: Identity, accept: Callable[[Snapshot], None]) -> Snapshot | None:
        self.flush()  # the job may have been here a moment ago
        return self.folder.resume(expected, accept)

    def forget(self, job_id: str) -> None:
        self._put(job_id, lambda: self.folder.forget(job_id))

    def flush(self, timeout_s: float = 10.0) -> bool:
        """Wait until everything asked for so far is on the disk."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._pending and not self._busy, timeout_s)

    def _put(self, job_id: str, work: Callable[[], None]) -> None:
        with self._changed:
            self._pending[job_id] = work
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            work = self._take()
            try:
                work()
            except Exception:
                self.failures += 1
                log.exception("A snapshot could not be written; the job goes on without it.")
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _take(self) -> Callable[[], None]:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._pending))
            self._busy = True
            return self._pending.pop(next(iter(self._pending)))


def sweep_old(folder: SnapshotFolder, *, days: float = 7) -> None:
    folder.sweep(older_than=time.time() - days * 86_400)
