"""The exact recipe of a job, as a file beside its pictures: what it was drawn from, with what."""

import json
import logging
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from farm.engine.messages import Picture
from farm.engine.weights.digests import Digests
from farm.engine.weights.whereabouts import look_up
from shared.catalog import Catalog
from shared.errors import Fault
from shared.jobs import Job
from shared.places import Place
from shared.spec import RenderSpec

log = logging.getLogger(__name__)

FORMAT = "pictor-recipe/1"
LIBRARIES = ("pictor", "torch", "diffusers", "transformers", "peft", "numpy", "pillow")


class Weights:
    """SHA-256s of what the catalog names. Each is looked up once: the engine has hashed it already."""

    def __init__(self, catalog: Catalog) -> None:
        self._places: dict[str, Place] = {
            name: one.weights for name, one in (catalog.checkpoints | catalog.adapters).items()
        }
        self._digests = Digests()
        self._known: dict[str, str | None] = {}

    def bring(self, name: str, place: Place) -> None:
        """Of no catalog."""
        self._places[name] = place

    def sha256(self, name: str) -> str | None:
        """None for what this host no longer has: an enlarged picture may outlive its checkpoint."""
        if name not in self._known:
            self._known[name] = self._look_up(name)
        return self._known[name]

    def _look_up(self, name: str) -> str | None:
        try:
            return look_up(self._places[name], self._digests).sha256
        except (KeyError, Fault) as error:
            log.warning(
                "The recipe cannot name the weights of %s (%s).", name, type(error).__name__
            )
            return None


def recipe(
    job: Job, drawn: Sequence[Picture], *, weights: Weights, code: int, at: datetime
) -> bytes:
    """JSON. The same spec, weights and versions give the same pixels on the same device."""
    told: dict[str, Any] = {
        "format": FORMAT,
        "job": str(job.id),
        "kind": job.kind.value,
        "made_at": at.astimezone(UTC).isoformat(timespec="seconds"),
        "spec": job.spec.as_dict(),
        "spec_sha256": job.spec.sha256(),
        "weights": {name: weights.sha256(name) for name in sorted(_names(job.spec))},
        "versions": versions(),
        "watermark": f"{code:016x}",
        "pictures": [
            {"index": one.index, "seed": one.seed, "rgb_sha256": one.sha256} for one in drawn
        ],
    }
    return json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False).encode()


@cache
def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def _names(spec: RenderSpec) -> set[str]:
    """Everything of the catalog that this spec is drawn with."""
    names = {spec.checkpoint, spec.vae, *spec.embeddings}
    names |= {one.name for one in spec.loras} | {one.name for one in spec.controls}
    names |= {one.name for one in spec.references}
    if spec.refiner is not None:
        names.add(spec.refiner.checkpoint)
    return names - {""}
