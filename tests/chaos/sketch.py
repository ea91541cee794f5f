"""What the stub draws: a chain of hashes for each picture, one link a step, and pixels from its end.

The same spec and seed give the same pixels, and a chain that went on from a wrong link gives others.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm.engine.messages import Picture, Render

KEPT = 2
Spec = Mapping[str, Any]


@dataclass
class Sketch:
    """One job at the stub; `links` holds the newest link of each picture's chain, after `step`."""

    job_id: str
    attempt: int
    spec: Spec
    every: int
    links: list[bytes]
    step: int = 0
    resumed_from: int = 0

    @classmethod
    def begin(cls, render: Render) -> "Sketch":
        spec: Spec = render.spec
        seeds = [(spec["seed"] + index) % 2**32 for index in range(spec["images"])]
        links = [hashlib.sha256(f"{_canonical(spec)} {seed}".encode()).digest() for seed in seeds]
        return cls(render.job_id, render.attempt, spec, render.snapshot_every, links)

    @property
    def text(self) -> str:
        return " ".join(part["text"] for part in self.spec["texts"])

    @property
    def steps(self) -> int:
        return int(self.spec["steps"])

    @property
    def done(self) -> bool:
        return self.step >= self.steps

    def advance(self) -> None:
        self.step += 1
        tail = self.step.to_bytes(4, "big")
        self.links = [hashlib.sha256(link + tail).digest() for link in self.links]

    def pictures(self) -> list[Picture]:
        return [self._picture(index, link) for index, link in enumerate(self.links)]

    def _picture(self, index: int, link: bytes) -> Picture:
        width, height = self.spec["width"], self.spec["height"]
        rgb = hashlib.shake_256(link).digest(width * height * 3)
        seed = (self.spec["seed"] + index) % 2**32
        return Picture(index, width, height, rgb, sha256=hashlib.sha256(rgb).hexdigest(), seed=seed)


class Album:
    """Snapshots of sketches: JSON and its SHA-256, written whole or not at all, the last two kept."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def save(self, sketch: Sketch) -> None:
        folder = self._root / sketch.job_id
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"{sketch.step:08d}-{sketch.attempt:04d}.sketch"
        draft = target.with_suffix(f".{os.getpid()}.tmp")
        draft.write_text(_sealed(sketch))
        draft.replace(target)
        for old in _newest_first(folder)[KEPT:]:
            old.unlink(missing_ok=True)

    def resume(self, sketch: Sketch) -> None:
        """The newest whole snapshot of this very job and spec, if there is one."""
        for path in _newest_first(self._root / sketch.job_id):
            state = _opened(path, sketch)
            if state is not None:
                sketch.step = sketch.resumed_from = state["step"]
                sketch.links = [bytes.fromhex(link) for link in state["links"]]
                return

    def forget(self, job_id: str) -> None:
        shutil.rmtree(self._root / job_id, ignore_errors=True)


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.sketch"), reverse=True) if folder.is_dir() else []


def _sealed(sketch: Sketch) -> str:
    links = [link.hex() for link in sketch.links]
    body = json.dumps({"about": _about(sketch), "step": sketch.step, "links": links})
    return f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}"


def _opened(path: Path, sketch: Sketch) -> dict[str, Any] | None:
    try:
        seal, body = path.read_text().split("\n", 1)
    except (OSError, ValueError):
        return None
    if seal != hashlib.sha256(body.encode()).hexdigest():
        return None
    state: dict[str, Any] = json.loads(body)
    return state if state["about"] == _about(sketch) else None


def _about(sketch: Sketch) -> str:
    return hashlib.sha256(f"{sketch.job_id} {_canonical(sketch.spec)}".encode()).hexdigest()


def _canonical(spec: Spec) -> str:
    return json.dumps(spec, sort_keys=True, separators=(",", ":"))
