"""The real child over a real pipe: how it starts, works, is drained, and dies."""

import asyncio
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farm import child as farm_child
from farm.child import EngineGone, Talk
from farm.engine import frames
from farm.engine.client import EngineClient, EngineOptions
from farm.engine.messages import (
    Drain,
    Drop,
    Expect,
    Failed,
    GivenBack,
    Inspect,
    Inspected,
    Loading,
    Paused,
    Ready,
    Render,
    Rendered,
    Report,
    Stepped,
    ToParent,
)
from farm.pulse import Patience
from shared.config import SHARED
from shared.errors import Fault
from tests.farm.engine.desk import Desk, recipe
from tests.farm.engine.twin import catalog_with_twin

SPEC = recipe(steps=40, images=1)


class Child:
    """A client and what it has said so far."""

    def __init__(self, client: EngineClient) -> None:
        self.client = client
        self.said: list[ToParent] = []
        self.stream = client.messages()

    async def until(self, kind: type[Any], job_id: str | None = None) -> Any:
        async with asyncio.timeout(60):
            async for message in self.stream:
                self.said.append(message)
                of = getattr(message, "job_id", None)
                if isinstance(message, kind) and job_id in (None, of):
                    return message
        raise AssertionError(f"the child ended without {kind.__name__}: {self.said[-3:]}")

    async def render(self, job_id: str, **render: Any) -> None:
        wanted: dict[str, Any] = {
            "attempt": 1,
            "spec": SPEC.as_dict(),
            "snapshot_every": 1,
        } | render
        await self.client.send(Render(job_id=job_id, **wanted))


Start = Callable[[], Awaitable[Child]]


def options(folder: Path) -> EngineOptions:
    catalog = SHARED / "catalog.toml"
    return EngineOptions(folder / "snapshots", catalog, threads=1, log_level="CRITICAL")


async def start_altered(prologue: str, chosen: EngineOptions) -> EngineClient:
    """A real child in which these lines of Python ran first."""
    ours, theirs = socket.socketpair()
    code = f"""
import sys
from farm.engine import process
{prologue}
process.end(process.main(sys.argv[1:]))
"""
    arguments = ["--fd", str(theirs.fileno()), *chosen.arguments()]
    with theirs:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", code, *arguments), pass_fds=(theirs.fileno(),)
        )
    return EngineClient(child, *await asyncio.open_connection(sock=ours))


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[[], Awaitable[Child]]]:
    """A child on this test's snapshots; none outlives the test."""
    children: list[Child] = []

    async def begin() -> Child:
        child = Child(await EngineClient.start(replace(options(tmp_path), vram_gb=3)))
        children.append(child)
        return child

    yield begin
    for child in children:
        child.client.kill()
        await child.client.close()


async def test_a_life_from_ready_to_drain(start: Start, tmp_path: Path) -> None:
    """One process for many assertions, since each costs seconds to start."""
    child = await start()
    ready = await child.until(Ready)
    child.client.process.send_signal(signal.SIGINT)  # Ctrl-C in a terminal is not for the child
    assert (ready.device, ready.checkpoints) == ("cpu", ["postcards"])
    report = await child.until(Report)
    assert (report.checkpoints, report.tiers["device"].budget) == (["postcards"], 3 * 2**30)
    device = report.tiers["device"]
    assert (ready.vram_bytes, ready.free_bytes) == (3 * 2**30, device.budget - device.used)

    await child.render("good")
    await child.render("bad", spec=recipe(sampler="magic").as_dict())
    assert (await child.until(Failed, "bad")).code == "unknown_sampler"
    rendered = await child.until(Rendered, "good")
    assert [one.sha256 for one in rendered.findings] == [one.sha256 for one in rendered.pictures]

    await child.client.send(Inspect("tile", rendered.pictures))
    assert (await child.until(Inspected, "tile")).findings == rendered.findings
    await child.client.send(Drop("good"))  # delivered: its snapshots may go

    await child.render("gone")
    await child.until(Stepped, "gone")
    await child.client.send(Drop("gone"))
    await child.render("kept", attempt=3)
    await child.until(Stepped, "kept")
    await child.client.send(Drain())
    back = await child.until(GivenBack)
    assert (back.job_id, back.attempt) == ("kept", 3)
    assert await child.client.wait() == 0
    assert [one.name for one in (tmp_path / "snapshots").iterdir()] == ["kept"]
    last = [message async for message in child.stream]
    assert [type(message) for message in last] == [Report]
    with pytest.raises(Fault, match="stopped"):
        await child.client.send(Drain())


