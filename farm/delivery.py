"""Pictures that passed the filter become files in the store. Nothing else publishes anything."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from farm.engine.messages import Finding, Picture
from shared.errors import Fault
from shared.storage import ObjectStore

PNG, WEBP = "image/png", "image/webp"


@dataclass(frozen=True, slots=True)
class Parcel:
    """One file on its way to the store. `kind` is grid, image, recipe or preview; `index` counts from 0."""

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
