"""The front desk: what is accepted is whole, what is refused leaves nothing and says why."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import SecretStr
from redis.asyncio import Redis
from sqlalchemy import text

from farm.embedded import redis_server
from shared import accounts, jobstore, ledger, workers
from shared.accounts import Standing
from shared.admission import FrontDesk, Person, Receipt, Submission
from shared.bell import QUEUES
from shared.config import RedisSettings, Settings
from shared.connections import Database, connect_redis
from shared.errors import Fault, Refusal
from shared.events import Events
from shared.fleets import RECENTLY_S
from shared.gate import HouseRules
from shared.jobs import Job, JobKind, JobState, Route
from shared.orders import Ask
from shared.outlooks import Outlooks
from shared.plans import Plan, Speed
from shared.waits import Outlook
from tests.shared.conftest import Build
from tests.shared.presses import press
from tests.shared.rows import BOOK, Ruling, bring_to

ADA = Person("1", "Ada", "free")
BO = Person("2", "Bo", "pro")
ROUTE = Route("10", "11", "1", guild_id="12", application_id="13", token="secret")
TEXT = "a red sailboat on the sea --seed 7"
TABLES = (
    "accounts",
    "jobs",
    "ledger",
    "balances",
    "verdicts",
    "deliveries",
    "audit",
    "plans_in_force",
)
_keys = count(1)


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator["Redis"]:
    client = connect_redis(settings.redis)
    yield client
    await client.aclose()


def foreseen(job_id: UUID, position: int, *, start_s: float) -> Outlook:
    return Outlook(
        job_id,
        position,
        start_s=start_s,
        eta_s=start_s + 5,
        eta_low_s=start_s,
        eta_high_s=start_s + 10,
        reason="behind others",
    )


def submission(typed: str = TEXT, person: Person = ADA, **fields: Any) -> Submission:
    values: dict[str, Any] = {"route": None, "key": f"key-{next(_keys)}"}
    return Submission(typed, person, **(values | fields))


async def rows(database: Database) -> dict[str, int]:
    async with database.read() as session:
        return {
            table: (await session.execute(text(f"select count(*) from {table}"))).scalar_one()
            for table in TABLES
        }


async def refusal(asked: Awaitable[object]) -> Refusal:
    with pytest.raises(Refusal) as refused:
        await asked
    return refused.value


async def check_books(database: Database) -> None:
    async with database.read() as session:
        assert await ledger.audit_sums(session) == []


async def drawn(database: Database, desk: FrontDesk, person: Person = ADA) -> Job:
    """A finished grid with its pictures."""
    receipt = await desk.submit(submission(person=person))
    return await pictured(database, receipt.jobs[0])


async def pictured(database: Database, waiting: Job) -> Job:
    """Finished, with four pictures that nobody has drawn."""
    async with database.begin() as session:
        job = await bring_to(session, waiting, JobState.SUCCEEDED)
        verdict = await jobstore.add_verdict(session, job.id, "image", Ruling(), attempt=1)
        for index in range(4):
            await jobstore.add_asset(
                session,
                job.id,
                kind="image",
                index=index,
                key=f"{job.id}/1/x-{index}.png",
                sha256=f"{index}" * 64,
                size=9,
                width=512,
                height=512,
                mime="image/png",
                verdict_id=verdict,
            )
    return job


# --- accepted --------------------------------------------------------------------------------


async def test_an_accepted_prompt_is_one_whole(desk: FrontDesk, database: Database) -> None:
    receipt = await desk.submit(submission(route=ROUTE))
    [job] = receipt.jobs
    assert receipt.created
    assert (job.state, job.kind, job.speed, job.plan) == (
        JobState.WAITING,
        JobKind.IMAGINE,
        Speed.FAST,
        "free",
    )
    assert job.prompt == TEXT
    assert (job.spec.seed, job.spec.images, job.spec.width) == (7, 4, 64)
    async with database.read() as session:
        assert await jobstore.load(session, job.id) == job
        assert await jobstore.route(session, job.id) == ROUTE
        assert await ledger.held(session, job.id) == job.estimate_ms
        verdicts = await session.execute(text("select subject, decision, job_id from verdicts"))
        assert [tuple(row) for row in verdicts] == [("prompt", "allow", job.id)]
    await check_books(database)


async def test_the_bell_rings_and_the_event_is_told(desk: FrontDesk, settings: Settings) -> None:
    redis = connect_redis(settings.redis)
    async with Events(redis).subscribe() as stream:
        receipt = await desk.submit(submission())
        async with asyncio.timeout(5):
            event = await anext(stream)
    assert (event.job_id, event.state) == (receipt.jobs[0].id, "waiting")
    assert await redis.zcard(QUEUES[Speed.FAST]) == 1
    await redis.aclose()


async def test_a_seed_is_drawn_when_none_is_typed(desk: FrontDesk) -> None:
    first = await desk.submit(submission("a red sailboat"))
    second = await desk.submit(submission("a red sailboat"))
    assert first.jobs[0].spec.seed != second.jobs[0].spec.seed


async def test_repeats_are_jobs_of_their_own_with_messages_of_their_own(
    desk: FrontDesk, database: Database
) -> None:
    receipt = await desk.submit(submission("a red house --repeat 3", BO, route=ROUTE))
    assert len({job.id for job in receipt.jobs}) == 3
    assert len({job.spec.seed for job in receipt.jobs}) == 3
    async with database.read() as session:
        routes = [await jobstore.route(session, job.id) for job in receipt.jobs]
    assert [route and route.message_id for route in routes] == [ROUTE.message_id, "", ""]
    assert routes[1] is not None
    assert (routes[1].channel_id, routes[1].token) == (ROUTE.channel_id, None)
    await check_books(database)


@pytest.mark.parametrize(
    ("typed", "field", "usual", "speed"),
    [
        ("a cat", None, None, Speed.FAST),
        ("a cat", None, Speed.RELAX, Speed.RELAX),
        ("a cat", Speed.TURBO, Speed.RELAX, Speed.TURBO),
        ("a cat --relax", Speed.TURBO, Speed.FAST, Speed.RELAX),
    ],
)
async def test_the_speed_is_the_typed_one_then_the_door_s_then_the_account_s(
    desk: FrontDesk, typed: str, field: Speed | None, usual: Speed | None, speed: Speed
) -> None:
    if usual is not None:
        assert (await desk.set_speed(BO, usual)).default_speed is usual
    receipt = await desk.submit(submission(typed, BO, speed=field))
    assert receipt.jobs[0].speed is speed


async def test_a_usual_speed_that_the_plan_lost_is_forgotten(
    desk: FrontDesk, database: Database
) -> None:
    await desk.set_speed(BO, Speed.TURBO)
    receipt = await desk.submit(submission("a cat", replace(BO, plan="free")))
    assert receipt.jobs[0].speed is Speed.FAST


async def test_turbo_holds_twice_and_relax_nothing(desk: FrontDesk, database: Database) -> None:
    for flag, times in (("--turbo", 2), ("--fast", 1), ("--relax", 0)):
        [job] = (await desk.submit(submission(f"a cat {flag}", BO))).jobs
        async with database.read() as session:
            assert await ledger.held(session, job.id) == times * job.estimate_ms


async def test_words_that_the_model_does_not_know_are_named(desk: FrontDesk) -> None:
    receipt = await desk.submit(submission("a dragon over a volcano, a red house"))
    [notice] = receipt.notices
    assert "does not know: dragon, " in notice
    assert "volcano" in notice
    assert "house" not in notice.split(". It knows")[0]
    assert "It knows subjects like" in notice
    assert (await desk.submit(submission("a red house"))).notices == ()


async def test_an_odd_shape_is_told(desk: FrontDesk) -> None:
    receipt = await desk.submit(submission("a red house --ar 5:4"))
    assert any("5:4" in notice for notice in receipt.notices)


# --- once for each key -----------------------------------------------------------------------


async def test_fifty_submissions_of_one_key_are_one_job(
    desk: FrontDesk, database: Database
) -> None:
    receipts = await asyncio.gather(*(desk.submit(submission(key="same")) for _ in range(50)))
    assert len({job.id for receipt in receipts for job in receipt.jobs}) == 1
    assert sum(receipt.created for receipt in receipts) == 1
    counted = await rows(database)
    assert (counted["jobs"], counted["accounts"], counted["ledger"]) == (1, 1, 2)
    await check_books(database)


async def test_a_repeat_gives_the_jobs_as_they_are_now(desk: FrontDesk, database: Database) -> None:
    first = await desk.submit(submission("a cat --repeat 2", BO, key="same"))
    await desk.cancel(BO, first.jobs[0].id)
    again = await desk.submit(submission("a cat --repeat 2", BO, key="same"))
    assert not again.created
    assert [job.id for job in again.jobs] == [job.id for job in first.jobs]
    assert again.jobs[0].state is JobState.CANCELLED


@pytest.mark.parametrize(
    "other", [submission("a dog", key="same"), submission(person=BO, key="same")]
)
async def test_a_key_is_not_used_for_something_else(
    desk: FrontDesk, database: Database, other: Submission
) -> None:
    await desk.submit(submission(key="same"))
    refused = await refusal(desk.submit(other))
    assert refused.code == "key_reused"
    assert (await rows(database))["jobs"] == 1


async def test_parallel_submissions_respect_the_cap_exactly(
    desk: FrontDesk, database: Database
) -> None:
    asked = [desk.submit(submission()) for _ in range(64)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Refusal)]
    assert sum(isinstance(answer, Receipt) for answer in answers) == BOOK.plan("free").max_waiting
    assert {refusal.code for refusal in refused} == {"too_many_waiting"}
    assert len(refused) == 60
    await check_books(database)


async def test_parallel_submissions_spend_no_credit_twice(build: Build, database: Database) -> None:
    price = (await build().submit(submission("a cat", BO))).jobs[0].estimate_ms
    desk = build(grant_ms=3 * price + 1, max_waiting=100)
    asked = [desk.submit(submission("a cat")) for _ in range(12)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(answer, Receipt) for answer in answers) == 3
    assert {a.code for a in answers if isinstance(a, Refusal)} == {"no_credit"}
    await check_books(database)


# --- refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "code", "words"),
    [
        ("", "empty_prompt", []),
        ("   \x00 ", "empty_prompt", []),
        ("x" * 6000, "prompt_too_long", ["6,000", "2,000"]),
        ("a cat --aspectt 3:2", "unknown_parameter", ["aspectt"]),
        ("a cat --steps 31", "too_many_steps", ["31", "30", "Free"]),
        ("a cat --repeat 2", None, ["Free"]),
        ("a cat --turbo", "speed_not_in_plan", ["turbo", "Free", "fast, relax"]),
        ("a cat --seed -1", None, ["seed"]),
    ],
)
async def test_a_no_names_the_reason_and_leaves_nothing(
    desk: FrontDesk, database: Database, typed: str, code: str | None, words: Sequence[str]
) -> None:
    refused = await refusal(desk.submit(submission(typed)))
    assert code in (None, refused.code)
    assert all(word in refused.sentence for word in words), refused.sentence
    assert set((await rows(database)).values()) == {0}


async def test_too_many_waiting_names_the_cap_and_the_plan(
    desk: FrontDesk, database: Database
) -> None:
    for _ in range(4):
        await desk.submit(submission())
    before = await rows(database)
    refused = await refusal(desk.submit(submission()))
    assert refused.code == "too_many_waiting"
    assert refused.sentence == (
        "4 of 4 are waiting; the Free plan allows no more than 4."
        " Cancel one with /cancel, or wait until one starts."
    )
    assert await rows(database) == before


async def test_a_full_line_says_when_the_next_one_starts(
    build: Build, redis: "Redis", database: Database
) -> None:
    desk = build()
    jobs = [(await desk.submit(submission())).jobs[0] for _ in range(4)]
    others = [foreseen(uuid4(), 1, start_s=1.0)]
    mine = [foreseen(job.id, place, start_s=55.0 * place) for place, job in enumerate(jobs, 2)]
    await Outlooks(redis).publish([*others, *mine])
    before = await rows(database)
    refused = await refusal(desk.submit(submission()))
    assert refused.code == "too_many_waiting"
    assert refused.sentence.startswith("4 of 4 are waiting;")
    assert refused.sentence.endswith("wait until one starts. The next starts in about 2 min.")
    assert await rows(database) == before


async def test_a_full_line_is_told_without_redis_too(build: Build, tmp_path: Path) -> None:
    nowhere = RedisSettings(url=SecretStr(f"unix://{tmp_path}/no.sock"), socket_timeout_s=0.2)
    desk = build(redis=nowhere)
    for _ in range(4):
        await desk.submit(submission())
    refused = await refusal(desk.submit(submission()))
    assert refused.sentence.endswith("or wait until one starts.")
    ahead = await desk.prospects(ADA)
    assert (ahead.waiting, ahead.running, ahead.outlooks) == (4, 0, None)


async def test_what_is_not_finished_comes_with_what_is_foreseen(
    build: Build, redis: "Redis", database: Database
) -> None:
    desk = build()
    first, second, _ = [(await desk.submit(submission())).jobs[0] for _ in range(3)]
    await desk.submit(submission(person=BO))
    async with database.begin() as session:
        await bring_to(session, first, JobState.RUNNING)
    told = foreseen(second.id, 1, start_s=3.0)
    await Outlooks(redis).publish([told])
    ahead = await desk.prospects(ADA)
    assert [job.id for job in ahead.jobs[:2]] == [first.id, second.id]
    assert (ahead.running, ahead.waiting, ahead.next_start_s) == (1, 2, 3.0)
    assert ahead.plan.name == "free"
    assert [ahead.outlook(job) for job in ahead.jobs] == [None, told, None]


async def test_a_repeat_beyond_the_cap_is_refused_as_a_whole(
    build: Build, database: Database
) -> None:
    desk = build(max_waiting=3)
    refused = await refusal(desk.submit(submission("a cat --repeat 4", BO)))
    assert (refused.code, refused.field) == ("too_many_at_once", "repeat")
    assert refused.sentence == (
        "This would be 4 waiting jobs at once; the Pro plan allows no more than 3."
    )
    assert (await rows(database))["jobs"] == 0
    await desk.submit(submission("a cat", BO))
    refused = await refusal(desk.submit(submission("a cat --repeat 3", BO)))
    assert (refused.code, refused.field) == ("too_many_waiting", "repeat")
    assert refused.sentence.startswith("1 of 3 are waiting and this would add 3;")


# --- a fleet that could never run it ---------------------------------------------------------


async def seen(database: Database, *, ago_s: float = 0, **gpus: float) -> None:
    """Workers by name, with so much GiB for checkpoints."""
    async with database.begin() as session:
        for name, gib in gpus.items():
            await workers.heartbeat(
                session, name, f"GPU of {name}", 4, [], False, vram_bytes=int(gib * 2**30)
            )
        if ago_s:
            await session.execute(
                text("update workers set seen_at = now() - make_interval(secs => :ago)"),
                {"ago": ago_s},
            )


async def test_a_job_that_no_gpu_can_hold_is_refused_and_nothing_is_written(
    build: Build, database: Database
) -> None:
    desk = build(vram_gb=20.0)
    await seen(database, small=7.4, larger=11.0)
    before = await rows(database)
    refused = await refusal(desk.submit(submission()))
    assert (refused.code, refused.field) == ("no_gpu_large_enough", "checkpoint")
    assert "GPU of larger" in refused.sentence
    assert await rows(database) == before
    await seen(database, large=22.0)
    assert (await desk.submit(submission())).created


async def test_while_no_gpu_is_up_a_job_waits(build: Build, database: Database) -> None:
    desk = build(vram_gb=20.0)
    assert (await desk.submit(submission())).created
    await seen(database, small=8.0, ago_s=RECENTLY_S + 1)
    assert (await desk.submit(submission())).created
    await seen(database, small=8.0, ago_s=RECENTLY_S - 10)
    assert (await refusal(desk.submit(submission()))).code == "no_gpu_large_enough"


async def test_a_repeat_of_an_accepted_submission_outlives_its_fleet(
    build: Build, database: Database
) -> None:
    desk = build(vram_gb=20.0)
    first = await desk.submit(submission(key="same"))
    await seen(database, small=8.0)
    again = await desk.submit(submission(key="same"))
    assert (again.created, again.jobs[0].id) == (False, first.jobs[0].id)


async def test_no_credit_names_price_balance_and_the_way_out(
    build: Build, database: Database
) -> None:
    desk = build(grant_ms=100)
    refused = await refusal(desk.submit(submission()))
    assert refused.code == "no_credit"
    assert "you have 0.1 s left" in refused.sentence
    assert "--relax" in refused.sentence
    assert set((await rows(database)).values()) == {0}
    assert (await desk.submit(submission("a cat --relax"))).created


async def test_the_way_out_is_only_told_when_there_is_one(build: Build) -> None:
    desk = build(grant_ms=100, speeds=(Speed.FAST,), default_speed=Speed.FAST)
    assert "--relax" not in (await refusal(desk.submit(submission()))).sentence


@pytest.mark.parametrize("standing", [Standing.SUSPENDED, Standing.BANNED])
async def test_who_may_not_draw_is_told_so(
    desk: FrontDesk, database: Database, standing: Standing
) -> None:
    job = await drawn(database, desk)
    async with database.begin() as session:
        await accounts.set_standing(session, job.account_id, standing)
    before = await rows(database)
    asked: list[Awaitable[object]] = [
        desk.submit(submission()),
        desk.submit(submission("--nonsense")),
        press(desk, "vary", ADA, job.id, 0, key="v", route=None),
        press(desk, "upscale", ADA, job.id, 0, key="u", route=None),
        press(desk, "reroll", ADA, job.id, key="r", route=None),
    ]
    for one in asked:
        refused = await refusal(one)
        assert refused.code == f"account_{standing}"
        assert standing in refused.sentence
        assert "moderator" in refused.sentence
    assert await rows(database) == before


async def test_who_is_banned_meanwhile_is_not_accepted(
    desk: FrontDesk, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first look is for the right sentence; the one in the transaction is for the rule."""
    [job] = (await desk.submit(submission())).jobs
    looked = desk._screening.open

    async def look_then_ban(ask: Ask) -> HouseRules:
        rules = await looked(ask)
        async with database.begin() as session:
            await accounts.set_standing(session, job.account_id, Standing.BANNED)
        return rules

    monkeypatch.setattr(desk._screening, "open", look_then_ban)
    assert (await refusal(desk.submit(submission()))).code == "account_banned"