async def test_killed_at_a_random_step_the_next_one_draws_the_same_pixels(
    start: Start, desk: Desk
) -> None:
    expected = desk.render(SPEC).pictures
    seed = random.randrange(2**32)
    first = await start()
    await first.render("job")
    for _ in range(random.Random(seed).randrange(2, 5)):
        await first.until(Stepped)
    first.client.process.send_signal(signal.SIGKILL)
    assert await first.client.wait() == -signal.SIGKILL

    second = await start()
    await second.render("job", attempt=2)
    rendered = await second.until(Rendered)
    assert rendered.resumed_from > 0, f"seed {seed}"
    assert rendered.pictures == expected, f"seed {seed}"

    await second.render("later")
    await second.until(Stepped, "later")
    second.client.process.send_signal(signal.SIGTERM)  # a deploy is a drain
    await second.until(GivenBack, "later")
    assert await second.client.wait() == 0


@pytest.mark.slow
async def test_a_job_that_gave_way_is_drained_and_goes_on_elsewhere(
    tmp_path: Path, start: Start, desk: Desk
) -> None:
    """Room for one picture: turbo has it at the next step, and keeps it until the deploy."""
    # Many steps, so that it still runs when turbo is prepared, however busy the machine is.
    relaxed = recipe(steps=400, images=1, sampler="ddim")
    expected = desk.render(relaxed).pictures
    child = Child(await EngineClient.start(replace(options(tmp_path), rows=2)))
    try:
        await child.render("relaxed", spec=relaxed.as_dict(), rank=2, snapshot_every=0)
        await child.until(Stepped, "relaxed")
        long = recipe(steps=900, images=1, sampler="ddim")
        await child.render("turbo", spec=long.as_dict(), rank=0)
        await child.until(Stepped, "turbo")
        paused = await child.until(Paused, "relaxed")
        assert (paused.steps, paused.faster) == (400, True)
        child.client.process.send_signal(signal.SIGTERM)
        back = await child.until(GivenBack, "relaxed")
        await child.until(GivenBack, "turbo")
        assert await child.client.wait() == 0
    finally:
        child.client.kill()
        await child.client.close()

    elsewhere = await start()
    await elsewhere.render("relaxed", spec=relaxed.as_dict(), attempt=2)
    rendered = await elsewhere.until(Rendered)
    assert rendered.resumed_from == back.step > 0
    assert rendered.pictures == expected


# Loads, decoding and filters that never end, each for the job that asks for it, deep inside torch.
STUCK = """
import torch
from farm.engine.decoding import Decoder
from farm.engine.memory.pool import Pool
from farm.safety.images import ImageFilter
def stuck():
    one = torch.ones(300, 300)
    while True:
        one @ one
def unless(owner, name, hangs):
    plain = getattr(owner, name)
    setattr(owner, name, lambda self, *a, **k: stuck() if hangs(*a) else plain(self, *a, **k))
unless(Pool, "get", lambda name, *_: name == "slow")
unless(Decoder, "pictures", lambda family, latents, *_: len(latents) == 2)
unless(ImageFilter, "inspect", lambda pictures: len(pictures) == 3)
"""


async def test_an_expected_checkpoint_is_warm_before_its_job_arrives(tmp_path: Path) -> None:
    catalog = catalog_with_twin(tmp_path, "twin")
    child = Child(await EngineClient.start(replace(options(tmp_path), catalog=catalog, vram_gb=3)))
    try:
        ready = await child.until(Ready)
        assert ready.checkpoints == ["postcards"]
        await child.client.send(Expect(["twin", "nowhere"]))
        told = await child.until(Report)
        while told.checkpoints != ["postcards", "twin"]:
            told = await child.until(Report)
        assert (told.loads["ahead"].count, told.loads["disk"].count) == (1, 1)
        assert told.tiers["device"].free == ready.free_bytes  # it would leave for another

        await child.render("job", spec=recipe(checkpoint="twin", images=1).as_dict())
        await child.until(Rendered, "job")
        assert not [one for one in child.said if isinstance(one, Loading)]
        await child.client.send(Drain())
        last = await child.until(Report)
        assert (last.misses, last.loads["ahead"].count) == (told.misses, 1)
    finally:
        child.client.kill()
        await child.client.close()


