"""Review: who decides what, once, and what follows; what is hard is never lifted."""

import asyncio
from typing import Any
from uuid import uuid4

from shared.errors import Refusal
from shared.moderation import cases, strikes
from shared.moderation.cases import Case
from shared.moderation.ranks import Moderator, Rank
from tests.shared.oversight.people import (
    ADA,
    ADMIN,
    BO,
    GUILD,
    MOD,
    MOD_TWO,
    OPERATOR,
    STRANGER,
    VIEWER,
    House,
    an_account,
    refused,
)
from tests.shared.rows import Ruling

MINOR = Ruling(decision="block", category="minor", rule="minor_and_sexual", score=1.0)


async def test_blocked_appealed_lifted_and_drawn(house: House) -> None:
    review, case_id, ada = house.oversight.review, await house.blocked(), await house.account()
    assert await review.queue(MOD) == []
    async with house.database.begin() as session:
        await cases.appeal(session, case_id, ada.id, "a stuffed toy")
    [waiting] = await review.queue(MOD)
    assert (waiting.id, waiting.appeal) == (case_id, "a stuffed toy")
    dossier = await review.case(MOD, case_id)
    assert (dossier.weight, dossier.author) == (1, ada)
    decision = await review.lift(MOD, case_id, "it is a toy")
    assert decision.receipt is not None
    [job] = decision.receipt.jobs
    assert (job.strict, job.guild_id, job.account_id) == (True, GUILD, ada.id)
    rule = await house.scalar("select rule from verdicts where job_id = :id", id=job.id)
    assert rule == f"lifted:{case_id}"
    dossier = await review.case(MOD, case_id)
    assert (dossier.case.state, dossier.case.lifted_job_id, dossier.weight) == ("lifted", job.id, 0)
    assert dossier.case.decided_by == MOD.actor
    assert await refused(review.lift(MOD_TWO, case_id)) == "already_decided"
    assert await refused(review.uphold(MOD_TWO, case_id)) == "already_decided"
    actions = await house.actions()
    assert actions[-3:] == ["case_opened", "case_lifted", "strike_lifted"]
    await house.check_books()


async def test_nobody_decides_about_themselves_or_elsewhere(house: House) -> None:
    review, case_id = house.oversight.review, await house.blocked()
    job = await house.drawn()
    async with house.database.begin() as session:
        bo = await an_account(session, BO)
        report = await cases.report(session, bo.id, job, picture=0, reason="gore")
    author = Moderator(ADA.discord_id, "Ada", GUILD, Rank.ADMIN)
    reporter = Moderator(BO.discord_id, "Bo", GUILD, Rank.ADMIN)
    for decide in (review.lift, review.uphold):
        assert await refused(decide(author, case_id)) == "no_self_approval"
    for decide in (review.approve, review.uphold):
        for concerned in (author, reporter):
            assert await refused(decide(concerned, report)) == "no_self_approval"
    for outsider in (VIEWER, Moderator("5", "x", GUILD, Rank.NONE)):
        assert await refused(review.lift(outsider, case_id)) == "not_allowed"
    assert await refused(review.queue(Moderator("5", "x", None, Rank.VIEWER))) == "not_allowed"
    for missing in (review.lift(STRANGER, case_id), review.case(STRANGER, case_id)):
        assert await refused(missing) == "unknown_case"
    assert await refused(review.lift(MOD, uuid4())) == "unknown_case"
    assert await review.queue(STRANGER) == []
    assert [one.id for one in await review.queue(OPERATOR)] == [report]
    assert await refused(review.approve(MOD, case_id)) == "not_approvable"
    assert await refused(review.lift(MOD, report)) == "not_liftable"


