"""Adapters by name: LoRAs, ControlNets, IP-Adapters, embeddings and VAEs of the catalog. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared import places
from shared.places import File, Folder, Place, Repo, require

KINDS = ("lora", "controlnet", "ip-adapter", "embedding", "vae")
TITLES = {
    "lora": "LoRA",
    "controlnet": "ControlNet",
    "ip-adapter": "IP-Adapter",
    "embedding": "embedding",
    "vae": "VAE",
}
SERVED = ("images", "styles", "characters")  # what an IP-Adapter may read of a prompt
CONFIGURED = ("controlnet", "vae")  # what has an architecture of its own


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """`plan` is the least plan that may use it ("": any), `words` what its training answered to.

    `weight` is how strongly it acts where nobody says; `preprocessor` makes a ControlNet's hint
    from a picture ("": the picture is one already); `encoder` reads an IP-Adapter's picture, and `serves`
    says which pictures of a prompt it is for.
    """

    name: str
    title: str
    kind: str
    family: str
    weights: Place
    licence: str
    plan: str = ""
    words: tuple[str, ...] = ()
    weight: float = 1.0
    preprocessor: str = ""
    encoder: Place | None = None
    serves: tuple[str, ...] = SERVED


READERS: dict[str, places.Reader] = {
    "title": places.text,
    "kind": places.text,
    "family": places.text,
    "licence": places.text,
    "plan": places.text,
    "words": places.texts,
    "weight": places.number,
    "preprocessor": places.text,
    "serves": places.texts,
}
FIELDS = READERS.keys() | places.FIELDS | {"encoder"}


def read_adapter(name: str, row: Mapping[str, Any], families: tuple[str, ...]) -> Adapter:
    """ValueError that names the row and the field."""
    try:
        stray = set(row) - FIELDS
        require(not stray, f"unknown fields: {', '.join(sorted(stray))}")
        lacking = {"kind", "family", "licence"} - set(row)
        require(not lacking, f"{', '.join(sorted(lacking))} must be given")
        place = places.read_place(row)
        given = {"title": name} | places.read_fields(row, READERS)
        adapter = Adapter(name=name, weights=place, encoder=_encoder(row, place), **given)
        _check(adapter, families)
    except ValueError as error:
        raise ValueError(f"adapter {name}: {error}") from None
    return adapter


def _encoder(row: Mapping[str, Any], place: Place) -> Place | None:
    """A folder, or for what comes from a repository a path inside the same one."""
    if "encoder" not in row:
        return None
    if isinstance(place, Repo):
        inside = places.read_fields({"path": row["encoder"]}, places.READERS)["path"]
        return Repo(place.name, place.revision, inside)
    return Folder(places.rooted(row["encoder"]))


def _check(adapter: Adapter, families: tuple[str, ...]) -> None:
    require(adapter.kind in KINDS, f"kind must be one of {KINDS}")
    require(adapter.family in families, f"family must be one of {families}")
    require(-4 <= adapter.weight <= 4, "weight must be from -4 to 4")
    bare = isinstance(adapter.weights, File) and adapter.weights.config is None
    lacking = bare and adapter.kind in CONFIGURED
    require(not lacking, f"config must name the folder of the {adapter.kind}'s config.json")
    reads = adapter.kind == "ip-adapter"
    require(reads == (adapter.encoder is not None), "encoder is an IP-Adapter's, and it needs one")
    strange = set(adapter.serves) - set(SERVED)
    require(not strange, f"serves: only {', '.join(SERVED)}")
    require(reads or adapter.serves == SERVED, "serves is an IP-Adapter's")
    hinted = not adapter.preprocessor or adapter.kind == "controlnet"
    require(hinted, "preprocessor is a ControlNet's")
