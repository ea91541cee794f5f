"""One job at its worker with a scripted engine: real rows, real ledger, a real store on disk."""

import asyncio
import hashlib
import json
import math
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import select

from farm import blame, delivery, pictures, sources
from farm import render as render_module
from farm.child import Child, OwnershipLost, Talk
from farm.endings import Bench
from farm.engine import frames
from farm.engine.messages import (
    Drop,
    Failed,
    GivenBack,
    Inspect,
    Inspected,
    Loading,
    Paused,
    Preview,
    Render,
    Stepped,
    ToChild,
    ToParent,
)
from farm.packing import Packer
from farm.recipes import Weights
from farm.render import Walk
from farm.safety.provenance import Unproven
from shared import assets, history, jobstore, ledger, peopletables, tables
from shared.catalog import read_catalog
from shared.config import SHARED, Settings
from shared.connections import Database
from shared.errors import Fault
from shared.events import EventKind, JobEvent
from shared.jobs import Job, JobState
from shared.spec import ControlUse, RenderKind, RenderSpec, Source
from shared.storage import LocalStore
from tests.farm.workshop import (
    BOOK,
    PACKER,
    ScriptedEngine,
    Workshop,
    finding,
    picture,
    rendered,
)


@dataclass
class Heard:
    """What was published, in order."""

    events: list[JobEvent] = field(default_factory=list)

    async def publish(self, *events: JobEvent) -> None:
        self.events.extend(events)

    def of(self, kind: EventKind) -> list[JobEvent]:
        return [event for event in self.events if event.kind is kind]

    @property
    def states(self) -> list[str | None]:
        return [event.state for event in self.of(EventKind.STATE)]


@dataclass
class Stage:
    """A worker's bench, one scripted engine, and one job on it."""

    workshop: Workshop
    bench: Bench
    heard: Heard
    engine: ScriptedEngine
    child: Child
    folder: Path
    leaving: bool = False
    outages: int = 0

    def walk(self, job: Job) -> tuple[Walk, Talk]:
        talk = self.child.open(str(job.id), job.attempt)
        walk = Walk(
            job, talk, self.bench, leaving=lambda: self.leaving, outage=self.count_an_outage
        )
        return walk, talk

    def count_an_outage(self) -> None:
        self.outages += 1

    async def run(self, job: Job) -> Job:
        walk, _ = self.walk(job)
        async with asyncio.timeout(20):
            await walk.run()
        return await self.workshop.row(job.id)

    def files(self) -> list[Path]:
        return sorted(path for path in self.folder.rglob("*") if path.is_file())

    async def verdicts(self, job: Job) -> list[Any]:
        table = tables.verdicts
        async with self.workshop.database.read() as session:
            query = select(table).where(table.c.job_id == job.id).order_by(table.c.id)
            return list((await session.execute(query)).all())

    async def strikes(self) -> list[Any]:
        async with self.workshop.database.read() as session:
            query = select(tables.audit).where(tables.audit.c.action == "strike")
            return list((await session.execute(query)).all())

    async def cases(self) -> list[Any]:
        async with self.workshop.database.read() as session:
            return list((await session.execute(select(peopletables.cases))).all())


def answers(**changes: Any) -> Any:
    """An engine that finishes every job at once."""

    def script(message: ToChild) -> Iterable[ToParent]:
        if isinstance(message, Render):
            yield rendered(message, **changes)

    return script


@pytest.fixture
async def stage(database: Database, settings: Settings, tmp_path: Path) -> AsyncIterator[Stage]:
    heard, engine = Heard(), ScriptedEngine(answers())
    folder = tmp_path / "assets"
    bench = Bench(
        database=database,
        store=LocalStore(folder, "http://images.example"),
        events=heard,  # type: ignore[arg-type]
        book=BOOK,
        settings=settings.worker,
        packer=PACKER,
    )

    async def start() -> ScriptedEngine:
        return engine

    child = Child(start)
    running = asyncio.create_task(child.run())
    workshop = await Workshop.open(database)
    async with asyncio.timeout(5):
        while child.ready is None:
            await asyncio.sleep(0.005)
    yield Stage(workshop, bench, heard, engine, child, folder)
    running.cancel()
    await asyncio.wait([running])
    await bench.cell.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render_module, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(render_module, "STORAGE_PATIENCE_S", 0.1)


# --- the good way ------------------------------------------------------------------------------


async def test_a_job_ends_in_files_rows_and_a_settled_bill(stage: Stage) -> None:
    before = await stage.workshop.balance()
    job = await stage.run(claimed := await stage.workshop.claimed())
    assert (job.state, job.gpu_ms, job.charged_ms) == (JobState.SUCCEEDED, 300, 300)
    after = await stage.workshop.balance()
    assert (after.held_ms, after.available_ms) == (0, before.available_ms - 300)
    assert await stage.workshop.books_balance()
    assert stage.heard.states == ["succeeded"]
    assert stage.engine.sent[-1] == Drop(str(claimed.id), forget=True)


