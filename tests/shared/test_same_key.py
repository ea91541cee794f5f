"""One key, many askers, two bots: one job; and a key that was used for something else is refused."""

import asyncio
import random

import pytest
from sqlalchemy import text

from shared.admission import FrontDesk, Person, Receipt, Submission
from shared.config import Settings
from shared.connections import Database
from shared.errors import Refusal
from tests.shared.books import wrongs
from tests.shared.desks import insisting, two_desks

ASKERS = 50
KEYS = [4, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
THIS, OTHER = "a red boat --seed 7", "a blue boat --seed 7"
Answer = Receipt | Refusal


def asking(key: str, typed: str = THIS, *, who: str = "ada") -> Submission:
    return Submission(typed, Person(f"{who} of {key}", "Ada", "pro"), None, key)


async def introduce(desk: FrontDesk, key: str, *, known: bool) -> None:
    """Who is seen for the first time stands in a row for that alone; who is known does not."""
    if known:
        await desk.account(asking(key).person)


async def answered(desk: FrontDesk, submission: Submission) -> Answer:
    try:
        return await insisting(lambda: desk.submit(submission))
    except Refusal as refusal:
        return refusal


async def all_at_once(desks: tuple[FrontDesk, FrontDesk], asked: list[Submission]) -> list[Answer]:
    asks = [answered(desks[turn % 2], one) for turn, one in enumerate(asked)]
    return await asyncio.gather(*asks)


async def jobs_by_key(database: Database) -> dict[str, int]:
    query = "select submission_key, count(*) as number from jobs group by submission_key"
    async with database.read() as session:
        rows = await session.execute(text(query))
    return {row.submission_key: row.number for row in rows}


@pytest.mark.parametrize("keys", KEYS)
async def test_one_key_is_one_job_and_nothing_else(
    settings: Settings, database: Database, keys: int
) -> None:
    print(f"invariant 14: n = {keys} keys x {ASKERS} at once at two desks")
    named = [f"key-{number}" for number in range(keys)]
    async with two_desks(settings) as desks:
        for number, key in enumerate(named):
            await introduce(desks[0], key, known=number % 2 == 0)
            answers = await all_at_once(desks, [asking(key)] * ASKERS)
            receipts = [answer for answer in answers if isinstance(answer, Receipt)]
            assert len(receipts) == ASKERS
            assert sum(receipt.created for receipt in receipts) == 1
            assert len({job.id for receipt in receipts for job in receipt.jobs}) == 1
        for key in named:
            others = [asking(key, OTHER), asking(key, OTHER), asking(key, who="eve")]
            assert await refusals(desks, others) == ["key_reused"] * len(others)
    assert await jobs_by_key(database) == dict.fromkeys(named, 1)
    async with database.read() as session:
        assert await wrongs(session) == []


@pytest.mark.parametrize("keys", KEYS)
async def test_two_bodies_that_race_for_one_key(
    settings: Settings, database: Database, keys: int
) -> None:
    """Whichever is first has it; everybody who said the other is told so."""
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    print(f"invariant 14: n = {keys} keys, two bodies each, seed {seed}")
    async with two_desks(settings) as desks:
        for number in range(keys):
            await introduce(desks[0], f"race-{number}", known=number % 2 == 0)
            asked = [asking(f"race-{number}", dice.choice((THIS, OTHER))) for _ in range(ASKERS)]
            answers = await all_at_once(desks, asked)
            kept = {r.jobs[0].prompt for r in answers if isinstance(r, Receipt)}
            assert len(kept) == 1
            for one, answer in zip(asked, answers, strict=True):
                assert _told(answer) == ("accepted" if one.text in kept else "key_reused")
    assert set((await jobs_by_key(database)).values()) == {1}
    async with database.read() as session:
        assert await wrongs(session) == []


async def refusals(desks: tuple[FrontDesk, FrontDesk], asked: list[Submission]) -> list[str]:
    return [_told(answer) for answer in await all_at_once(desks, asked)]


def _told(answer: Answer) -> str:
    return answer.code if isinstance(answer, Refusal) else "accepted"
