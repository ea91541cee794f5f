"""Pictures that passed the filter become files in the store. Nothing else publishes anything."""

import asyncio
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from farm import pictures
from farm.engine.messages import Finding, Picture
from shared.errors import Fault
from shared.jobs import Job
from shared.storage import ObjectStore

PNG, WEBP = "image/png", "image/webp"


@dataclass(frozen=True, slots=True)
class Parcel:
    """One file on its way to the store. `kind` is grid, image or preview; `index` counts from 0."""

    kind: str
    index: int
    key: str
    data: bytes
    width: int
    height: int
    mime: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


async def pack(job: Job, drawn: Sequence[Picture]) -> list[Parcel]:
    """The grid first, then every tile. Encoding holds the processor, so it has a thread."""
    return await asyncio.to_thread(_pack, job, drawn)


async def pack_preview(job: Job, drawn: Sequence[Picture]) -> Parcel:
    return await asyncio.to_thread(_sheet, job, _tiles(job, drawn), "preview")


async def publish(
    store: ObjectStore,
    parcels: Sequence[Parcel],
    *,
    passed: Sequence[Finding],
    drawn: Sequence[Picture],
) -> None:
    """The one way out: each picture needs its own finding that allows exactly these pixels."""
    if not all_allowed(drawn, passed):
        raise Fault("unchecked_picture", "A picture without a passed check was about to be stored.")
    for parcel in parcels:
        await _put(store, parcel)


async def _put(store: ObjectStore, parcel: Parcel) -> None:
    """A store may say no and have stored it all the same: our key, our bytes, so it is done."""
    try:
        await store.put(parcel.key, parcel.data, mime=parcel.mime)
    except Fault as fault:
        if fault.code != "asset_exists":
            raise
        found = await store.get(parcel.key)
        if not parcel.data.startswith(found):
            raise
        if found != parcel.data:  # cut off on its way, and nobody else knows this key
            await store.delete(parcel.key)
            raise Fault("storage_down", "A part of the file arrived.", retryable=True) from fault


async def withdraw(store: ObjectStore, keys: Sequence[str]) -> None:
    """Best effort: what stays behind has no row, and the sweeper takes it."""
    for key in keys:
        try:
            await store.delete(key)
        except Fault:
            continue


def all_allowed(drawn: Sequence[Picture], findings: Sequence[Finding]) -> bool:
    """Hashes are computed here again: a finding counts for the pixels in hand, not for a claim."""
    return (
        len(drawn) > 0
        and len(drawn) == len(findings)
        and all(finding.decision == "allow" for finding in findings)
        and all(digest(p) == f.sha256 for p, f in zip(drawn, findings, strict=True))
    )


def digest(picture: Picture) -> str:
    return hashlib.sha256(picture.rgb).hexdigest()


def _pack(job: Job, drawn: Sequence[Picture]) -> list[Parcel]:
    tiles = _tiles(job, drawn)
    named = zip(drawn, tiles, strict=True)
    return [_sheet(job, tiles, "grid"), *(_tile(job, picture, tile) for picture, tile in named)]


def _tiles(job: Job, drawn: Sequence[Picture]) -> list[Image.Image]:
    spec = job.spec
    return [pictures.enlarged(p, scale=spec.scale, pixel_art=spec.pixel_art) for p in drawn]


def _sheet(job: Job, tiles: Sequence[Image.Image], kind: str) -> Parcel:
    sheet = pictures.grid(tiles)
    data = pictures.webp(sheet, pixel_art=job.spec.pixel_art)
    return Parcel(kind, 0, _key(job, f"{kind}.webp"), data, *sheet.size, mime=WEBP)


def _tile(job: Job, picture: Picture, tile: Image.Image) -> Parcel:
    recipe = pictures.recipe(job.spec, prompt=job.prompt, seed=picture.seed)
    data = pictures.png(tile, parameters=recipe, job_id=str(job.id))
    return Parcel(
        "image", picture.index, _key(job, f"{picture.index}.png"), data, *tile.size, mime=PNG
    )


def _key(job: Job, name: str) -> str:
    """128 random bits: a key cannot be guessed, and no attempt ever writes over another's."""
    return f"{job.id}/{job.attempt}/{secrets.token_hex(16)}-{name}"
