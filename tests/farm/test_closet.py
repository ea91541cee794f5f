"""LoRAs that people brought, on a worker's disk: whole, the right ones, and gone when they are deleted."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farm.closet import Closet
from shared import lorarows
from shared.catalog import read_catalog
from shared.config import SHARED, Settings
from shared.connections import Database
from shared.errors import Fault
from shared.ingredients import LoraUse
from shared.lorarows import Lora
from shared.storage import ObjectStore, open_store
from tests.farm.workshop import SPEC, Workshop

FILE = b"the numbers of a LoRA"
CATALOG = read_catalog(SHARED / "catalog.toml")


class Wardrobe:
    """A closet, and LoRAs that were brought into rows and store."""

    def __init__(self, database: Database, store: ObjectStore, folder: Path) -> None:
        self.database, self.store = database, store
        self.closet = Closet(folder, store, database, CATALOG)

    async def bring(self, name: str = "ink", data: bytes = FILE, **changes: Any) -> Lora:
        shop = await Workshop.open(self.database)
        key = lorarows.new_key()
        await self.store.put(key, data, mime="application/octet-stream")
        row: dict[str, Any] = {
            "account_id": shop.account.id,
            "name": name,
            "checkpoint": "postcards",
            "key": key,
            "sha256": hashlib.sha256(data).hexdigest(),
            "size": len(data),
        }
        async with self.database.begin() as session:
            return await lorarows.add(session, **row | changes)

    async def remove(self, lora: Lora) -> None:
        async with self.database.begin() as session:
            await lorarows.remove(session, lora.id)
        await self.store.delete(lora.key)

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.closet.folder.iterdir())


@pytest.fixture
def wardrobe(settings: Settings, database: Database, tmp_path: Path) -> Wardrobe:
    return Wardrobe(database, open_store(settings.storage), tmp_path / "loras")


def spec(*names: str) -> Any:
    return replace(SPEC, loras=tuple(LoraUse(name) for name in names))


async def code(wardrobe: Wardrobe, *names: str) -> str:
    with pytest.raises(Fault) as failed:
        await wardrobe.closet.wanted(spec(*names))
    return failed.value.code


async def test_a_file_is_fetched_once_and_then_at_hand(wardrobe: Wardrobe) -> None:
    ink = await wardrobe.bring()
    assert await wardrobe.closet.wanted(spec()) == []
    assert await wardrobe.closet.wanted(spec("sepia")) == []
    (garment,) = await wardrobe.closet.wanted(spec("sepia", ink.handle))
    assert (garment.name, garment.family, garment.sha256) == (ink.handle, "sd15", ink.sha256)
    assert Path(garment.path).read_bytes() == FILE
    await wardrobe.store.delete(ink.key)
    assert await wardrobe.closet.wanted(spec(ink.handle)) == [garment]


@pytest.mark.parametrize("broken", [b"", FILE[:-1], b"x" * len(FILE)])
async def test_a_file_that_is_not_what_it_is_called_is_fetched_anew(
    wardrobe: Wardrobe, broken: bytes
) -> None:
    ink = await wardrobe.bring()
    (garment,) = await wardrobe.closet.wanted(spec(ink.handle))
    Path(garment.path).write_bytes(broken)
    await wardrobe.closet.wanted(spec(ink.handle))
    assert Path(garment.path).read_bytes() == FILE


async def test_what_the_store_has_swapped_is_not_worn(wardrobe: Wardrobe) -> None:
    ink = await wardrobe.bring(sha256="0" * 64)
    assert await code(wardrobe, ink.handle) == "adapter_altered"
    assert not wardrobe.closet.folder.exists()


async def test_what_is_gone_says_so(wardrobe: Wardrobe) -> None:
    ink = await wardrobe.bring()
    assert await code(wardrobe, "ink.nobodys") == "adapter_gone"
    await wardrobe.store.delete(ink.key)
    assert await code(wardrobe, ink.handle) == "adapter_gone"
    other = await wardrobe.bring("other", b"other", checkpoint="a model of the past")
    assert await code(wardrobe, other.handle) == "adapter_gone"


async def test_what_was_deleted_leaves_the_disk_and_no_job_gets_it(wardrobe: Wardrobe) -> None:
    ink, wash = await wardrobe.bring(), await wardrobe.bring("wash", b"wash")
    await wardrobe.closet.wanted(spec(ink.handle, wash.handle))
    assert await wardrobe.closet.tidy() == []
    await wardrobe.remove(ink)
    assert await wardrobe.closet.tidy() == [ink.handle]
    assert wardrobe.files == [f"{wash.sha256}.safetensors"]
    assert await code(wardrobe, ink.handle) == "adapter_gone"
    assert await wardrobe.closet.tidy() == []


async def test_a_file_that_two_have_stays_for_the_other(wardrobe: Wardrobe) -> None:
    ink, same = await wardrobe.bring(), await wardrobe.bring("same")
    await wardrobe.closet.wanted(spec(ink.handle, same.handle))
    await wardrobe.closet.drop(ink.handle)
    assert wardrobe.files == [f"{ink.sha256}.safetensors"]
    await wardrobe.remove(ink)
    await wardrobe.closet.tidy()
    assert wardrobe.files == [f"{ink.sha256}.safetensors"]
    await wardrobe.closet.drop(same.handle)
    assert wardrobe.files == []


async def test_what_is_too_much_goes_the_oldest_first(wardrobe: Wardrobe) -> None:
    ink, wash = await wardrobe.bring(), await wardrobe.bring("wash", b"x" * len(FILE))
    (old,) = await wardrobe.closet.wanted(spec(ink.handle))
    await wardrobe.closet.wanted(spec(wash.handle))
    os.utime(old.path, (1, 1))
    wardrobe.closet.most_bytes = len(FILE)
    await wardrobe.closet.tidy()
    assert wardrobe.files == [f"{wash.sha256}.safetensors"]
