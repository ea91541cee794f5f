"""What people look up and keep: their own in full, of others what is public, and nothing twice."""

import asyncio
from dataclasses import replace
from operator import methodcaller
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from shared import drafts
from shared.admission import FrontDesk, Person
from shared.connections import Database
from shared.errors import Refusal
from shared.jobs import Job, JobState, Visibility
from shared.orders import NOWHERE, Ask, Venue
from shared.preferences import Preferences
from tests.shared.rows import bring_to
from tests.shared.test_admission import ADA, BO, drawn, pictured, refusal, submission

REGION = Ask("region", ADA, NOWHERE, "key", None, job_id=uuid4(), cells=(3,))


async def finished(database: Database, desk: FrontDesk, **fields: Any) -> Job:
    """A finished grid that was asked for on server 7."""
    rich = replace(ADA, plan="pro")
    ask = Ask("imagine", rich, Venue("7"), f"key-{uuid4()}", None, text="a red boat", **fields)
    return await pictured(database, (await desk.ask(ask)).jobs[0])


async def test_history_is_one_s_own_and_is_searched_by_words_and_numbers(desk: FrontDesk) -> None:
    asked = ["a red boat", "a blue boat", "100% a_house"]
    jobs = [(await desk.submit(submission(one))).jobs[0] for one in asked]
    await desk.submit(submission("a boat of another", BO))
    assert [job.prompt for job in await desk.history(ADA)] == asked[::-1]
    assert [job.prompt for job in await desk.find(ADA, "BOAT red")] == ["a red boat"]
    assert [job.prompt for job in await desk.find(ADA, "0% a_h")] == ["100% a_house"]
    assert await desk.find(ADA, "a%house") == ()
    assert [job.id for job in await desk.find(ADA, str(jobs[1].id)[:8])] == [jobs[1].id]
    page = await desk.history(ADA, "boat", jobs[1].submitted_at)
    assert [job.id for job in page] == [jobs[0].id]
    assert await desk.history(Person("9", "Nobody", "free")) == ()


async def test_a_job_is_shown_to_its_owner_alone(desk: FrontDesk) -> None:
    [job] = (await desk.submit(submission())).jobs
    assert await desk.job(ADA, job.id) == job
    assert (await refusal(desk.job(BO, job.id))).code == "not_yours"
    assert (await refusal(desk.receipt(BO, job.id))).code == "not_yours"
    assert (await refusal(desk.job(ADA, uuid4()))).code == "unknown_job"


async def test_galleries_show_what_one_may_see(desk: FrontDesk, database: Database) -> None:
    seen = await finished(database, desk)
    hidden = await finished(database, desk, visibility=Visibility.STEALTH)
    assert [shot.job.id for shot in await desk.gallery(ADA)] == [hidden.id] * 4 + [seen.id] * 4
    for person in (ADA, BO, Person("9", "Nobody", "free")):
        shots = await desk.gallery(person, guild_id="7")
        assert [(shot.job.id, shot.index) for shot in shots] == [(seen.id, i) for i in range(4)]
    assert await desk.gallery(ADA, guild_id="8") == ()
    page = await desk.gallery(ADA, before=hidden.submitted_at, limit=1)
    assert {shot.job.id for shot in page} == {seen.id}


async def test_a_withdrawn_picture_is_in_no_gallery(desk: FrontDesk, database: Database) -> None:
    job = await drawn(database, desk)
    assert await desk.favourite(ADA, job.id, 1)
    async with database.begin() as session:
        await session.execute(
            text('update assets set withdrawn_at = clock_timestamp() where "index" = 1')
        )
    assert [shot.index for shot in await desk.gallery(ADA)] == [0, 2, 3]
    assert await desk.favourites(ADA) == ()
    assert (await refusal(desk.favourite(ADA, job.id, 1))).code == "no_such_picture"


