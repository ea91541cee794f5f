"""By every path that pictures take, nothing leaves that the filter or a hash list does not allow.

Previews, grids and tiles, variations, upscales, and pictures that a job starts from.
"""

import hashlib
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from farm import delivery, pictures, rulings
from farm.engine.messages import (
    Finding,
    Inspect,
    Inspected,
    Picture,
    Preview,
    Render,
    ToChild,
    ToParent,
)
from farm.safety.hashes import KnownHashes
from farm.safety.watchlist import Watchlist
from shared import assets
from shared.events import EventKind
from shared.jobs import Job, JobState
from shared.moderation import cases, strikes
from shared.moderation.knownhashes import KnownHash
from shared.peopletables import cases as case_rows
from shared.spec import RenderKind, Source
from shared.tables import audit
from tests.farm import test_render
from tests.farm.test_render import Stage
from tests.farm.workshop import finding, picture, rendered

stage = test_render.stage  # the fixture

Judge = Callable[[Picture], Finding]


def blocking(one: Picture) -> Finding:
    return finding(one, decision="block", category="gore", score=0.95, rule="test:gore")


def engine(judge: Judge) -> Any:
    """Shows a preview, draws four pictures and answers every question, all as `judge` says."""

    def script(message: ToChild) -> Iterable[ToParent]:
        if isinstance(message, Render):
            drawn = [picture(index) for index in range(4)]
            found = [judge(one) for one in drawn]
            yield Preview(message.job_id, 3, drawn, found)
            yield rendered(message, pictures=drawn, findings=found)
        if isinstance(message, Inspect):
            yield Inspected(message.job_id, [judge(one) for one in message.pictures], 25)

    return script


async def imagine(stage: Stage, source: Source) -> Job:
    return await stage.workshop.claimed()


async def vary(stage: Stage, source: Source) -> Job:
    return await stage.workshop.claimed(kind=RenderKind.IMAGE, sources=(source,), strength=0.6)


async def upscale(stage: Stage, source: Source) -> Job:
    return await stage.workshop.claimed(images=1, steps=0, scale=16, seed=8, sources=(source,))


async def blend_an_upload(stage: Stage, source: Source) -> Job:
    other = await uploaded(stage)
    return await stage.workshop.claimed(kind=RenderKind.BLEND, sources=(source, other))


PATHS = [imagine, vary, upscale, blend_an_upload]
Path = Callable[[Stage, Source], Awaitable[Job]]


async def delivered(stage: Stage) -> Source:
    """A tile that passed, before the filter changed its mind."""
    stage.engine.script = engine(finding)
    job = await stage.run(await stage.workshop.claimed())
    assert job.state is JobState.SUCCEEDED
    async with stage.workshop.database.read() as session:
        tile = (await assets.assets(session, job.id))[2]
    return Source(tile.key, tile.sha256)


async def uploaded(stage: Stage, seed: int = 9) -> Source:
    """A file that no job of ours delivered."""
    data = pictures.png(pictures.image_of(picture(seed)), parameters="", job_id="")
    key = f"uploads/{hashlib.sha256(data).hexdigest()}.png"
    await stage.bench.store.put(key, data, mime="image/png")
    return Source(key, hashlib.sha256(data).hexdigest())


def listing(stage: Stage, *listed: Picture) -> None:
    """From now on these pixels are known."""
    watch = Watchlist()
    watch._known = KnownHashes.build([KnownHash("sha256", one.sha256) for one in listed])
    stage.bench = replace(stage.bench, watch=watch)


async def case_of(stage: Stage, job: Job) -> Any:
    async with stage.workshop.database.read() as session:
        query = select(case_rows).where(case_rows.c.job_id == job.id)
        return (await session.execute(query)).one()


@pytest.mark.parametrize("path", PATHS)
async def test_when_the_filter_blocks_everything_nothing_leaves(
    stage: Stage,
    path: Path,
) -> None:
    source = await delivered(stage)
    job = await path(stage, source)
    files, told = stage.files(), len(stage.heard.events)
    balance = await stage.workshop.balance()
    stage.engine.script = engine(blocking)
    ended = await stage.run(job)
    assert (ended.state, ended.error_code) == (JobState.BLOCKED, "image_blocked")
    assert stage.files() == files
    assert [e.kind for e in stage.heard.events[told:]] == [EventKind.STATE]
    after = await stage.workshop.balance()
    assert (after.held_ms, after.available_ms) == (0, balance.available_ms + balance.held_ms)


@pytest.mark.parametrize("path", PATHS)
async def test_when_all_is_well_pictures_leave_by_the_same_paths(
    stage: Stage,
    path: Path,
) -> None:
    source = await delivered(stage)
    job = await stage.run(await path(stage, source))
    assert job.state is JobState.SUCCEEDED