async def test_sigterm_gives_back_each_job_once_wherever_it_is(tmp_path: Path) -> None:
    """Threads that no interpreter could stop do not keep it, nor spoil its end."""
    catalog = catalog_with_twin(tmp_path, "slow")
    client = await start_altered(STUCK, replace(options(tmp_path), catalog=catalog))
    child = Child(client)
    try:
        for job_id, spec in {
            "inspected": recipe(steps=2, images=3),
            "decoded": recipe(steps=2, images=2),
            "drawn": recipe(steps=900, images=1, sampler="ddim"),
            "loaded": recipe(checkpoint="slow"),
        }.items():
            await child.render(job_id, spec=spec.as_dict())
            said: Any = None
            while said is None or getattr(said, "step", 2) < 2:
                said = await child.until(Loading if job_id == "loaded" else Stepped, job_id)
        client.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            rest = [message async for message in child.stream]
            assert await client.wait() == 0
    finally:
        client.kill()
        await client.close()
    back = [message for message in child.said + rest if isinstance(message, GivenBack)]
    assert sorted(one.job_id for one in back) == ["decoded", "drawn", "inspected", "loaded"]
    steps = {one.job_id: one.step for one in back}
    assert (steps["inspected"], steps["decoded"], steps["loaded"]) == (2, 2, 0)
    assert not any(isinstance(message, Rendered | Failed) for message in child.said + rest)


# After six forwards a step never ends.
BUSY = """
from farm.engine import serving, watchdog
from farm.engine.cohort import Cohort
class Watchdog(watchdog.Watchdog):
    def __init__(self):
        super().__init__(watchdog.Patience(times=100, least_s=3))
serving.Watchdog = Watchdog
plain, forwards = Cohort.denoise, []
def denoise(self):
    forwards.append(1)
    while len(forwards) > 6:
        pass
    return plain(self)
Cohort.denoise = denoise
"""


class Midwife:
    """The first child it starts loses itself in a step; the next are like any other."""

    def __init__(self, chosen: EngineOptions) -> None:
        self.chosen = chosen
        self.born: list[EngineClient] = []

    async def start(self) -> EngineClient:
        first = not self.born
        start = start_altered(BUSY, self.chosen) if first else EngineClient.start(self.chosen)
        self.born.append(await start)
        return self.born[-1]


async def hear(talk: Talk, kind: type[Any], *, step: int = 0) -> Any:
    async with asyncio.timeout(90):
        while True:
            message = await talk.hear()
            if isinstance(message, kind) and getattr(message, "step", step) >= step:
                return message


