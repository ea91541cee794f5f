"""One owner for each GPU: by its UUID, whatever number a process knows it by."""

import asyncio
import os
import socket
from pathlib import Path

import pytest

from farm import gpu, ownership
from farm.ownership import owning
from shared.config import Settings
from shared.errors import Fault

FIRST, SECOND = "GPU-1111aaaa-0000", "GPU-2222bbbb-0000"
UUIDS = {"0": FIRST, "1": SECOND}


@pytest.mark.parametrize(
    ("device", "visible", "entry"),
    [
        ("cuda", None, "0"),
        ("cuda:1", None, "1"),
        ("cuda:0", "1", "1"),
        ("cuda:1", "3, 0", "0"),
        ("cuda:0", SECOND, SECOND),
    ],
)
def test_cuda_counts_among_what_it_may_see(device: str, visible: str | None, entry: str) -> None:
    assert gpu.chosen(device, visible) == entry


@pytest.mark.parametrize(("device", "visible"), [("cuda:1", "0"), ("cuda:0", "")])
def test_a_device_that_may_not_be_seen_is_none(device: str, visible: str) -> None:
    with pytest.raises(Fault, match="There is no cuda"):
        gpu.chosen(device, visible)


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ("1", SECOND),
        (SECOND, SECOND),
        ("GPU-2222", SECOND),
        ("GPU-", None),
        ("7", None),
        ("MIG-33", "MIG-33"),
    ],
)
def test_number_and_uuid_are_one_name(entry: str, name: str | None) -> None:
    assert gpu.named(entry, UUIDS) == name


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An nvidia-smi that knows two GPUs."""
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\nprintf '0, {FIRST}\\n1, {SECOND}\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv(gpu.VISIBLE, raising=False)
    return program


async def test_the_driver_is_asked(smi: Path) -> None:
    assert await gpu.name_of("cuda:1", {}) == SECOND
    assert await gpu.name_of("cuda:0", {gpu.VISIBLE: "1"}) == SECOND
    assert await gpu.name_of("cpu", {}) is None


async def test_without_a_driver_the_host_and_its_number_must_do(
    smi: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    assert await gpu.name_of("cuda:1", {}) == f"{socket.gethostname()} 1"


async def test_a_driver_that_hangs_holds_nobody_up(
    smi: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu, "ANSWER_WITHIN_S", 0.2)
    smi.write_text("#!/bin/sh\nexec sleep 60\n")
    async with asyncio.timeout(5):
        assert await gpu.name_of("cuda:1", {}) == f"{socket.gethostname()} 1"


def on(settings: Settings, device: str, name: str) -> Settings:
    worker = settings.worker.model_copy(update={"device": device, "name": name})
    return settings.model_copy(update={"worker": worker})


async def test_two_names_for_one_gpu_have_one_owner(
    smi: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ownership, "ASK_EVERY_S", 0.02)
    async with owning(on(settings, "cuda:1", "a")) as first:
        for one in first:
            await one.win()
        monkeypatch.setenv(gpu.VISIBLE, SECOND)
        async with owning(on(settings, "cuda:0", "b")) as second:
            name, mine = second
            await name.win()
            waiting = asyncio.create_task(mine.win())
            await asyncio.sleep(0.3)
            assert not waiting.done()
            await first[1].lock.close()
            async with asyncio.timeout(5):
                await waiting
            with pytest.raises(Fault, match="another worker's"):
                async with asyncio.timeout(5):
                    await first[1].keep()
        assert not first[1].ours


async def test_another_gpu_is_another_lock(smi: Path, settings: Settings) -> None:
    async with (
        owning(on(settings, "cuda:0", "a")) as first,
        owning(on(settings, "cuda:1", "b")) as second,
    ):
        for one in (*first, *second):
            async with asyncio.timeout(5):
                await one.win()


async def test_a_cpu_may_have_many_owners(settings: Settings) -> None:
    async with owning(on(settings, "cpu", "a")) as owned:
        assert [one.of for one in owned] == ["The name a"]


async def test_a_frozen_owner_keeps_its_gpu(
    smi: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A leader that says nothing for long is put out by Postgres. Who holds memory on a GPU is not."""
    from shared import leadership

    monkeypatch.setattr(leadership, "SILENT_FOR_MS", 200)
    async with (
        owning(on(settings, "cuda:0", "a")) as first,
        owning(on(settings, "cuda:0", "b")) as second,
    ):
        for one in first:
            await one.win()
        await asyncio.sleep(0.5)
        assert not await second[1].lock.won()
        assert await second[0].lock.won()
