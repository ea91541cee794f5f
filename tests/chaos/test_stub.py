"""The stub keeps the engine's promises on the real pipe: it resumes, gives back, drops, and dies."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from farm.engine.client import EngineClient, EngineOptions
from farm.engine.messages import (
    Drain,
    Drop,
    Expect,
    Failed,
    GivenBack,
    Inspect,
    Inspected,
    Picture,
    Ready,
    Render,
    Rendered,
    Report,
    Stepped,
    ToParent,
)
from shared.config import SHARED
from shared.spec import WeightedText
from tests.chaos.children import stub
from tests.chaos.points import Points
from tests.chaos.stub import CRACKED, KRAKEN, VEILED
from tests.farm.workshop import SPEC

T = TypeVar("T", bound=ToParent)
TINY = replace(SPEC, width=8, height=8, steps=40, scale=1)


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.points = Points(folder, "w1")
        self.clients: list[EngineClient] = []

    async def start(self, *, step_ms: float = 1.0) -> EngineClient:
        options = EngineOptions(snapshots=self.folder / "snaps", catalog=SHARED / "catalog.toml")
        client = await stub(self.folder, name="w1", step_ms=step_ms)(options)
        self.clients.append(client)
        await said(client, Ready)
        return client

    async def close(self) -> None:
        for client in self.clients:
            with contextlib.suppress(ProcessLookupError):
                client.kill()
            await client.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    await bench.close()


def order(word: str = "boat", *, attempt: int = 1, **changes: Any) -> Render:
    spec = replace(TINY, texts=(WeightedText(f"a {word}"),), **changes)
    return Render("job-1", attempt, spec.as_dict(), snapshot_every=5)


async def said(client: EngineClient, kind: type[T], *, at: int = 0) -> T:
    """The next message of this kind, at step `at` or later."""
    async with asyncio.timeout(10):
        async for message in client.messages():
            if isinstance(message, kind) and getattr(message, "step", at) >= at:
                return message
    raise AssertionError(f"it ended without {kind.__name__}")


def hashes(rendered: Rendered) -> list[str]:
    return [picture.sha256 for picture in rendered.pictures]


async def drawn(client: EngineClient, render: Render) -> Rendered:
    await client.send(render)
    return await said(client, Rendered)


async def test_pixels_are_a_function_of_spec_and_seed(bench: Bench) -> None:
    client = await bench.start()
    first = await drawn(client, order())
    assert len(set(hashes(first))) == TINY.images
    assert first.resumed_from == 0
    await client.send(Drop("job-1"))
    assert hashes(await drawn(client, order())) == hashes(first)
    assert hashes(await drawn(client, order(seed=8))) != hashes(first)
    assert hashes(await drawn(client, order("house"))) != hashes(first)


@pytest.mark.parametrize("how", ["killed", "drained"])
async def test_the_next_life_resumes_and_draws_the_same(bench: Bench, how: str) -> None:
    whole = await drawn(await bench.start(), order())
    await bench.clients[0].send(Drop("job-1"))
    client = await bench.start(step_ms=5)
    await client.send(order())
    await said(client, Stepped, at=22)
    if how == "killed":
        client.kill()
    else:
        await client.send(Drain())
        assert (await said(client, GivenBack)).step >= 22
        assert await client.wait() == 0
    again = await drawn(await bench.start(), order(attempt=2))
    assert again.resumed_from >= 20
    assert hashes(again) == hashes(whole)


@pytest.mark.parametrize("harm", ["cut", "bit", "foreign"])
async def test_a_damaged_or_foreign_snapshot_is_passed_over(bench: Bench, harm: str) -> None:
    client = await bench.start(step_ms=5)
    await client.send(order())
    await said(client, Stepped, at=22)
    client.kill()
    await client.wait()
    newest = max((bench.folder / "snaps" / "job-1").glob("*.sketch"))
    text = newest.read_text()
    if harm == "foreign":
        assert (await drawn(await bench.start(), order("cat"))).resumed_from == 0
        return
    newest.write_text(text[:-10] if harm == "cut" else text.replace('"step": 2', '"step": 3'))
    again = await drawn(await bench.start(), order(attempt=2))
    assert 0 < again.resumed_from < 20


async def test_drop_stops_and_forgets(bench: Bench) -> None:
    client = await bench.start(step_ms=5)
    await client.send(order())
    await said(client, Stepped, at=12)
    await client.send(Drop("job-1"))
    await client.send(Expect(["other"]))
    assert (await said(client, Report)).checkpoints == ["postcards", "other"]
    assert not (bench.folder / "snaps" / "job-1").exists()
    assert (await drawn(client, order())).resumed_from == 0


async def test_trouble_in_the_prompt(bench: Bench) -> None:
    client = await bench.start()
    veiled = await drawn(client, order(VEILED))
    assert {finding.decision for finding in veiled.findings} == {"block"}
    await client.send(order(CRACKED))
    assert not (await said(client, Failed)).retryable
    await client.send(order(KRAKEN))
    assert await client.wait() == -signal.SIGKILL
    assert "job-1" in (bench.folder / "deaths.jsonl").read_text()


async def test_a_picture_is_inspected(bench: Bench) -> None:
    client = await bench.start()
    rgb = bytes(192)
    await client.send(Inspect("job-2", [Picture(0, 8, 8, rgb, sha256="", seed=1)]))
    assert (await said(client, Inspected)).findings[0].decision == "allow"


async def test_it_dies_where_it_is_told(bench: Bench) -> None:
    client = await bench.start(step_ms=5)
    bench.points.strike("mid_step", at=10)
    await client.send(order())
    assert await client.wait() == -signal.SIGKILL
    assert bench.points.struck("mid_step")
