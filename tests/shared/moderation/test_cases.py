"""Cases: who waits for whom, in which order, and what is kept of what was typed."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from shared.accounts import Account
from shared.connections import Database, Session
from shared.errors import Refusal
from shared.moderation import caselists, cases
from tests.shared.rows import Ruling, make_account, make_job

GORE = Ruling(decision="block", category="gore", rule="lexicon:gore:x", score=0.9)
MINOR = Ruling(decision="block", category="minor", rule="minor_and_sexual", score=1.0)


@pytest.fixture
async def session(database: Database) -> AsyncIterator[Session]:
    async with database.begin() as session:
        yield session


async def a_prompt(session: Session, account: Account, verdict: Ruling = GORE, **more: Any) -> Any:
    told = {"guild_id": "g", "prompt": "what was typed", "submission": {"text": "typed"}} | more
    return await cases.note(session, kind="prompt", account_id=account.id, verdict=verdict, **told)


async def refused(work: Any) -> str:
    with pytest.raises(Refusal) as caught:
        await work
    return caught.value.code


async def test_the_queue_has_hard_ones_reports_appeals_and_samples(session: Session) -> None:
    ada, bo = await make_account(session), await make_account(session, "bo")
    job = await make_job(session, ada, guild_id="g")
    sampled = await cases.sample(session, job=job, verdict=Ruling(category="hate", score=0.6))
    appealed = await a_prompt(session, ada)
    await cases.appeal(session, appealed, ada.id, "it is a museum")
    reported = await cases.report(session, bo.id, job, picture=1, reason="gore", text="look")
    feared = await cases.report(session, bo.id, job, picture=2, reason="minor")
    hard = await a_prompt(session, ada, MINOR)
    await a_prompt(session, ada)  # noted: nobody has to look
    await a_prompt(session, ada, MINOR, guild_id="elsewhere")
    queue = await caselists.queue(session, "g", limit=10)
    assert [one.id for one in queue] == [feared, hard, reported, appealed, sampled]
    assert [one.veiled for one in queue] == [True, True, False, False, False]
    assert not queue[0].hard  # what a reporter says is not what a filter found
    assert len(await caselists.queue(session, None, limit=10)) == 6
    assert len(await caselists.queue(session, None, limit=2)) == 2
    assert await caselists.waiting(session, "g") == {"prompt": 2, "report": 2, "sample": 1}
    told = await session.execute(text("select detail::text from audit"))
    assert "typed" not in "".join(told.scalars())


async def test_an_appeal_is_its_authors_once_and_not_against_what_is_hard(
    session: Session,
) -> None:
    ada, bo = await make_account(session), await make_account(session, "bo")
    case_id, hard = await a_prompt(session, ada), await a_prompt(session, ada, MINOR)
    assert await refused(cases.appeal(session, case_id, bo.id)) == "unknown_case"
    assert await refused(cases.appeal(session, uuid4(), ada.id)) == "unknown_case"
    assert await refused(cases.appeal(session, hard, ada.id)) == "never_lifted"
    opened = await cases.appeal(session, case_id, ada.id, "x" * 2000)
    assert (opened.state, len(opened.appeal or "")) == ("open", cases.LONGEST_TEXT)
    assert await refused(cases.appeal(session, case_id, ada.id)) == "appealed_before"
    decided = await cases.decide(session, case_id, cases.UPHELD, actor="discord:9")
    assert decided is not None
    assert await cases.decide(session, case_id, cases.LIFTED, actor="discord:8") is None
    assert await refused(cases.appeal(session, case_id, ada.id)) == "already_decided"


async def test_a_picture_is_reported_once_by_each(session: Session) -> None:
    ada, bo = await make_account(session), await make_account(session, "bo")
    job = await make_job(session, ada, guild_id="g")
    for picture in (None, 0):
        await cases.report(session, bo.id, job, picture=picture, reason="hate")
        again = cases.report(session, bo.id, job, picture=picture, reason="gore")
        assert await refused(again) == "reported_before"
    await cases.report(session, ada.id, job, picture=0, reason="hate")


async def test_what_was_typed_goes_when_its_time_is_over(session: Session) -> None:
    ada = await make_account(session)
    job = await make_job(session, ada, guild_id="g")
    noted, appealed = await a_prompt(session, ada), await a_prompt(session, ada)
    hard = await a_prompt(session, ada, MINOR)
    await cases.appeal(session, appealed, ada.id, "please")
    sampled = await cases.sample(session, job=job, verdict=GORE, prompt="a red sailboat")
    assert await cases.erase_old(session, kept=timedelta(days=1)) == 0
    assert await cases.erase_old(session, kept=timedelta(0)) == 4
    found = {one: await cases.load(session, one) for one in (noted, appealed, hard, sampled)}
    assert [one.state for one in found.values() if one] == ["expired", "expired", "open", "open"]
    left = await session.scalar(
        text(
            "select count(*) from cases where prompt is not null or submission is not null"
            " or appeal is not null"
        )
    )
    assert left == 0
    assert await cases.erase_old(session, kept=timedelta(0)) == 0


async def test_the_row_itself_refuses_to_lift_what_is_hard(session: Session) -> None:
    """Whatever the code above does."""
    hard = await a_prompt(session, await make_account(session), MINOR)
    with pytest.raises(IntegrityError, match="hard_is_never_lifted"):
        await cases.decide(session, hard, cases.LIFTED, actor="discord:9")