async def test_a_known_picture_leaves_by_no_path_whatever_the_filter_says(
    stage: Stage,
) -> None:
    stage.engine.script = engine(finding)
    listing(stage, picture(2))
    job = await stage.run(await stage.workshop.claimed())
    assert (job.state, job.error_code) == (JobState.BLOCKED, "known_picture")
    assert stage.files() == []
    assert stage.heard.of(EventKind.PREVIEW) == []
    verdicts = [(one.subject, one.decision, one.category) for one in await stage.verdicts(job)]
    assert verdicts[2] == ("image", "block", "known")
    assert verdicts[-1] == ("job", "block", "known")


async def test_a_known_source_is_never_opened_nor_drawn_from(
    stage: Stage,
) -> None:
    source = await uploaded(stage)
    listing(stage, picture(9))
    for path in (vary, upscale):
        sent = len(stage.engine.sent)
        job = await stage.run(await path(stage, source))
        assert (job.state, job.error_code) == (JobState.BLOCKED, "known_picture")
        drawn = [m for m in stage.engine.sent[sent:] if isinstance(m, Render | Inspect)]
        assert drawn == []


async def test_a_match_is_a_case_that_no_appeal_lifts_and_weighs_most(
    stage: Stage,
) -> None:
    stage.engine.script = engine(finding)
    listing(stage, picture(0))
    job = await stage.run(await stage.workshop.claimed())
    row = await case_of(stage, job)
    assert (row.kind, row.state, row.hard, row.category) == ("picture", "open", True, "known")
    async with stage.workshop.database.read() as session:
        assert await strikes.active_weight(session, job.account_id, None) == 10


async def test_what_a_detector_blocked_may_be_appealed(
    stage: Stage,
) -> None:
    stage.engine.script = engine(blocking)
    job = await stage.run(await stage.workshop.claimed())
    row = await case_of(stage, job)
    assert (row.kind, row.state, row.hard, row.category) == ("picture", "noted", False, "gore")
    assert row.rule == "test:gore"
    async with stage.workshop.database.begin() as session:
        opened = await cases.appeal(session, row.id, job.account_id, "It is a beetroot.")
    assert opened.state == "open"


@pytest.mark.parametrize("rule", ["filter_failed:world:exception", "filter_failed:hashes:list"])
async def test_nobody_is_to_blame_for_a_filter_that_failed(
    stage: Stage,
    rule: str,
) -> None:
    stage.engine.script = engine(
        lambda one: finding(one, decision="block", category="damaged", rule=rule)
    )
    job = await stage.run(await stage.workshop.claimed())
    assert (job.state, job.error_code) == (JobState.BLOCKED, "filter_failed")
    async with stage.workshop.database.read() as session:
        assert await strikes.active_weight(session, job.account_id, None) == 0
        query = select(case_rows).where(case_rows.c.job_id == job.id)
        assert (await session.execute(query)).all() == []
        (row,) = await session.execute(select(audit).where(audit.c.action == "filter_failed"))
    assert (row.subject, row.detail["rule"]) == (f"job:{job.id}", rule)


async def test_an_upload_is_shown_to_the_filter_before_anything_is_drawn(
    stage: Stage,
) -> None:
    stage.engine.script = engine(finding)
    job = await stage.run(await vary(stage, await uploaded(stage)))
    asked = [type(message) for message in stage.engine.sent[:2]]
    assert (job.state, asked) == (JobState.SUCCEEDED, [Inspect, Render])
    stage.engine.script = engine(blocking)
    sent = len(stage.engine.sent)
    job = await stage.run(await vary(stage, await uploaded(stage, seed=8)))
    assert job.state is JobState.BLOCKED
    assert not [m for m in stage.engine.sent[sent:] if isinstance(m, Render)]


async def test_what_was_delivered_is_not_asked_about_again(stage: Stage) -> None:
    source = await delivered(stage)
    sent = len(stage.engine.sent)
    await stage.run(await vary(stage, source))
    assert not [m for m in stage.engine.sent[sent:] if isinstance(m, Inspect)]


def test_what_no_appeal_lifts_is_what_a_job_is_blocked_for() -> None:
    four = [picture(index) for index in range(4)]
    broken = finding(
        four[0], decision="block", category="damaged", rule="filter_failed:world:shape"
    )
    stray = finding(four[1], decision="block", category="out_of_world", rule="out_of_world")
    listed = finding(four[3], decision="block", category="known", rule="known_hash:pdq")
    assert rulings.worst_of([broken, stray, blocking(four[2]), listed]) is listed
    assert rulings.worst_of([broken, stray, blocking(four[2])]).category == "gore"
    assert rulings.worst_of([broken, stray]) is stray


def test_no_grid_is_put_together_of_what_did_not_pass() -> None:
    four = [picture(index) for index in range(4)]
    found = [finding(one) for one in four]
    assert delivery.all_allowed(four, found)
    assert not delivery.all_allowed(four, [*found[:3], blocking(four[3])])