async def test_every_asset_is_a_file_with_the_hash_of_its_row(stage: Stage) -> None:
    job = await stage.run(await stage.workshop.claimed())
    async with stage.workshop.database.read() as session:
        rows = await assets.assets(session, job.id)
    assert [(row.kind, row.index) for row in rows] == [
        ("grid", 0), ("image", 0), ("image", 1), ("image", 2), ("image", 3), ("recipe", 0),
    ]  # fmt: skip
    *shown, written = rows
    told = json.loads(await stage.bench.store.get(written.key))
    assert RenderSpec.from_dict(told["spec"]) == job.spec
    for row in shown:
        data = await stage.bench.store.get(row.key)
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (row.sha256, row.size)
        assert Image.open(BytesIO(data)).size == (row.width, row.height)
        assert row.key.startswith(f"{job.id}/1/")
    assert (rows[0].width, rows[0].mime) == (1032, "image/webp")
    assert (rows[1].width, rows[1].mime) == (512, "image/png")
    assert len(stage.files()) == len(rows)


async def test_a_row_never_names_a_file_that_is_not_there_yet(stage: Stage) -> None:
    """At each put the job still runs and has no asset: the row comes after the last of its files."""
    job = await stage.workshop.claimed()
    seen: list[tuple[JobState, int]] = []

    class WatchingStore(KeepingStore):
        async def put(self, key: str, data: bytes, *, mime: str) -> None:
            async with stage.workshop.database.read() as session:
                named = await jobstore.assets(session, job.id)
            seen.append(((await stage.workshop.row(job.id)).state, len(named)))
            await super().put(key, data, mime=mime)

    stage.bench = replace(stage.bench, store=WatchingStore(stage.bench.store))
    assert (await stage.run(job)).state is JobState.SUCCEEDED
    assert seen == [(JobState.RUNNING, 0)] * 6


async def test_a_tile_carries_its_own_seed_and_its_pixels(stage: Stage) -> None:
    job = await stage.run(await stage.workshop.claimed())
    async with stage.workshop.database.read() as session:
        tile = (await assets.assets(session, job.id))[3]
    data = await stage.bench.store.get(tile.key)
    info = Image.open(BytesIO(data)).info
    assert "Seed: 9," in info["parameters"]
    assert info["pictor-job"] == str(job.id)
    assert pictures.native_of(data, job.spec).rgb == picture(2).rgb


async def test_verdicts_are_rows_bound_to_the_pixels(stage: Stage) -> None:
    job = await stage.run(await stage.workshop.claimed())
    rows = await stage.verdicts(job)
    assert [row.subject for row in rows] == ["image"] * 4 + ["job"]
    assert {row.decision for row in rows} == {"allow"}
    assert [row.sha256 for row in rows[:4]] == [picture(i).sha256 for i in range(4)]
    assert rows[4].attempt == job.attempt


async def test_progress_is_told_with_an_eta_and_not_too_often(stage: Stage) -> None:
    def script(message: ToChild) -> Iterable[ToParent]:
        if isinstance(message, Render):
            yield Loading(message.job_id, "postcards")
            yield from (Stepped(message.job_id, step, 12, 4.0) for step in range(1, 13))
            yield rendered(message)

    stage.engine.script = script
    await stage.run(await stage.workshop.claimed())
    told = stage.heard.of(EventKind.PROGRESS)
    assert told[0].reason == "loading postcards"
    assert [event.step for event in told[1:]] == [1, 12]
    assert (told[1].steps, told[1].steps_per_s, told[1].eta_s) == (12, 4.0, 2.75)


async def test_a_job_that_gives_way_says_so_and_keeps_its_steps(stage: Stage) -> None:
    def script(message: ToChild) -> Iterable[ToParent]:
        if isinstance(message, Render):
            yield Stepped(message.job_id, 5, 12, 4.0)
            yield Paused(message.job_id, 5, 12)
            yield Paused(message.job_id, 5, 12, faster=False)
            yield Stepped(message.job_id, 12, 12, 4.0)
            yield rendered(message)

    stage.engine.script = script
    job = await stage.run(await stage.workshop.claimed())
    told = stage.heard.of(EventKind.PROGRESS)
    assert [(event.step, event.reason) for event in told] == [
        (5, None),
        (5, "paused for a faster job"),
        (5, "paused: the jobs before it fill the GPU"),
        (12, None),
    ]
    assert job.state is JobState.SUCCEEDED


async def test_a_redis_that_hangs_does_not_hold_a_picture_up(stage: Stage) -> None:
    """Two dozen steps, each told in 0.3 s, would take seven seconds."""

    class Slow(Heard):
        async def publish(self, *events: JobEvent) -> None:
            await asyncio.sleep(0.3)
            await super().publish(*events)

    def script(message: ToChild) -> Iterable[ToParent]:
        if isinstance(message, Render):
            yield from (Stepped(message.job_id, step, 24, 4.0) for step in (1, *[24] * 24))
            yield rendered(message)

    slow = Slow()
    stage.engine.script, stage.bench = script, replace(stage.bench, events=slow)  # type: ignore[arg-type]
    job = await stage.run(await stage.workshop.claimed())
    assert job.state is JobState.SUCCEEDED
    assert len(slow.of(EventKind.PROGRESS)) <= 2


