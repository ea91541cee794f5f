"""Every verb that goes on from a picture, and new words for it: the recipe, the row, the money."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any

import pytest

from shared import accounts, jobstore
from shared.admission import FrontDesk, Receipt, Unconfirmed
from shared.config import Settings
from shared.connections import Database
from shared.errors import Refusal
from shared.jobs import Job, JobKind, JobState, Visibility
from shared.lineage import LEANING, How
from shared.orders import NOWHERE, Ask
from shared.plans import Speed
from shared.preferences import Preferences
from shared.spec import RenderKind
from shared.uploads import UPLOADS
from tests.shared.conftest import Build
from tests.shared.deeds import succeed
from tests.shared.desks import insisting, two_desks
from tests.shared.presses import press
from tests.shared.rows import bring_to
from tests.shared.test_admission import (
    ADA,
    BO,
    ROUTE,
    check_books,
    drawn,
    pictured,
    refusal,
    rows,
    submission,
)

WIDE = "a red sailboat --ar 3:2"


async def pressed(desk: FrontDesk, verb: str, parent: Job, **fields: Any) -> Job:
    key = f"{verb}:{parent.id}:{sorted(fields.items())}"[:200]
    [job] = (await press(desk, verb, BO, parent.id, 1, key=key, **fields)).jobs
    return job


async def test_each_verb_has_its_kind_manner_and_recipe(build: Build, database: Database) -> None:
    desk = build(max_waiting=30, intake=None)
    [asked] = (await desk.submit(submission(WIDE, BO))).jobs
    parent = await pictured(database, asked)
    expected: list[tuple[str, dict[str, Any], str, RenderKind]] = [
        ("vary", {"manner": "subtle"}, "subtle", RenderKind.TEXT),
        ("vary", {"manner": "strong"}, "strong", RenderKind.TEXT),
        ("upscale", {}, "", RenderKind.UPSCALE),
        ("zoom", {"factor": 1.5}, "1.5x", RenderKind.OUTPAINT),
        ("zoom", {"factor": 2.0}, "2x", RenderKind.OUTPAINT),
        *(("pan", {"manner": way}, way, RenderKind.OUTPAINT) for way in ("left", "up")),
        ("square", {}, "", RenderKind.OUTPAINT),
        ("reroll", {}, "", RenderKind.TEXT),
    ]
    for verb, fields, manner, kind in expected:
        job = await pressed(desk, verb, parent, **fields)
        assert (job.manner, job.spec.kind) == (manner, kind), verb
        assert job.kind is (JobKind.IMAGINE if verb == "reroll" else JobKind(verb))
        assert (job.parent_id, job.prompt) == (parent.id, parent.prompt)
        assert job.parent_index == (None if verb == "reroll" else 1)
        if kind is not RenderKind.TEXT:
            assert job.spec.sources[0].key == f"{parent.id}/1/x-1.png"
    await check_books(database)


async def test_a_variation_is_as_strong_as_it_is_liked(desk: FrontDesk, database: Database) -> None:
    parent = await drawn(database, desk, BO)
    for how in How:
        await desk.set_preferences(BO, Preferences(variability=how))
        [job] = (await press(desk, "vary", BO, parent.id, 0, key=f"v{how}")).jobs
        assert job.manner == how.value
        assert job.spec.variation is not None
        assert job.spec.variation.strength == LEANING[how]


async def test_what_was_enlarged_goes_on_from_its_grid(desk: FrontDesk, database: Database) -> None:
    parent = await drawn(database, desk, BO)
    single = await pressed(desk, "upscale", parent)
    async with database.begin() as session:
        running = await bring_to(session, single, JobState.RUNNING)
        assert await succeed(session, running, 10, attempt=1, worker="w1")
    job = await pressed(desk, "vary", single)
    assert (job.parent_id, job.parent_index) == (parent.id, 1)
    assert (await pressed(desk, "reroll", single)).parent_id == parent.id


async def test_new_words_are_read_and_screened_and_begin_as_the_old(
    desk: FrontDesk, database: Database
) -> None:
    parent = await drawn(database, desk, BO)
    job = await pressed(desk, "vary", parent, manner="subtle", text="a blue castle --steps 9")
    assert (job.manner, job.prompt) == ("remix subtle", "a blue castle --steps 9")
    assert [text.text for text in job.spec.texts] == ["a blue castle"]
    assert (job.spec.seed, job.spec.steps) == (parent.spec.image_seed(1), 9)
    zoomed = await pressed(desk, "zoom", parent, factor=2.0, text="a blue castle --ar 3:2")
    assert (zoomed.manner, zoomed.spec.kind) == ("remix 2x", RenderKind.OUTPAINT)
    assert (zoomed.spec.width, zoomed.spec.height) == (parent.spec.width, parent.spec.height)
    fresh = await pressed(desk, "reroll", parent, text="a blue castle --ar 3:2")
    assert (fresh.manner, fresh.spec.width > fresh.spec.height) == ("remix", True)
    before = await rows(database)
    for text, code in (
        ("a castle --nope 3", "unknown_parameter"),
        ("hardcore porn", "prompt_blocked"),
    ):
        one = press(desk, "vary", BO, parent.id, 1, key=code, text=text)
        assert (await refusal(one)).code == code
    assert (await rows(database))["jobs"] == before["jobs"]


async def test_a_region_is_tapped_or_refused(build: Build, database: Database, kept: Any) -> None:
    intake, store = kept
    desk = build(intake=intake)
    parent = await drawn(database, desk, BO)
    job = await pressed(desk, "region", parent, cells=(0, 24), text="a blue castle")
    assert (job.kind, job.manner, job.spec.kind) == (JobKind.REGION, "remix", RenderKind.INPAINT)
    assert job.spec.mask is not None
    assert job.spec.mask.key.startswith(UPLOADS)
    assert await store.exists(job.spec.mask.key)
    for cells, code in (
        ((), "no_region"),
        (tuple(range(25)), "whole_picture"),
        ((25,), "no_such_cell"),
    ):
        one = press(desk, "region", BO, parent.id, 1, key=code, cells=cells)
        assert (await refusal(one)).code == code


async def test_a_region_is_named_and_its_words_are_screened(
    desk: FrontDesk, database: Database
) -> None:
    parent = await drawn(database, desk, BO)
    job = await pressed(desk, "region", parent, words=" the red sail ")
    assert (job.kind, job.spec.kind) == (JobKind.REGION, RenderKind.INPAINT)
    assert (job.spec.region, job.spec.mask) == ("the red sail", None)
    one = press(desk, "region", BO, parent.id, 1, key="k", words="hardcore porn")
    assert (await refusal(one)).code == "prompt_blocked"


NO_BUTTON: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("zoom", {"factor": 7.0}, "invalid_value"),
    ("pan", {"manner": "in"}, "invalid_value"),
    ("vary", {"manner": "mildly"}, "invalid_value"),
    ("upscale", {"manner": "huge"}, "invalid_value"),
    ("upscale", {"text": "other words"}, "not_remixable"),
    ("enlighten", {}, "unknown_verb"),
    ("square", {}, "already_square"),
    ("region", {"words": "x" * 300}, "region_too_long"),
)


async def test_what_no_button_asks_for_is_refused(desk: FrontDesk, database: Database) -> None:
    parent = await drawn(database, desk, BO)
    before = await rows(database)
    for verb, fields, code in NO_BUTTON:
        one = press(desk, verb, BO, parent.id, 1, key="k", **fields)
        assert (await refusal(one)).code == code, verb
    assert await rows(database) == before


# --- many jobs of one ask --------------------------------------------------------------------

MANY = "a {red, blue} {boat, house} --repeat 2"


def asking(text: str = MANY, **fields: Any) -> Ask:
    return Ask("imagine", BO, NOWHERE, "many", ROUTE, text=text, **fields)


async def test_choices_and_repeats_are_told_and_priced_before_they_are_made(
    desk: FrontDesk, database: Database
) -> None:
    before = await rows(database)
    with pytest.raises(Unconfirmed) as unconfirmed:
        await desk.ask(asking())
    quote = unconfirmed.value.quote
    assert await desk.quote(asking()) == quote
    assert await rows(database) == before
    assert quote.prompts[::2] == tuple(
        f"a {colour} {thing} --repeat 2"
        for colour in ("red", "blue")
        for thing in ("boat", "house")
    )
    receipt = await desk.ask(asking(confirmed=True))
    assert [job.prompt for job in receipt.jobs] == list(quote.prompts)
    info = await desk.info(BO)
    assert (info.balance.held_ms, quote.jobs) == (quote.price_ms, 8)
    assert quote.available_ms == info.balance.available_ms + info.balance.held_ms
    again = await desk.ask(asking(confirmed=True))
    assert (again.created, again.jobs) == (False, receipt.jobs)
    other = asking("a {red, blue} {boat, car} --repeat 2", confirmed=True)
    assert (await refusal(desk.ask(other))).code == "key_reused"
    await check_books(database)


async def test_sixty_four_presses_of_one_draft_are_one_set_of_jobs(
    settings: Settings, database: Database
) -> None:
    async with two_desks(settings) as desks:
        number = await desks[0].draft(BO, "confirm", asking())

        def press(turn: int) -> Awaitable[Receipt]:
            return insisting(lambda: desks[turn % 2].confirm(BO, number, route=None))

        answers = await asyncio.gather(*map(press, range(64)))
    # Whoever was told to try again may come second to themselves.
    assert sum(one.created for one in answers) <= 1
    assert len({tuple(job.id for job in one.jobs) for one in answers}) == 1
    assert (await rows(database))["jobs"] == 8
    await check_books(database)


async def test_a_draft_that_is_refused_can_be_confirmed_again(build: Build) -> None:
    desk = build(max_waiting=8)
    [first] = (await desk.submit(submission(person=BO))).jobs
    number = await desk.draft(BO, "confirm", asking())
    assert (await refusal(desk.confirm(BO, number, route=None))).code == "too_many_waiting"
    await desk.cancel(BO, first.id)
    assert len((await desk.confirm(BO, number, route=None)).jobs) == 8


@pytest.mark.parametrize(
    ("text", "person", "code"),
    [
        ("a {red, blue} boat --relax", BO, "many_at_this_speed"),
        ("a {1,2,3,4,5,6,7,8,9} boat --repeat 9", BO, "too_many_jobs"),
        ("a {red, blue boat", BO, "unbalanced_braces"),
    ],
)
async def test_too_many_at_once_are_refused(
    desk: FrontDesk, database: Database, text: str, person: Any, code: str
) -> None:
    refused = await refusal(desk.ask(replace(asking(text, confirmed=True), person=person)))
    assert (refused.code, (await rows(database))["jobs"]) == (code, 0)


# --- preferences and visibility --------------------------------------------------------------


async def test_preferences_are_in_what_is_drawn_and_told(desk: FrontDesk) -> None:
    await desk.set_preferences(BO, Preferences(suffix="--steps 9", options={"sea": "a boat"}))
    [job] = (await desk.submit(submission("a castle and --sea", BO))).jobs
    assert (job.prompt, job.spec.steps) == ("a castle and a boat --steps 9", 9)
    [job] = (await desk.submit(submission("a castle --steps 11", BO))).jobs
    assert job.spec.steps == 11


async def test_stealth_is_the_plan_s_and_stays_with_what_comes_of_it(
    desk: FrontDesk, database: Database
) -> None:
    refused = await refusal(desk.submit(submission("a boat --stealth")))
    assert refused.code == "stealth_not_in_plan"
    await desk.set_preferences(BO, Preferences(visibility=Visibility.STEALTH))
    [asked] = (await desk.submit(submission("a boat", BO))).jobs
    [shown] = (await desk.submit(submission("a boat --public", BO))).jobs
    assert (asked.visibility, shown.visibility) == (Visibility.STEALTH, Visibility.PUBLIC)
    parent = await pictured(database, asked)
    await desk.set_preferences(BO, Preferences())
    assert (await pressed(desk, "vary", parent)).visibility is Visibility.STEALTH
    spoken = await pressed(desk, "vary", parent, visibility=Visibility.PUBLIC)
    assert spoken.visibility is Visibility.PUBLIC


async def test_a_plan_that_was_lost_decides_at_once(desk: FrontDesk, database: Database) -> None:
    await desk.account(BO)
    poor = replace(BO, plan="free")
    assert (await refusal(desk.submit(submission("a boat --turbo", poor)))).code == (
        "speed_not_in_plan"
    )
    [job] = (await desk.submit(submission("a boat", poor))).jobs
    assert (job.plan, job.speed) == ("free", Speed.FAST)
    async with database.read() as session:
        account = await accounts.by_discord(session, "2")
        assert account is not None
        assert (await jobstore.load(session, job.id)) == job
    assert account.plan == "free"


async def test_a_quote_of_somebody_new_writes_nothing(desk: FrontDesk, database: Database) -> None:
    quote = await desk.quote(replace(asking("a boat"), person=ADA))
    assert (quote.jobs, quote.speed) == (1, Speed.FAST)
    assert quote.price_ms > 0
    assert set((await rows(database)).values()) == {0}
    with pytest.raises(Refusal):
        await desk.quote(replace(asking("a boat --nope"), person=ADA))