async def test_a_blocked_prompt_leaves_a_verdict_and_a_strike(
    desk: FrontDesk, database: Database
) -> None:
    refused = await refusal(desk.submit(submission("hardcore porn")))
    assert (refused.code, refused.field) == ("prompt_blocked", "prompt")
    counted = await rows(database)
    assert (counted["jobs"], counted["verdicts"], counted["audit"]) == (0, 1, 1)
    async with database.read() as session:
        verdict = (await session.execute(text("select * from verdicts"))).one()
        audit = (await session.execute(text("select * from audit"))).one()
    assert (verdict.subject, verdict.decision, verdict.job_id) == ("prompt", "block", None)
    assert audit.subject == f"account:{verdict.account_id}"
    assert "porn" not in str(audit.detail.get("prompt", ""))
    await check_books(database)


async def test_a_screen_that_cannot_answer_is_a_no_without_a_strike(
    desk: FrontDesk, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("the list is gone")

    monkeypatch.setattr("shared.safety.evidence.find", broken)
    refused = await refusal(desk.submit(submission()))
    assert refused.code == "prompt_blocked"
    assert "Nothing was charged" in refused.sentence
    counted = await rows(database)
    assert (counted["jobs"], counted["verdicts"], counted["audit"]) == (0, 1, 0)


@pytest.mark.parametrize("key", ["", "x" * 201])
async def test_a_key_has_a_length(desk: FrontDesk, database: Database, key: str) -> None:
    assert (await refusal(desk.submit(submission(key=key)))).code == "invalid_key"
    assert set((await rows(database)).values()) == {0}


# --- buttons ---------------------------------------------------------------------------------


async def test_vary_leans_from_the_chosen_picture(desk: FrontDesk, database: Database) -> None:
    parent = await drawn(database, desk)
    [job] = (await press(desk, "vary", ADA, parent.id, 2, key="v", route=ROUTE)).jobs
    assert (job.kind, job.parent_id, job.parent_index) == (JobKind.VARY, parent.id, 2)
    assert job.spec.seed == parent.spec.image_seed(2)
    assert job.spec.variation is not None
    assert job.prompt == parent.prompt
    await check_books(database)


async def test_upscale_starts_from_the_stored_picture(desk: FrontDesk, database: Database) -> None:
    parent = await drawn(database, desk)
    [job] = (await press(desk, "upscale", ADA, parent.id, 1, key="u", route=None)).jobs
    assert (job.kind, job.parent_index, job.spec.images) == (JobKind.UPSCALE, 1, 1)
    (of,) = job.spec.sources
    assert (of.key, of.sha256) == (f"{parent.id}/1/x-1.png", "1" * 64)

    assert job.estimate_ms < parent.estimate_ms


async def test_reroll_takes_another_seed(desk: FrontDesk, database: Database) -> None:
    parent = await drawn(database, desk)
    [job] = (await press(desk, "reroll", ADA, parent.id, key="r", route=None)).jobs
    assert (job.kind, job.parent_id, job.spec.seed != parent.spec.seed) == (
        JobKind.IMAGINE,
        parent.id,
        True,
    )
    async with database.begin() as session:
        varied = (await press(desk, "vary", ADA, parent.id, 0, key="v", route=None)).jobs[0]
        await bring_to(session, varied, JobState.SUCCEEDED)
    [again] = (await press(desk, "reroll", ADA, varied.id, key="r2", route=None)).jobs
    assert (again.kind, again.parent_index) == (JobKind.VARY, 0)


async def test_a_button_pressed_twice_at_once_is_one_job(
    desk: FrontDesk, database: Database
) -> None:
    parent = await drawn(database, desk)
    presses = [press(desk, "vary", ADA, parent.id, 1, key="press", route=None) for _ in range(10)]
    receipts = await asyncio.gather(*presses)
    assert len({job.id for receipt in receipts for job in receipt.jobs}) == 1
    other = await refusal(press(desk, "vary", ADA, parent.id, 2, key="press", route=None))
    assert other.code == "key_reused"


async def press_all(
    desk: FrontDesk, person: Person, job_id: UUID, index: int = 0
) -> list[tuple[str, str]]:
    asked: list[Awaitable[object]] = [
        press(desk, "vary", person, job_id, index, key="v", route=None),
        press(desk, "upscale", person, job_id, index, key="u", route=None),
        press(desk, "reroll", person, job_id, key="r", route=None),
    ]
    refused = [await refusal(one) for one in asked]
    return [(refusal.code, refusal.sentence) for refusal in refused]


async def test_buttons_of_nobody_and_of_others_are_refused(
    desk: FrontDesk, database: Database
) -> None:
    job = await drawn(database, desk)
    before = await rows(database)
    assert {code for code, _ in await press_all(desk, ADA, uuid4())} == {"unknown_job"}
    assert {code for code, _ in await press_all(desk, BO, job.id)} == {"not_yours"}
    assert await rows(database) == before


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (JobState.WAITING, "not_finished"),
        (JobState.DISPATCHED, "not_finished"),
        (JobState.RUNNING, "not_finished"),
        (JobState.FAILED, "no_pictures"),
        (JobState.BLOCKED, "no_pictures"),
        (JobState.CANCELLED, "no_pictures"),
    ],
)
async def test_buttons_need_pictures(
    desk: FrontDesk, database: Database, state: JobState, code: str
) -> None:
    [job] = (await desk.submit(submission())).jobs
    async with database.begin() as session:
        await bring_to(session, job, state)
    told = await press_all(desk, ADA, job.id)
    assert {code for code, _ in told} == {code}
    assert all(sentence.endswith(".") for _, sentence in told)


