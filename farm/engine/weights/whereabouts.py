"""From a row of the catalog to files on this disk: found, looked at, and hashed. Nothing is fetched."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from farm.engine.weights import manifest, vetting
from farm.engine.weights.digests import Digest, Digests
from shared.errors import Fault
from shared.places import File, Folder, Place, Repo

BLOB = re.compile(r"[0-9a-f]{64}")  # the cache names a large file by its SHA-256, others by git's
# By these, one of which every folder of weights has, the cache is asked where a repository lies.
MARKERS = (vetting.INDEX, "config.json")


@dataclass(frozen=True, slots=True)
class Weights:
    """`path` is a folder or a .safetensors; `digests` the SHA-256 of each file by its place in it."""

    path: Path
    digests: dict[str, str]
    config: Path | None = None

    @property
    def sha256(self) -> str:
        return one_digest(self.digests)

    @property
    def tensors(self) -> Path:
        """The only .safetensors there is; Fault where there are none or many."""
        files = sorted(self.path.glob("*.safetensors")) if self.path.is_dir() else [self.path]
        if len(files) != 1:
            sentence = f"{self.path} holds {len(files)} .safetensors; the catalog must name one."
            raise Fault("weights_unclear", sentence)
        return files[0]


def look_up(place: Place, digests: Digests) -> Weights:
    """Fault when a file is missing, changed, not listed, or not of a harmless kind."""
    match place:
        case Folder(path):
            return Weights(path, _folder(path, digests.of))
        case File():
            return _file(place, digests)
        case Repo():
            return _repo(place, digests)


def one_digest(digests: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


def _folder(folder: Path, digest: Digest, stores: tuple[Path, ...] = ()) -> dict[str, str]:
    vetting.check_folder(folder, stores=stores)
    listed = (folder / manifest.NAME).exists()
    return (manifest.verify if listed else manifest.take)(folder, digest)


def _file(place: File, digests: Digests) -> Weights:
    vetting.check_file(place.path)
    digest = digests.of(place.path)
    if place.sha256 and digest != place.sha256:
        sentence = f"{place.path} is not the file whose SHA-256 the catalog names."
        raise Fault("weights_altered", sentence)
    around = _folder(place.config, digests.of) if place.config else {}
    config = {f"config/{path}": digest for path, digest in around.items()}
    return Weights(place.path, {place.path.name: digest} | config, place.config)


def _repo(place: Repo, digests: Digests) -> Weights:
    found = snapshot(place)
    path, blobs = found / place.path, found.parent.parent / "blobs"

    def digest(file: Path) -> str:
        return _blob_digest(file, digests)

    if path.is_dir():
        return Weights(path, _folder(path, digest, (blobs,)))
    vetting.check_file(path, stores=(blobs,))
    return Weights(path, {path.name: digest(path)})


def snapshot(place: Repo) -> Path:
    """Its folder in the cache; Fault `weights_missing`."""
    # Here, because a host that draws nothing may check its catalog without this library.
    from huggingface_hub import try_to_load_from_cache

    inside = f"{place.path}/" if place.path else ""
    single = place.path.endswith(".safetensors")
    for wanted in [place.path] if single else [f"{inside}{marker}" for marker in MARKERS]:
        found = try_to_load_from_cache(place.name, wanted, revision=place.revision)
        if isinstance(found, str):
            return Path(found.removesuffix(wanted))
    where = f"{place.name} at {place.revision}" + (f", {place.path}" if place.path else "")
    sentence = f"The Hugging Face cache of this machine does not hold {where}."
    raise Fault("weights_missing", sentence)


def _blob_digest(path: Path, digests: Digests) -> str:
    digest, blob = digests.of(path), path.resolve().name
    if BLOB.fullmatch(blob) and blob != digest:
        sentence = f"The cached file {path} is not the one that was fetched. Fetch it again."
        raise Fault("weights_altered", sentence)
    return digest