async def test_what_is_hard_is_never_lifted_and_never_shown(house: House) -> None:
    review, job = house.oversight.review, await house.drawn()
    async with house.database.begin() as session:
        told: dict[str, Any] = {
            "account_id": job.account_id,
            "guild_id": GUILD,
            "verdict": MINOR,
        }
        prompt = await cases.note(session, kind="prompt", **told)
        picture = await cases.note(session, kind="picture", job_id=job.id, picture=0, **told)
        known = await cases.note(
            session, kind="picture", **told | {"verdict": Ruling("block", "known")}
        )
    for hard in (prompt, picture, known):
        for who in (MOD, ADMIN, OPERATOR):
            assert await refused(review.lift(who, hard)) == "never_lifted"
            assert await refused(review.pictures(who, hard, reveal=True)) == "never_revealed"
    assert (await review.uphold(MOD, prompt)).case.state == "upheld"


async def test_two_moderators_at_once_one_wins(house: House) -> None:
    review, case_id = house.oversight.review, await house.blocked()
    asked = (
        review.lift(MOD, case_id),
        review.uphold(MOD_TWO, case_id),
        review.lift(ADMIN, case_id),
    )
    answers = await asyncio.gather(*asked, return_exceptions=True)
    lost = [one.code for one in answers if isinstance(one, Refusal)]
    assert lost == ["already_decided"] * 2
    decisions = [one for one in await house.actions() if one in ("case_lifted", "case_upheld")]
    assert len(decisions) == 1
    state = await house.scalar("select state from cases where id = :id", id=case_id)
    jobs = await house.scalar("select count(*) from jobs")
    assert decisions == [f"case_{state}"]
    assert jobs == (state == "lifted")


async def test_a_lifted_prompt_that_cannot_be_taken_now_is_taken_later(house: House) -> None:
    review, case_id = house.oversight.review, await house.blocked()
    await house.oversight.house.pause(ADMIN, "moving")
    decision = await review.lift(MOD, case_id)
    assert decision.receipt is None
    assert decision.refusal is not None
    assert decision.refusal.code == "paused"
    assert decision.case.state == "lifted"
    await house.oversight.house.resume(ADMIN)
    again = await review.lift(MOD_TWO, case_id)
    assert again.receipt is not None
    assert again.case.decided_by == MOD.actor
    assert await refused(review.lift(MOD, case_id)) == "already_decided"


async def test_who_was_suspended_by_what_is_lifted_is_free_again(house: House) -> None:
    found = [await house.blocked() for _ in range(6)]
    assert await refused(house.submit("a red sailboat")) == "account_suspended"
    decision = await house.oversight.review.lift(MOD, found[0])
    assert decision.receipt is not None
    assert (await house.submit("a red sailboat")).created


async def test_a_report_is_upheld_and_the_picture_goes_or_it_stays(house: House) -> None:
    review, job = house.oversight.review, await house.drawn()
    async with house.database.begin() as session:
        bo = await an_account(session, BO)
        one, two, feared = [
            await cases.report(session, bo.id, job, picture=index, reason=reason)
            for index, reason in enumerate(("gore", "hate", "minor"))
        ]
    assert [asset.index for asset in await review.pictures(VIEWER, one)] == [0]
    assert await refused(review.pictures(VIEWER, one, reveal=True)) == "not_allowed"
    await review.pictures(MOD, one, reveal=True)
    assert (await house.actions())[-1] == "revealed"
    assert await refused(review.pictures(MOD, feared)) == "never_revealed"
    assert (await review.uphold(MOD, one)).case.state == "upheld"
    assert (await review.approve(MOD_TWO, two)).case.state == "lifted"
    left = sorted(key.rsplit("/")[-1] for key in await house.files())
    assert left == ["image-1.webp", "image-2.webp", "image-3.webp"]  # the grid showed it too
    assert await review.pictures(MOD, one) == []
    async with house.database.read() as session:
        assert await strikes.active_weight(session, job.account_id, GUILD) == 1
        assert await strikes.active_weight(session, job.account_id, None) == 0
    waiting: list[Case] = await review.queue(MOD)
    assert [case.id for case in waiting] == [feared]
    assert await review.waiting(MOD) == {"report": 1}