@pytest.mark.parametrize("index", [-1, 4, 99])
async def test_there_are_four_pictures(desk: FrontDesk, database: Database, index: int) -> None:
    job = await drawn(database, desk)
    for verb in ("vary", "upscale"):
        refused = await refusal(press(desk, verb, ADA, job.id, index, key="x"))
        assert refused.code == "no_such_picture"
        assert "1 to 4" in refused.sentence


async def test_a_smaller_plan_does_not_repeat_a_larger_one_s_steps(
    desk: FrontDesk, database: Database
) -> None:
    [job] = (await desk.submit(submission("a cat --steps 60", BO))).jobs
    async with database.begin() as session:
        await bring_to(session, job, JobState.SUCCEEDED)
    refused = await refusal(
        press(desk, "reroll", replace(BO, plan="free"), job.id, key="r", route=None)
    )
    assert refused.code == "too_many_steps"
    assert "60" in refused.sentence
    assert "30" in refused.sentence


async def test_a_prompt_of_yesterday_is_screened_today(
    desk: FrontDesk, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await drawn(database, desk)

    def broken(*_: object) -> None:
        raise RuntimeError("a new policy")

    monkeypatch.setattr("shared.safety.evidence.find", broken)
    assert {code for code, _ in await press_all(desk, ADA, job.id)} == {"prompt_blocked"}


# --- cancel, info, queue ---------------------------------------------------------------------


@pytest.mark.parametrize("state", [JobState.WAITING, JobState.DISPATCHED, JobState.RUNNING])
async def test_cancelling_refunds_whole(
    desk: FrontDesk, database: Database, settings: Settings, state: JobState
) -> None:
    [job] = (await desk.submit(submission())).jobs
    async with database.begin() as session:
        await bring_to(session, job, state)
    redis = connect_redis(settings.redis)
    async with Events(redis).subscribe() as stream:
        cancelled = await desk.cancel(ADA, job.id)
        async with asyncio.timeout(5):
            event = await anext(stream)
    await redis.aclose()
    assert cancelled.state is JobState.CANCELLED
    assert (event.job_id, event.state) == (job.id, "cancelled")
    balance = (await desk.info(ADA)).balance
    assert (balance.available_ms, balance.held_ms) == (BOOK.plan("free").grant_ms, 0)
    await check_books(database)


async def test_only_one_of_many_cancels_cancels(desk: FrontDesk, database: Database) -> None:
    [job] = (await desk.submit(submission())).jobs
    cancels = [desk.cancel(ADA, job.id) for _ in range(8)]
    answers = await asyncio.gather(*cancels, return_exceptions=True)
    assert sum(isinstance(answer, Job) for answer in answers) == 1
    assert {a.code for a in answers if isinstance(a, Refusal)} == {"already_finished"}
    await check_books(database)


@pytest.mark.parametrize("state", [state for state in JobState if state.terminal])
async def test_what_has_ended_cannot_be_cancelled(
    desk: FrontDesk, database: Database, state: JobState
) -> None:
    [job] = (await desk.submit(submission())).jobs
    async with database.begin() as session:
        await bring_to(session, job, state)
    refused = await refusal(desk.cancel(ADA, job.id))
    assert refused.code == "already_finished"
    await check_books(database)


async def test_nobody_cancels_for_another(desk: FrontDesk, database: Database) -> None:
    [job] = (await desk.submit(submission())).jobs
    assert (await refusal(desk.cancel(BO, job.id))).code == "not_yours"
    assert (await refusal(desk.cancel(ADA, uuid4()))).code == "unknown_job"
    async with database.read() as session:
        assert await jobstore.load(session, job.id) == job


async def test_info_and_queue_tell_what_is_there(desk: FrontDesk, database: Database) -> None:
    await drawn(database, desk)
    jobs = [(await desk.submit(submission())).jobs[0] for _ in range(2)]
    async with database.begin() as session:
        await bring_to(session, jobs[0], JobState.RUNNING)
    info = await desk.info(ADA)
    assert (info.account.name, info.plan.name) == ("Ada", "free")
    assert (info.running, info.waiting) == (1, 1)
    assert info.counts == {"succeeded": 1, "running": 1, "waiting": 1}
    assert info.balance.held_ms == jobs[0].estimate_ms + jobs[1].estimate_ms
    assert [job.id for job in await desk.queue(ADA)] == [job.id for job in jobs]
    assert await desk.queue(BO) == []
    assert (await desk.account(BO)).plan == "pro"


async def test_a_speed_outside_of_the_plan_is_no_setting(desk: FrontDesk) -> None:
    assert (await refusal(desk.set_speed(ADA, Speed.TURBO))).code == "speed_not_in_plan"
    assert (await desk.account(ADA)).default_speed is None


# --- outages ---------------------------------------------------------------------------------


async def test_redis_away_stops_no_submission(
    build: Build, database: Database, tmp_path: Path
) -> None:
    server = await asyncio.to_thread(redis_server, tmp_path / "redis")
    desk = build(redis=RedisSettings(url=SecretStr(server.url), socket_timeout_s=0.3))
    assert (await desk.submit(submission())).created
    os.kill(server.pid, signal.SIGSTOP)
    began = time.monotonic()
    receipt = await desk.submit(submission())
    assert time.monotonic() - began < 2.5
    assert receipt.created
    await asyncio.to_thread(server.stop)
    assert (await desk.cancel(ADA, receipt.jobs[0].id)).state is JobState.CANCELLED
    assert (await desk.submit(submission())).created
    assert (await rows(database))["jobs"] == 3
    await check_books(database)


async def test_postgres_away_is_a_fault_that_says_so(
    desk: FrontDesk, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.begin() as session:
        account = await accounts.ensure(session, ADA.discord_id, ADA.name, plan="free", book=BOOK)
        await ledger.balance(session, account.id, lock=True)
        with pytest.raises(Fault) as busy:
            await desk.submit(submission())
    assert (busy.value.code, busy.value.retryable) == ("database_busy", True)
    assert "Nothing was charged" in busy.value.sentence
    assert (await rows(database))["jobs"] == 0


async def test_a_commit_that_fails_rings_no_bell(
    desk: FrontDesk, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise Fault("database_down", "Gone.", retryable=True)

    monkeypatch.setattr("shared.jobstore.set_route", fail)
    with pytest.raises(Fault):
        await desk.submit(submission(route=ROUTE))
    redis = connect_redis(settings.redis)
    assert await redis.keys("*") == []
    await redis.aclose()
    assert set((await rows(database)).values()) == {0}


def test_plans_are_the_shipped_ones() -> None:
    plan: Plan = BOOK.plan("free")
    assert (plan.max_waiting, plan.step_budget, plan.max_prompt) == (4, 30, 2000)
