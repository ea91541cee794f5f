"""A checkpoint leaves when it is told to: not from under a job, not when it is hot, and wholly."""

import threading

import pytest

from farm.engine.memory.pool import Pool
from shared.catalog import Catalog
from shared.errors import Refusal
from tests.farm.engine.memory.test_pool import Disk, catalog_of, made, units


@pytest.fixture
def five(catalog: Catalog) -> Catalog:
    return catalog_of(catalog, ["home", "a", "b", "hot"], hot="hot")


def code(pool: Pool, name: str) -> str:
    with pytest.raises(Refusal) as refused:
        pool.unload(name)
    return refused.value.code


@pytest.mark.parametrize("host", [0, 100])
def test_it_leaves_the_device_and_the_host(five: Catalog, host: int) -> None:
    pool, disk = made(five, host=host)
    before = units(pool), units(pool, "host")
    pool.get("a")
    pool.unload("a")
    assert pool.warm == ["home"]
    assert (units(pool), units(pool, "host")) == before
    pool.get("a")
    assert disk.reads.count("a") == 2


def test_what_is_read_ahead_leaves_the_host(five: Catalog) -> None:
    pool, disk = made(five)
    pool.expect(["b"])
    assert pool.ahead.wait(10)
    assert units(pool, "host") > 10
    pool.unload("b")
    pool.get("b")
    assert disk.reads.count("b") == 2


def test_what_somebody_holds_stays(five: Catalog) -> None:
    pool, _ = made(five)
    held = pool.get("a")
    assert code(pool, "a") == "in_use"
    assert held.family.sound()  # type: ignore[attr-defined]
    del held
    pool.unload("a")
    assert pool.warm == ["home"]


def test_what_is_being_brought_stays(five: Catalog) -> None:
    disk = Disk(dict.fromkeys(five.checkpoints, (8, 1, 1)))
    pool, _ = made(five, disk=disk)
    gate = disk.gates["a"] = threading.Event()
    disk.reading.clear()
    bringing = threading.Thread(target=pool.get, args=("a",))
    bringing.start()
    assert disk.reading.wait(10)
    try:
        assert code(pool, "a") == "in_use"
    finally:
        gate.set()
        bringing.join(10)
    assert "a" in pool.warm


def test_hot_ones_and_the_usual_one_stay(five: Catalog) -> None:
    pool, _ = made(five)
    pool.open()
    assert code(pool, "hot") == code(pool, "home") == "always_loaded"
    assert code(pool, "nowhere") == "unknown_checkpoint"
    assert pool.warm == ["home", "hot"]


def test_what_is_not_there_is_gone_already(five: Catalog) -> None:
    pool, _ = made(five)
    pool.unload("a")
    assert pool.warm == ["home"]