async def test_the_engine_is_asked_with_rank_and_settings(stage: Stage) -> None:
    job = await stage.workshop.claimed()
    await stage.run(job)
    (order, _) = stage.engine.sent
    assert isinstance(order, Render)
    assert (order.attempt, order.rank, order.snapshot_every) == (1, 1, 10)
    assert order.spec == job.spec.as_dict()


async def test_a_charge_never_exceeds_the_hold(stage: Stage) -> None:
    stage.engine.script = answers(gpu_ms=10**9)
    job = await stage.workshop.claimed()
    async with stage.workshop.database.read() as session:
        held = await ledger.held(session, job.id)
    assert (await stage.run(job)).charged_ms == held
    assert await stage.workshop.books_balance()


# --- the filter says no ------------------------------------------------------------------------


def with_findings(*findings: Any) -> Any:
    return answers(findings=list(findings))


FOUR = [picture(index) for index in range(4)]
GOOD = [finding(one) for one in FOUR]


async def test_a_blocked_picture_is_refunded_and_leaves_a_strike(stage: Stage) -> None:
    bad = finding(FOUR[2], decision="block", category="gore", score=0.9, rule="gore")
    stage.engine.script = with_findings(*GOOD[:2], bad, GOOD[3])
    before = await stage.workshop.balance()
    job = await stage.run(await stage.workshop.claimed())
    assert (job.state, job.error_code, job.charged_ms) == (JobState.BLOCKED, "image_blocked", 0)
    assert "gore" in (job.error_sentence or "")
    assert (await stage.workshop.balance()).available_ms == before.available_ms
    assert stage.files() == []
    assert [row.decision for row in await stage.verdicts(job)] == [
        "allow", "allow", "block", "allow", "block",
    ]  # fmt: skip
    (strike,) = await stage.strikes()
    assert strike.subject == f"account:{job.account_id}"
    assert strike.detail["rule"] == "gore"
    (case,) = await stage.cases()
    assert strike.detail["case"] == str(case.id)
    assert (case.kind, case.state, case.job_id, case.picture) == ("picture", "noted", job.id, 2)
    assert (case.category, case.hard, case.prompt) == ("gore", False, job.prompt)
    assert await stage.workshop.books_balance()
    assert stage.heard.states == ["blocked"]


async def test_a_picture_that_came_out_wrong_is_nobodys_fault(stage: Stage) -> None:
    """Two steps of a model draw a smudge: withheld, refunded, and no strike."""
    smudge = finding(FOUR[0], decision="block", category="out_of_world", rule="out_of_world")
    stage.engine.script = with_findings(smudge, *GOOD[1:])
    job = await stage.run(await stage.workshop.claimed())
    assert (job.state, job.error_code, job.charged_ms) == (JobState.BLOCKED, "image_blocked", 0)
    assert "More steps" in (job.error_sentence or "")
    assert await stage.strikes() == await stage.cases() == []


async def test_of_two_reasons_the_one_with_somebody_to_blame_counts(stage: Stage) -> None:
    smudge = finding(FOUR[0], decision="block", category="out_of_world", rule="out_of_world")
    broken = finding(FOUR[1], decision="block", rule="filter_failed:x:exception")
    gore = finding(FOUR[2], decision="block", category="gore", rule="gore")
    stage.engine.script = with_findings(smudge, broken, gore, GOOD[3])
    await stage.run(await stage.workshop.claimed())
    (strike,) = await stage.strikes()
    assert strike.detail["rule"] == "gore"