async def test_a_child_that_hangs_is_replaced_and_its_job_goes_on(
    tmp_path: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First a step that never ends, which the child's own watchdog sees; then a whole process that
    stands still, which only its parent can see."""
    expected = desk.render(SPEC).pictures
    monkeypatch.setattr(farm_child, "FIRST_PAUSE_S", 0.01)
    midwife = Midwife(options(tmp_path))
    child = farm_child.Child(midwife.start, patience=Patience(least_s=8))
    running = asyncio.create_task(child.run())

    async def order(attempt: int) -> Talk:
        async with asyncio.timeout(90):
            while child.ready is None:
                await asyncio.sleep(0.02)
        talk = child.open("job", attempt)
        await talk.say(Render("job", attempt, SPEC.as_dict(), snapshot_every=1))
        return talk

    try:
        for attempt in (1, 2):
            talk = await order(attempt)
            if attempt == 2:
                await hear(talk, Stepped, step=8)
                midwife.born[-1].process.send_signal(signal.SIGSTOP)
            with pytest.raises(EngineGone):
                await hear(talk, Rendered)
        rendered = await hear(await order(3), Rendered)
    finally:
        await child.drain()
        await asyncio.wait([running], timeout=10)
        child.kill()
    assert [client.returncode for client in midwife.born] == [70, -signal.SIGKILL, 0]
    assert rendered.resumed_from > 6
    assert rendered.pictures == expected


# Says much to a parent that is slow to read, and ends at once, without torch.
TALKATIVE = """
import time, types
from farm.engine import frames
from farm.engine.messages import Ready
from shared.errors import Fault
def serve(place, catalog, mailbox, outbox):
    for _ in range(20):
        outbox.send(Ready("cpu", "cpu", []))
    {ending}
pack = frames.pack
frames.pack = lambda payload: time.sleep(0.02) or pack(payload)
sys.modules["farm.engine.serving"] = types.SimpleNamespace(serve=serve, Place=lambda *a, **k: None)
"""


@pytest.mark.parametrize(
    ("ending", "code"),
    [("return", 0), ("raise Fault('device_sick', 'It is sick.')", 78), ("1 / 0", 1)],
)
async def test_all_it_said_is_heard_however_it_ends(tmp_path: Path, ending: str, code: int) -> None:
    client = await start_altered(TALKATIVE.format(ending=ending), options(tmp_path))
    assert len([message async for message in client.messages()]) == 20
    assert await client.close() == code


async def test_a_closed_pipe_ends_it_even_while_it_starts(start: Start) -> None:
    child = await start()
    assert await child.client.close() == 0
    assert not child.said


async def test_a_catalog_it_cannot_use_says_so_with_its_exit_code(tmp_path: Path) -> None:
    broken = tmp_path / "catalog.toml"
    broken.write_text("default = 3")
    client = await EngineClient.start(EngineOptions(tmp_path, broken, log_level="CRITICAL"))
    assert [message async for message in client.messages()] == []
    assert await client.close() == 78


async def test_a_filter_without_its_weights_says_so_and_ends_it(tmp_path: Path) -> None:
    """The judge's folder is no setting, so this child is told of another one before it starts."""
    ours, theirs = socket.socketpair()
    code = f"""
import pathlib, sys
from farm.engine.process import end, main
from farm.postcards import manifest
manifest.weights_folder = lambda name: pathlib.Path({str(tmp_path)!r}, name)
end(main(sys.argv[1:]))
"""
    arguments = ["--fd", str(theirs.fileno()), *options(tmp_path).arguments()]
    with ours, theirs:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", code, *arguments),
            pass_fds=(theirs.fileno(),),
            stderr=asyncio.subprocess.PIPE,
        )
        theirs.close()  # the child's end is the only one: when it ends, so does the pipe
        _, said = await asyncio.wait_for(child.communicate(), timeout=60)
        assert frames.receive(ours) is None  # no Ready
    assert child.returncode == 78
    lines = [line for line in said.decode().splitlines() if "cannot run here" in line]
    assert len(lines) == 1
    assert "(weights_missing)" in lines[0]
    assert f"no folder of weights at {tmp_path / 'judge'}" in lines[0]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's end")
async def test_a_parent_that_is_killed_takes_it_along(tmp_path: Path) -> None:
    code = f"""
import asyncio, pathlib
from farm.engine.client import EngineClient, EngineOptions
async def main():
    client = await EngineClient.start(EngineOptions(
        pathlib.Path({str(tmp_path)!r}), pathlib.Path({str(SHARED / "catalog.toml")!r}), threads=1,
        log_level="CRITICAL"))
    print(client.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(20):
        while is_alive(pid):
            await asyncio.sleep(0.02)


def is_alive(pid: int) -> bool:
    """A zombie that nobody has waited for is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_no_secret_of_ours_reaches_the_child(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PICTOR_DISCORD__TOKEN", "canary")
    child = await start()
    environment = Path(f"/proc/{child.client.pid}/environ")
    async with asyncio.timeout(10):
        while b"HF_HUB_OFFLINE" not in environment.read_bytes():
            await asyncio.sleep(0.01)
    assert b"canary" not in environment.read_bytes()


def test_a_frame_no_message_can_have_is_refused() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(frames.HEADER.pack(frames.LARGEST + 1))
        with pytest.raises(frames.BrokenFrame):
            frames.receive(theirs)


def test_a_frame_cut_short_is_the_end() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            ours.sendall(frames.pack(b"picture")[:-1])
        assert frames.receive(theirs) is None
