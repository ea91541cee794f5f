"""Pictures that passed the filter become files: marked, encoded, signed, and hashed, in this order."""

import asyncio
import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from PIL import Image

from farm import pictures
from farm.delivery import PNG, WEBP, Parcel
from farm.engine.messages import Garment, Picture
from farm.recipes import Weights, recipe
from farm.safety.looks import looks_of
from farm.safety.provenance import Claim, Provenance, open_provenance
from farm.safety.watermark import WHOLE, code_of
from shared.catalog import read_catalog
from shared.config import Settings
from shared.fingerprints import GRID, Fingerprint
from shared.jobs import Job
from shared.places import File

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Packed:
    """The grid first, then every tile, last the recipe."""

    parcels: Sequence[Parcel]
    fingerprints: Sequence[Fingerprint]


class Packer:
    """Packing holds the processor, so it has a thread. `now` is the time that manifests tell."""

    def __init__(
        self,
        provenance: Provenance,
        weights: Weights,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._provenance, self._weights, self._now = provenance, weights, now

    def bring(self, garments: Sequence[Garment]) -> None:
        """Recipes name the weights of LoRAs that people brought, too."""
        for one in garments:
            self._weights.bring(one.name, File(Path(one.path), sha256=one.sha256))

    async def pack(self, job: Job, drawn: Sequence[Picture]) -> Packed:
        """Fault `not_marked` or `not_signed`: a picture that cannot say where it is from stays here."""
        return await asyncio.to_thread(self._pack, job, drawn)

    async def pack_preview(self, job: Job, drawn: Sequence[Picture]) -> Parcel:
        """Neither marked nor signed: a rough picture that is gone when the true one is there."""
        return await asyncio.to_thread(_preview, job, drawn)

    def _pack(self, job: Job, drawn: Sequence[Picture]) -> Packed:
        code, at = code_of(job.id), self._now()
        told = recipe(job, drawn, weights=self._weights, code=code, at=at)
        signed = partial(self._signed, self._claim(job, told, at))
        plain, mark = _tiles(job, drawn), self._provenance.mark
        # The sheet has a mark of its own, over all of it: a cut through four marks would have none.
        sheet = mark(pictures.grid(plain), code, index=WHOLE)
        tiles = [mark(t, code, index=p.index) for p, t in zip(drawn, plain, strict=True)]
        files = [self._grid(job, sheet)]
        files += [_tile(job, picture, tile) for picture, tile in zip(drawn, tiles, strict=True)]
        shown = {GRID: sheet} | {p.index: tile for p, tile in zip(drawn, tiles, strict=True)}
        prints = [Fingerprint(number, code, looks_of(image)) for number, image in shown.items()]
        return Packed([*map(signed, files), _recipe(job, told)], prints)

    def _claim(self, job: Job, told: bytes, at: datetime) -> Claim:
        checkpoint = job.spec.checkpoint
        return Claim(
            job=str(job.id),
            spec_sha256=job.spec.sha256(),
            checkpoint=checkpoint,
            checkpoint_sha256=self._weights.sha256(checkpoint),
            recipe_sha256=hashlib.sha256(told).hexdigest(),
            at=at,
            prompt=job.prompt if self._provenance.tells_prompt else None,
        )

    def _grid(self, job: Job, sheet: Image.Image) -> Parcel:
        return _sheet(job, sheet, "grid", exact=job.spec.pixel_art and not self._provenance.marks)

    def _signed(self, claim: Claim, parcel: Parcel) -> Parcel:
        named = replace(claim, picture=f"{parcel.kind} {parcel.index}")
        data = self._provenance.sign(parcel.data, mime=parcel.mime, claim=named)
        return replace(parcel, data=data)


def open_packer(settings: Settings) -> Packer:
    """Fault unless pictures can be marked and signed, or that is switched off."""
    provenance = open_provenance(settings.provenance)
    return Packer(provenance, Weights(read_catalog(settings.catalog_file)))


def _preview(job: Job, drawn: Sequence[Picture]) -> Parcel:
    sheet = pictures.grid(_tiles(job, drawn))
    return _sheet(job, sheet, "preview", exact=job.spec.pixel_art)


def _tiles(job: Job, drawn: Sequence[Picture]) -> list[Image.Image]:
    spec = job.spec
    return [pictures.enlarged(p, scale=spec.scale, pixel_art=spec.pixel_art) for p in drawn]


def _sheet(job: Job, sheet: Image.Image, kind: str, *, exact: bool) -> Parcel:
    data = pictures.webp(sheet, exact=exact)
    return Parcel(kind, 0, _key(job, f"{kind}.webp"), data, *sheet.size, mime=WEBP)


def _tile(job: Job, picture: Picture, tile: Image.Image) -> Parcel:
    parameters = pictures.recipe(job.spec, prompt=job.prompt, seed=picture.seed)
    data = pictures.png(tile, parameters=parameters, job_id=str(job.id))
    return Parcel(
        "image", picture.index, _key(job, f"{picture.index}.png"), data, *tile.size, mime=PNG
    )


def _recipe(job: Job, told: bytes) -> Parcel:
    return Parcel("recipe", 0, _key(job, "recipe.json"), told, 0, 0, mime=JSON)


def _key(job: Job, name: str) -> str:
    """128 random bits: a key cannot be guessed, and no attempt ever writes over another's."""
    return f"{job.id}/{job.attempt}/{secrets.token_hex(16)}-{name}"