async def test_a_favourite_is_marked_and_unmarked(desk: FrontDesk, database: Database) -> None:
    job = await drawn(database, desk)
    assert await desk.favourite(ADA, job.id, 2)
    assert await desk.favourite(BO, job.id, 0)
    [shot] = await desk.favourites(ADA)
    assert (shot.job.id, shot.index, shot.favourite) == (job.id, 2, True)
    assert [shot.favourite for shot in await desk.gallery(ADA)] == [False, False, True, False]
    assert not await desk.favourite(ADA, job.id, 2)
    assert await desk.favourites(ADA) == ()
    hidden = await finished(database, desk, visibility=Visibility.STEALTH)
    assert (await refusal(desk.favourite(BO, hidden.id, 1))).code == "not_yours"
    assert await desk.favourite(ADA, hidden.id, 1)


@pytest.mark.parametrize(
    ("state", "settled"),
    [
        (JobState.WAITING, None),
        (JobState.SUCCEEDED, 900),
        (JobState.FAILED, 0),
        (JobState.BLOCKED, 0),
        (JobState.CANCELLED, 0),
    ],
)
async def test_a_bill_says_what_was_held_charged_and_given_back(
    desk: FrontDesk, database: Database, state: JobState, settled: int | None
) -> None:
    [job] = (await desk.submit(submission("a cat --turbo", BO))).jobs
    async with database.begin() as session:
        await bring_to(session, job, state)
    bill = await desk.receipt(BO, job.id)
    held = 2 * job.estimate_ms
    assert (bill.quote_ms, bill.held_ms, bill.price) == (held, held, 2.0)
    assert (bill.job.state, bill.settled_ms) == (state, settled or 0)
    assert bill.refunded_ms == (0 if settled is None else held - settled)
    kinds = {None: ["hold"], 0: ["hold", "release"], 900: ["hold", "settle", "release"]}
    assert [entry.kind for entry in bill.entries] == kinds[settled]


async def test_preferences_are_kept(desk: FrontDesk) -> None:
    chosen = Preferences(visibility=Visibility.PUBLIC, suffix="--ar 3:2", options={"mine": "a"})
    assert await desk.preferences(ADA) == Preferences()
    assert await desk.set_preferences(ADA, replace(chosen, suffix="")) != chosen
    assert await desk.set_preferences(ADA, chosen) == chosen
    assert await desk.preferences(ADA) == chosen
    assert await desk.preferences(BO) == Preferences()


async def test_a_draft_is_its_owner_s_and_keeps_every_tap(desk: FrontDesk) -> None:
    await desk.account(BO)
    number = await desk.draft(ADA, "region", REGION)
    taps = [desk.change_draft(ADA, number, methodcaller("tapped", cell)) for cell in (1, 2, 3, 4)]
    await asyncio.gather(*taps)
    draft = await desk.read_draft(ADA, number)
    assert (draft.cells, draft.key) == ((1, 2, 4), f"draft:{number}")
    for asked in (desk.read_draft(BO, number), desk.take_draft(BO, number)):
        assert (await refusal(asked)).code == "not_yours"
    assert (await refusal(desk.read_draft(ADA, uuid4()))).code == "unknown_draft"


async def test_a_draft_is_taken_once(desk: FrontDesk, database: Database) -> None:
    number = await desk.draft(ADA, "region", REGION)
    takes = [desk.take_draft(ADA, number) for _ in range(16)]
    answers = await asyncio.gather(*takes, return_exceptions=True)
    assert sum(isinstance(answer, Ask) for answer in answers) == 1
    assert {a.code for a in answers if isinstance(a, Refusal)} == {"draft_used"}
    later = desk.change_draft(ADA, number, lambda ask: ask.tapped(9))
    assert (await refusal(later)).code == "draft_used"


async def test_old_drafts_are_forgotten(desk: FrontDesk, database: Database) -> None:
    number = await desk.draft(ADA, "region", REGION)
    async with database.begin() as session:
        assert await drafts.forget(session, older_than=drafts.LIFE) == 0
        await session.execute(text("update drafts set at = at - interval '8 days'"))
        assert await drafts.forget(session, older_than=drafts.LIFE) == 1
    assert (await refusal(desk.read_draft(ADA, number))).code == "unknown_draft"
