"""Money under fire: many spend one credit at once through two desks, and every job ends several times."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import count

import pytest

from shared import ledger
from shared.admission import FrontDesk, Person, Receipt, Submission
from shared.config import Settings
from shared.connections import Database
from shared.errors import Refusal
from shared.jobs import Job, JobState
from tests.shared import deeds
from tests.shared.books import wrongs
from tests.shared.desks import insisting, two_desks
from tests.shared.rows import bring_to

SPENDERS, ENOUGH_FOR = 64, 10
_keys = count(1)


@pytest.mark.parametrize(
    "rounds", [2, pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
async def test_64_parallel_spends_on_credit_for_10(
    settings: Settings, database: Database, rounds: int
) -> None:
    seed = random.randrange(2**32)
    dice = random.Random(seed)
    print(f"invariant 3: n = {rounds} x {SPENDERS} spends, seed {seed}")
    async with two_desks(settings, grant_ms=0, max_waiting=1000) as desks:
        for number in range(rounds):
            person = Person(f"{number}", f"Spender {number}", "free")
            await fund(desks[0], database, person)
            accepted = await spend_at_once(desks, person)
            assert len(accepted) == ENOUGH_FOR
            await end_each_several_times(desks, database, accepted, person=person, dice=dice)
    async with database.read() as session:
        assert await wrongs(session) == []
        assert await ledger.audit_sums(session) == []


async def fund(desk: FrontDesk, database: Database, person: Person) -> None:
    """Credit for exactly ten."""
    account = await desk.account(person)
    with pytest.raises(Refusal, match=r"GPU time"):
        await desk.submit(submission(person))
    price = await price_of_one(desk)
    async with database.begin() as session:
        key = f"ten:{account.id}"
        assert await ledger.grant(session, account.id, ENOUGH_FOR * price, key=key)


async def price_of_one(desk: FrontDesk) -> int:
    """What a relaxed one would have cost, which holds nothing."""
    probe = Submission("a cat --seed 7 --relax", Person("probe", "P", "free"), None, "probe")
    return (await desk.submit(probe)).jobs[0].estimate_ms


def submission(person: Person) -> Submission:
    return Submission("a cat --seed 7", person, None, f"spend-{next(_keys)}")


async def spend_at_once(desks: tuple[FrontDesk, FrontDesk], person: Person) -> list[Job]:
    async def spend(desk: FrontDesk) -> Receipt | Refusal:
        asked = submission(person)
        try:
            return await insisting(lambda: desk.submit(asked))
        except Refusal as refusal:
            return refusal

    answers = await asyncio.gather(*(spend(desks[turn % 2]) for turn in range(SPENDERS)))
    assert {a.code for a in answers if isinstance(a, Refusal)} == {"no_credit"}
    return [job for answer in answers if isinstance(answer, Receipt) for job in answer.jobs]


async def end_each_several_times(
    desks: tuple[FrontDesk, FrontDesk],
    database: Database,
    jobs: list[Job],
    *,
    person: Person,
    dice: random.Random,
) -> None:
    """A success, a failure and two cancels of each, all at once and in any order: one of them wins."""
    async with database.begin() as session:
        for job in jobs:
            await bring_to(session, job, JobState.RUNNING)
    for job in jobs:
        ways: list[Callable[[], Awaitable[bool]]] = [
            partial(cancel, desk, person, job) for desk in desks
        ]
        ways += [partial(succeed, database, job, dice), partial(fail, database, job)]
        dice.shuffle(ways)
        assert sum(await asyncio.gather(*map(insisting, ways))) == 1


async def cancel(desk: FrontDesk, person: Person, job: Job) -> bool:
    try:
        return bool(await desk.cancel(person, job.id))
    except Refusal as refusal:
        assert refusal.code == "already_finished"  # noqa: PT017
        return False


async def succeed(database: Database, job: Job, dice: random.Random) -> bool:
    charged_ms = dice.randint(0, job.estimate_ms)
    async with database.begin() as session:
        return await deeds.succeed(session, job, charged_ms, attempt=1, worker="w1")


async def fail(database: Database, job: Job) -> bool:
    async with database.begin() as session:
        return await deeds.fail(session, job, attempt=1, worker="w1")