BROKEN = {
    "exploded": [finding(one, decision="block", rule="filter_failed:x:exception") for one in FOUR],
    "one_exploded": [*GOOD[:3], finding(FOUR[3], decision="block", rule="filter_failed:x:timeout")],
    "none": [],
    "too_few": GOOD[:3],
    "too_many": [*GOOD, GOOD[0]],
    "of_other_pixels": [finding(picture(9)) for _ in FOUR],
    "swapped": [GOOD[1], GOOD[0], *GOOD[2:]],
    "unknown_word": [finding(one, decision="yes") for one in FOUR],
    "empty_word": [finding(one, decision="") for one in FOUR],
    "in_review": [finding(one, decision="review", rule="filter_failed:unsure") for one in FOUR],
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_filter_that_fails_delivers_nothing_and_strikes_nobody(
    stage: Stage, case: str
) -> None:
    stage.engine.script = with_findings(*BROKEN[case])
    before = await stage.workshop.balance()
    job = await stage.run(await stage.workshop.claimed())
    assert (job.state, job.error_code, job.charged_ms) == (JobState.BLOCKED, "filter_failed", 0)
    assert (await stage.workshop.balance()).available_ms == before.available_ms
    assert stage.files() == []
    assert await stage.strikes() == []
    assert "allow" not in {
        row.decision for row in await stage.verdicts(job) if row.subject == "job"
    }


async def test_pixels_that_changed_after_the_filter_are_not_delivered(stage: Stage) -> None:
    changed = [replace_rgb(one) for one in FOUR]
    stage.engine.script = answers(pictures=changed, findings=GOOD)
    job = await stage.run(await stage.workshop.claimed())
    assert (job.state, stage.files()) == (JobState.BLOCKED, [])


def replace_rgb(of: Any) -> Any:
    """Other pixels under the same claimed hash."""
    return type(of)(of.index, of.width, of.height, bytes(len(of.rgb)), of.sha256, of.seed)


async def test_no_picture_at_all_is_not_a_success(stage: Stage) -> None:
    stage.engine.script = answers(pictures=[], findings=[])
    assert (await stage.run(await stage.workshop.claimed())).state is JobState.BLOCKED


async def test_publishing_without_a_passed_check_is_impossible(stage: Stage) -> None:
    job = await stage.workshop.claimed()
    parcels = (await PACKER.pack(job, FOUR)).parcels
    with pytest.raises(Fault, match="without a passed check"):
        await delivery.publish(stage.bench.store, parcels, passed=GOOD[:3], drawn=FOUR)
    assert stage.files() == []


class Unsigned(Unproven):
    """Marks or signs nothing: the key's safe is away, say."""

    def sign(self, data: bytes, *, mime: str, claim: Any) -> bytes:
        raise Fault("not_signed", "The picture could not be signed.", retryable=True)


async def test_a_picture_that_cannot_be_signed_is_tried_again_and_then_refunded(
    stage: Stage,
) -> None:
    """Drawn, passed, and still not shown to anybody: not once, however often it is tried."""
    packer = Packer(Unsigned(), Weights(read_catalog(SHARED / "catalog.toml")))
    stage.bench = replace(stage.bench, packer=packer)
    job = await stage.workshop.claimed()
    for crashes in range(1, 4):
        await stage.run(job)
        await stage.workshop.rescue(max_crashes=3)
        row = await stage.workshop.row(job.id)
        assert (row.crashes, stage.files()) == (crashes, [])
        job = row if row.state.terminal else await stage.workshop.claim(job.id)
    assert (job.state, job.charged_ms) == (JobState.FAILED, 0)
    async with stage.bench.database.read() as session:
        assert await assets.assets(session, job.id) == []


# --- previews ----------------------------------------------------------------------------------


def previewing(findings: list[Any], gate: asyncio.Event) -> Any:
    def script(message: ToChild) -> Iterable[ToParent]:
        if isinstance(message, Render):
            yield Preview(message.job_id, 4, FOUR, findings)

    return script


async def test_a_preview_is_stored_shown_and_gone_in_the_end(stage: Stage) -> None:
    stage.engine.script = previewing(GOOD, asyncio.Event())
    walk, _ = stage.walk(job := await stage.workshop.claimed())
    task = asyncio.create_task(walk.run())
    order = await stage.engine.heard(Render)
    async with asyncio.timeout(5):
        while not stage.heard.of(EventKind.PREVIEW):
            await asyncio.sleep(0.01)
    (shown,) = stage.heard.of(EventKind.PREVIEW)
    assert shown.step == 4
    assert Image.open(BytesIO(await stage.bench.store.get(shown.key or ""))).size == (1032, 1032)
    stage.engine.say(rendered(order))
    await task
    assert (await stage.workshop.row(job.id)).state is JobState.SUCCEEDED
    assert not await stage.bench.store.exists(shown.key or "")


@pytest.mark.parametrize("decision", ["block", "review"])
async def test_a_preview_that_is_not_allowed_is_never_stored(stage: Stage, decision: str) -> None:
    findings = [*GOOD[:3], finding(FOUR[3], decision=decision)]

    def script(message: ToChild) -> Iterable[ToParent]:
        if isinstance(message, Render):
            yield Preview(message.job_id, 4, FOUR, findings)
            yield rendered(message)

    stage.engine.script = script
    stored = KeepingStore(stage.bench.store)
    stage.bench = replace(stage.bench, store=stored)
    await stage.run(await stage.workshop.claimed())
    assert stage.heard.of(EventKind.PREVIEW) == []
    assert not [key for key in stored.put_keys if "preview" in key]


# --- trouble -----------------------------------------------------------------------------------


class KeepingStore:
    """A store that remembers, and fails as told."""

    def __init__(self, inner: Any, *, failures: int = 0) -> None:
        self.inner = inner
        self.failures = failures
        self.put_keys: list[str] = []

    async def put(self, key: str, data: bytes, *, mime: str) -> None:
        if self.failures:
            self.failures -= 1
            raise Fault("storage_down", "The store is away.", retryable=True)
        await self.inner.put(key, data, mime=mime)
        self.put_keys.append(key)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


async def test_a_store_that_comes_back_in_time_costs_only_time(stage: Stage, quick: None) -> None:
    stage.bench = replace(stage.bench, store=KeepingStore(stage.bench.store, failures=3))
    job = await stage.run(await stage.workshop.claimed())
    assert job.state is JobState.SUCCEEDED
    assert len(stage.files()) == 6


async def test_a_store_that_said_no_and_stored_it_all_the_same(stage: Stage, quick: None) -> None:
    class Liar(KeepingStore):
        async def put(self, key: str, data: bytes, *, mime: str) -> None:
            await self.inner.put(key, data, mime=mime)
            if self.failures:
                self.failures -= 1
                raise Fault("storage_down", "The answer was lost.", retryable=True)

    stage.bench = replace(stage.bench, store=Liar(stage.bench.store, failures=3))
    job = await stage.run(await stage.workshop.claimed())
    assert job.state is JobState.SUCCEEDED
    assert len(stage.files()) == 6


async def test_a_store_that_kept_a_part_is_told_again(stage: Stage, quick: None) -> None:
    class Cutter(KeepingStore):
        async def put(self, key: str, data: bytes, *, mime: str) -> None:
            if not self.failures:
                return await self.inner.put(key, data, mime=mime)
            self.failures -= 1
            await self.inner.put(key, data[: len(data) // 2], mime=mime)
            raise Fault("storage_down", "The line was cut.", retryable=True)

    stage.bench = replace(stage.bench, store=Cutter(stage.bench.store, failures=1))
    job = await stage.run(await stage.workshop.claimed())
    assert job.state is JobState.SUCCEEDED
    async with stage.bench.database.read() as session:
        told = {asset.key: asset.sha256 for asset in await jobstore.assets(session, job.id)}
    kept = {key: hashlib.sha256(await stage.bench.store.get(key)).hexdigest() for key in told}
    assert kept == told


async def test_what_lies_under_our_key_must_be_ours(stage: Stage) -> None:
    job = await stage.workshop.claimed()
    parcels = (await PACKER.pack(job, FOUR)).parcels
    await stage.bench.store.put(parcels[0].key, b"something else", mime="image/webp")
    with pytest.raises(Fault, match="already"):
        await delivery.publish(stage.bench.store, parcels, passed=GOOD, drawn=FOUR)


async def test_a_store_that_stays_away_costs_the_job_nothing(stage: Stage, quick: None) -> None:
    stage.bench = replace(stage.bench, store=KeepingStore(stage.bench.store, failures=10**6))
    job = await stage.run(await stage.workshop.claimed())
    assert (job.state, job.crashes, job.worker) == (JobState.WAITING, 0, None)
    assert stage.outages == 1
    assert stage.engine.sent[-1] == Drop(str(job.id), forget=False)


async def test_a_store_that_never_comes_back_fails_the_job_and_refunds_it(
    stage: Stage, quick: None
) -> None:
    stage.bench = replace(stage.bench, store=KeepingStore(stage.bench.store, failures=10**6))
    before = await stage.workshop.balance()
    job = await stage.workshop.claimed()
    for _ in range(blame.MOST_OUTAGES - 1):
        assert (await stage.run(job)).state is JobState.WAITING
        job = await stage.workshop.claim(job.id)
    job = await stage.run(job)
    assert (job.state, job.error_code, job.crashes) == (JobState.FAILED, "storage_down", 0)
    assert "cannot be reached" in (job.error_sentence or "")
    assert (await stage.workshop.balance()).available_ms == before.available_ms
    assert await stage.workshop.books_balance()


async def test_a_fault_that_may_pass_gives_the_lease_up_at_once(stage: Stage) -> None:
    stage.engine.script = failing("out_of_memory", retryable=True)
    job = await stage.run(await stage.workshop.claimed())
    assert job.state is JobState.RUNNING
    (rescued,) = await stage.workshop.rescue()
    assert (rescued.id, rescued.state, rescued.crashes) == (job.id, JobState.WAITING, 1)
    async with stage.workshop.database.read() as session:
        (said,) = await history.errors(session, job.id)
    assert (said["worker"], said["attempt"], said["code"]) == (job.worker, 1, "out_of_memory")


async def test_a_fault_that_will_not_pass_fails_the_job_and_refunds_it(stage: Stage) -> None:
    stage.engine.script = failing("not_finite", retryable=False)
    before = await stage.workshop.balance()
    job = await stage.run(await stage.workshop.claimed())
    assert (job.state, job.error_code) == (JobState.FAILED, "not_finite")
    assert job.error_sentence == "It broke."
    assert (await stage.workshop.balance()).available_ms == before.available_ms


def failing(code: str, *, retryable: bool) -> Any:
    def script(message: ToChild) -> Iterable[ToParent]:
        if isinstance(message, Render):
            yield Failed(message.job_id, message.attempt, code, "It broke.", retryable)

    return script


async def test_an_error_nobody_expected_is_tried_once_more_then_failed(stage: Stage) -> None:
    stage.engine.script = answers(pictures=[1, 2], findings=[3, 4])
    job = await stage.run(await stage.workshop.claimed())
    assert job.state is JobState.RUNNING
    await stage.workshop.rescue()
    sent = await stage.workshop.dispatch(job.id)
    async with stage.workshop.database.begin() as session:
        again = await jobstore.running(
            session, job.id, attempt=sent.attempt, worker=sent.worker or "", lease_s=15
        )
    assert again is not None
    job = await stage.run(again)
    assert (job.state, job.error_code) == (JobState.FAILED, "unexpected")


async def test_a_dead_engine_is_a_crash(stage: Stage) -> None:
    stage.engine.script = lambda _: ()
    walk, _ = stage.walk(job := await stage.workshop.claimed())
    task = asyncio.create_task(walk.run())
    await stage.engine.heard(Render)
    stage.engine.die()
    await task
    (rescued,) = await stage.workshop.rescue()
    assert (rescued.id, rescued.crashes) == (job.id, 1)


async def test_a_deploy_is_no_crash(stage: Stage) -> None:
    def script(message: ToChild) -> Iterable[ToParent]:
        if isinstance(message, Render):
            yield GivenBack(message.job_id, message.attempt, 5)

    stage.engine.script = script
    job = await stage.run(await stage.workshop.claimed())
    assert (job.state, job.crashes, job.worker) == (JobState.WAITING, 0, None)
    assert stage.heard.states == ["waiting"]
    assert Drop(str(job.id), forget=True) not in stage.engine.sent


async def test_an_engine_that_dies_while_it_drains_is_no_crash(stage: Stage) -> None:
    stage.engine.script, stage.leaving = (lambda _: ()), True
    walk, _ = stage.walk(job := await stage.workshop.claimed())
    task = asyncio.create_task(walk.run())
    await stage.engine.heard(Render)
    stage.engine.die()
    await task
    row = await stage.workshop.row(job.id)
    assert (row.state, row.crashes) == (JobState.WAITING, 0)


# --- ownership ---------------------------------------------------------------------------------


async def lose(stage: Stage, job: Job) -> None:
    """Its lease passes, the rescuer gives it to somebody else."""
    async with stage.workshop.database.begin() as session:
        await jobstore.renew_leases(session, job.worker or "", {job.id: job.attempt}, -1)
    assert len(await stage.workshop.rescue()) == 1
    await stage.workshop.dispatch(job.id, worker="somebody-else")


async def test_a_zombie_commits_nothing_and_its_files_are_gone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease is lost after the last look at it and before the commit: only the row can say so."""

    async def blind(bench: Bench, job: Job) -> bool:
        return True

    class LosingStore(KeepingStore):
        async def put(self, key: str, data: bytes, *, mime: str) -> None:
            await super().put(key, data, mime=mime)
            if len(self.put_keys) == 6:
                await lose(stage, job)

    monkeypatch.setattr("farm.endings.owned", blind)
    store = LosingStore(stage.bench.store)
    stage.bench = replace(stage.bench, store=store)
    job = await stage.workshop.claimed()
    row = await stage.run(job)
    assert (row.state, row.worker, row.attempt) == (JobState.DISPATCHED, "somebody-else", 2)
    assert len(store.put_keys) == 6
    assert stage.files() == []
    assert await stage.verdicts(job) == []
    assert stage.heard.states == []
    assert stage.engine.sent[-1] == Drop(str(job.id), forget=False)


async def test_a_job_lost_while_it_draws_is_dropped_and_its_snapshots_kept(stage: Stage) -> None:
    stage.engine.script = lambda _: ()
    walk, talk = stage.walk(job := await stage.workshop.claimed())
    task = asyncio.create_task(walk.run())
    await stage.engine.heard(Render)
    await lose(stage, job)
    talk.interrupt(OwnershipLost())
    await task
    assert stage.engine.sent[-1] == Drop(str(job.id), forget=False)


async def test_a_cancelled_job_is_dropped_with_its_snapshots(stage: Stage) -> None:
    stage.engine.script = lambda _: ()
    walk, talk = stage.walk(job := await stage.workshop.claimed())
    task = asyncio.create_task(walk.run())
    await stage.engine.heard(Render)
    async with stage.workshop.database.begin() as session:
        ended = await jobstore.cancelled(session, job.id, job.account_id)
        assert ended is not None
        await ledger.release(session, ended)
    talk.interrupt(OwnershipLost())
    await task
    assert stage.engine.sent[-1] == Drop(str(job.id), forget=True)
    assert (await stage.workshop.row(job.id)).state is JobState.CANCELLED
    assert stage.files() == []


async def test_a_job_cancelled_before_its_files_are_put_stores_nothing(stage: Stage) -> None:
    job = await stage.workshop.claimed()
    async with stage.workshop.database.begin() as session:
        ended = await jobstore.cancelled(session, job.id, job.account_id)
        assert ended is not None
        await ledger.release(session, ended)
    store = KeepingStore(stage.bench.store)
    stage.bench = replace(stage.bench, store=store)
    assert (await stage.run(job)).state is JobState.CANCELLED
    assert store.put_keys == []


class ForgetfulDatabase:
    """The commit happens, and its answer is lost on the way back."""

    def __init__(self, inner: Database, *, lose: int) -> None:
        self.inner = inner
        self.lose = lose

    def begin(self) -> Any:
        return self._begin()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def _begin(self) -> Any:
        from contextlib import asynccontextmanager

        @asynccontextmanager
        async def begin() -> AsyncIterator[Any]:
            async with self.inner.begin() as session:
                yield session
            if self.lose:
                self.lose -= 1
                raise Fault("database_down", "The answer was lost.", retryable=True)

        return begin()


async def test_a_commit_whose_answer_was_lost_keeps_its_files(stage: Stage) -> None:
    database: Any = ForgetfulDatabase(stage.bench.database, lose=1)
    stage.bench = replace(stage.bench, database=database)
    job = await stage.run(await stage.workshop.claimed())
    assert job.state is JobState.SUCCEEDED
    assert len(stage.files()) == 6
    assert stage.heard.states == ["succeeded"]
    assert await stage.workshop.books_balance()


async def test_a_database_that_is_away_for_a_moment_is_waited_for(stage: Stage) -> None:
    class Away(ForgetfulDatabase):
        def begin(self) -> Any:
            if self.lose:
                self.lose -= 1
                raise Fault("database_down", "away", retryable=True)
            return self.inner.begin()

    database: Any = Away(stage.bench.database, lose=3)
    stage.bench = replace(stage.bench, database=database)
    assert (await stage.run(await stage.workshop.claimed())).state is JobState.SUCCEEDED


# --- upscale -----------------------------------------------------------------------------------


async def tile(stage: Stage) -> assets.Asset:
    job = await stage.run(await stage.workshop.claimed())
    async with stage.workshop.database.read() as session:
        return (await assets.assets(session, job.id))[2]


def inspecting(decision: str = "allow") -> Any:
    def script(message: ToChild) -> Iterable[ToParent]:
        if isinstance(message, Render):
            yield rendered(message)
        if isinstance(message, Inspect):
            found = [finding(one, decision=decision, rule="r") for one in message.pictures]
            yield Inspected(message.job_id, found, 25)

    return script


def enlarging(tile: assets.Asset, **changes: Any) -> dict[str, Any]:
    of = Source(tile.key, tile.sha256)
    return {"images": 1, "steps": 0, "scale": 16, "seed": 8, "sources": (of,)} | changes


async def test_an_upscale_doubles_the_tile_pixel_by_pixel(stage: Stage) -> None:
    stage.engine.script = inspecting()
    source = await tile(stage)
    job = await stage.run(await stage.workshop.claimed(**enlarging(source)))
    assert (job.state, job.gpu_ms) == (JobState.SUCCEEDED, 25)
    async with stage.workshop.database.read() as session:
        grid, image, _ = await assets.assets(session, job.id)
    assert [(grid.kind, grid.width), (image.kind, image.width)] == [("grid", 1024), ("image", 1024)]
    small = Image.open(BytesIO(await stage.bench.store.get(source.key))).convert("RGB")
    large = Image.open(BytesIO(await stage.bench.store.get(image.key))).convert("RGB")
    assert large.tobytes() == small.resize((1024, 1024), Image.Resampling.NEAREST).tobytes()
    assert (
        "Seed: 8" in Image.open(BytesIO(await stage.bench.store.get(image.key))).info["parameters"]
    )


async def test_an_upscale_asks_the_filter_again(stage: Stage) -> None:
    source = await tile(stage)
    stage.engine.script = inspecting("block")
    files = stage.files()
    job = await stage.run(await stage.workshop.claimed(**enlarging(source)))
    assert (job.state, job.error_code) == (JobState.BLOCKED, "image_blocked")
    assert stage.files() == files


@pytest.mark.parametrize("strict", [False, True])
async def test_pictures_of_a_prompt_from_the_grey_zone_are_judged_strictly(
    stage: Stage, strict: bool
) -> None:
    stage.engine.script = inspecting()
    source = await tile(stage)
    job = await stage.workshop.claimed(strict=strict, **enlarging(source))
    await stage.run(job)
    assert [one.strict for one in stage.engine.sent if isinstance(one, Inspect)] == [strict]
    await stage.run(await stage.workshop.claimed(strict=strict))
    assert [one.strict for one in stage.engine.sent if isinstance(one, Render)] == [False, strict]


async def test_an_upscale_of_a_tile_that_is_gone_or_altered_fails_in_words(stage: Stage) -> None:
    stage.engine.script = inspecting()
    source = await tile(stage)
    gone = Source("no/such/thing.png", source.sha256)
    job = await stage.run(await stage.workshop.claimed(**enlarging(source, sources=(gone,))))
    assert (job.state, job.error_code) == (JobState.FAILED, "asset_missing")
    assert "no longer in the picture store" in (job.error_sentence or "")
    other = Source(source.key, "0" * 64)
    job = await stage.run(await stage.workshop.claimed(**enlarging(source, sources=(other,))))
    assert (job.state, job.error_code) == (JobState.FAILED, "tile_altered")


# --- started from pictures -----------------------------------------------------------------------


def begun(tile: assets.Asset, **changes: Any) -> dict[str, Any]:
    of = Source(tile.key, tile.sha256)
    return {"kind": RenderKind.IMAGE, "strength": 0.5, "sources": (of,)} | changes


async def test_a_job_takes_along_every_picture_that_it_starts_from(stage: Stage) -> None:
    source = await tile(stage)
    of = Source(source.key, source.sha256)
    mask = {"kind": RenderKind.INPAINT, "mask": of, "controls": (ControlUse("edges", of),)}
    job = await stage.run(await stage.workshop.claimed(**begun(source, **mask)))
    assert job.state is JobState.SUCCEEDED
    order = next(one for one in reversed(stage.engine.sent) if isinstance(one, Render))
    (sent,) = order.inputs
    stored = Image.open(BytesIO(await stage.bench.store.get(source.key))).convert("RGB")
    assert (sent.sha256, (sent.width, sent.height)) == (source.sha256, stored.size)
    assert sent.rgb == stored.tobytes()


async def test_a_job_of_words_alone_takes_nothing_along(stage: Stage) -> None:
    await stage.run(await stage.workshop.claimed())
    assert [one.inputs for one in stage.engine.sent if isinstance(one, Render)] == [[]]


@pytest.mark.parametrize(
    ("of", "code"),
    [
        (lambda tile: Source("no/such/thing.png", tile.sha256), "asset_missing"),
        (lambda tile: Source(tile.key, "0" * 64), "tile_altered"),
    ],
)
async def test_a_source_that_is_gone_or_altered_fails_in_words_and_draws_nothing(
    stage: Stage, of: Any, code: str
) -> None:
    source = await tile(stage)
    before = len(stage.engine.sent)
    job = await stage.run(await stage.workshop.claimed(**begun(source, sources=(of(source),))))
    assert (job.state, job.error_code) == (JobState.FAILED, code)
    assert not [one for one in stage.engine.sent[before:] if isinstance(one, Render)]
    assert await stage.workshop.books_balance()


async def test_a_source_that_is_no_picture_fails_in_words(stage: Stage) -> None:
    await stage.bench.store.put("a/1/bad.png", b"no picture", mime="image/png")
    bad = Source("a/1/bad.png", hashlib.sha256(b"no picture").hexdigest())
    source = await tile(stage)
    job = await stage.run(await stage.workshop.claimed(**begun(source, sources=(bad,))))
    assert (job.state, job.error_code) == (JobState.FAILED, "picture_unusable")
    assert (job.error_sentence or "").startswith(
        "Picture 1 to start from cannot be used. That is no"
    )
    assert job.charged_ms == 0
    assert await stage.workshop.books_balance()


async def photographed(stage: Stage) -> Source:
    """A phone's JPEG as somebody sent it: large, and lying on its side."""
    whole, exif = Image.new("RGB", (4_000, 20), (200, 40, 40)), Image.Exif()
    exif[0x0112] = 6  # to be turned to the right
    file = BytesIO()
    whole.save(file, "JPEG", exif=exif)
    await stage.bench.store.put("uploads/1.jpg", file.getvalue(), mime="image/jpeg")
    return Source("uploads/1.jpg", hashlib.sha256(file.getvalue()).hexdigest())


@pytest.mark.parametrize(
    ("decision", "state"), [("allow", JobState.SUCCEEDED), ("block", JobState.BLOCKED)]
)
async def test_a_strangers_picture_is_opened_apart_and_asked_about_before_it_is_used(
    stage: Stage, decision: str, state: JobState
) -> None:
    def script(message: ToChild) -> Iterable[ToParent]:
        yield from (
            inspecting(decision)(message) if isinstance(message, Inspect) else answers()(message)
        )

    stage.engine.script = script
    source = await photographed(stage)
    asked: Any = {"kind": RenderKind.IMAGE, "strength": 0.5, "sources": (source,)}
    job = await stage.run(await stage.workshop.claimed(**asked))
    assert job.state is state
    (shown,) = next(one.pictures for one in stage.engine.sent if isinstance(one, Inspect))
    assert (shown.width, shown.height) == (10, sources.LARGEST)
    orders = [one for one in stage.engine.sent if isinstance(one, Render)]
    assert [one.inputs[0].sha256 for one in orders] == [source.sha256] * (decision == "allow")


async def test_sources_that_no_message_holds_are_refused(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = await tile(stage)
    monkeypatch.setattr(sources, "MOST_PIXELS", source.width * source.height - 1)
    job = await stage.run(await stage.workshop.claimed(**begun(source)))
    assert (job.state, job.error_code) == (JobState.FAILED, "sources_too_large")
    monkeypatch.setattr(sources, "MOST_PIXELS", source.width * source.height)
    job = await stage.run(await stage.workshop.claimed(**begun(source)))
    assert job.state is JobState.SUCCEEDED


async def test_a_source_is_waited_for_while_the_store_is_away(stage: Stage, quick: None) -> None:
    class Away(KeepingStore):
        async def get(self, key: str) -> Any:
            if self.failures:
                self.failures -= 1
                raise Fault("storage_down", "The store is away.", retryable=True)
            return await self.inner.get(key)

    source = await tile(stage)
    stage.bench = replace(stage.bench, store=Away(stage.bench.store, failures=3))
    job = await stage.run(await stage.workshop.claimed(**begun(source)))
    assert job.state is JobState.SUCCEEDED


def test_whatever_passes_here_fits_one_frame() -> None:
    assert sources.MOST_PIXELS * 3 + 2**20 < frames.LARGEST


async def test_nan_in_a_score_does_not_open_the_door(stage: Stage) -> None:
    stage.engine.script = with_findings(
        *(
            finding(one, decision="block", score=math.nan, rule="filter_failed:x:score")
            for one in FOUR
        )
    )
    job = await stage.run(await stage.workshop.claimed())
    assert (job.state, stage.files()) == (JobState.BLOCKED, [])
