"""House rules and what two people decide: bounds, ranks, and nobody alone."""

import asyncio
import math
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from shared.errors import Refusal
from shared.moderation import cases, proposals, staff
from shared.moderation.ranks import Moderator, Rank
from shared.safety.policy import Band
from tests.shared.oversight.people import (
    ADA,
    ADMIN,
    ADMIN_TWO,
    BLOCKED,
    ELSEWHERE,
    GUILD,
    MOD,
    MOD_TWO,
    OPERATOR,
    STRANGER,
    VIEWER,
    House,
    refused,
)
from tests.shared.rows import Ruling

HOME = Moderator("941", "Hal", "7", Rank.ADMIN, house=True)
HOME_TWO = Moderator("942", "Hua", "7", Rank.ADMIN, house=True)


async def test_an_unban_takes_two_people_of_whom_none_is_concerned(house: House) -> None:
    discipline, pairs = house.oversight.discipline, house.oversight.pairs
    await house.account()
    assert await refused(pairs.propose_unban(MOD, ADA.discord_id, "x")) == "not_banned"
    await discipline.ban(MOD, ADA.discord_id, "spam")
    author = Moderator(ADA.discord_id, "Ada", GUILD, Rank.ADMIN)
    assert await refused(pairs.propose_unban(author, ADA.discord_id, "x")) == "no_self_approval"
    first = await pairs.propose_unban(MOD, ADA.discord_id, "sorry")
    assert [one.id for one in await pairs.open(VIEWER)] == [first.id]
    assert await pairs.open(STRANGER) == []
    assert await refused(pairs.approve(MOD, first.id)) == "no_self_approval"
    assert await refused(pairs.approve(author, first.id)) == "no_self_approval"
    assert await refused(pairs.approve(VIEWER, first.id)) == "not_allowed"
    assert await refused(pairs.approve(STRANGER, first.id)) == "unknown_proposal"
    assert await refused(house.submit("a boat")) == "banned_here"
    answers = await asyncio.gather(
        pairs.approve(MOD_TWO, first.id), pairs.approve(ADMIN, first.id), return_exceptions=True
    )
    assert [one.code for one in answers if isinstance(one, Refusal)] == ["already_decided"]
    assert (await house.submit("a boat")).created
    assert (await house.actions())[-3:] == ["unban_proposed", "unban_approved", "unban"]


async def test_the_operators_admins_ban_and_unban_everywhere(house: House) -> None:
    discipline, pairs = house.oversight.discipline, house.oversight.pairs
    await house.account()
    for who in (ADMIN, MOD):
        wide = discipline.ban(who, ADA.discord_id, "spam", everywhere=True)
        assert await refused(wide) == "not_allowed"
    await discipline.ban(HOME, ADA.discord_id, "spam", everywhere=True)
    assert await refused(house.submit("a boat")) == "account_banned"
    assert await refused(pairs.propose_unban(ADMIN, ADA.discord_id, "x")) == "not_banned"
    first = await pairs.propose_unban(HOME, ADA.discord_id, "sorry", everywhere=True)
    assert await refused(pairs.approve(ADMIN, first.id)) == "unknown_proposal"
    assert [one.id for one in await pairs.open(HOME_TWO)] == [first.id]
    await pairs.approve(HOME_TWO, first.id)
    assert (await house.submit("a boat")).created


async def test_what_happened_on_no_server_is_the_houses(house: House) -> None:
    ada, review = await house.account(), house.oversight.review
    async with house.database.begin() as session:
        verdict = Ruling(decision="block", category="gore")
        told: dict[str, Any] = {
            "kind": "prompt",
            "account_id": ada.id,
            "verdict": verdict,
            "state": "open",
        }
        alone = await cases.note(session, guild_id=None, **told)
    helper = Moderator("943", "Hed", "7", Rank.MODERATOR, house=True)
    for who in (ADMIN, STRANGER):
        assert await review.queue(who) == []
        assert await refused(review.uphold(who, alone)) == "unknown_case"
    assert [one.id for one in await review.queue(helper)] == [alone]
    assert (await review.waiting(HOME), await review.waiting(ADMIN)) == ({"prompt": 1}, {})
    assert (await review.uphold(helper, alone)).case.state == "upheld"


async def test_the_rows_themselves_refuse_to_be_approved_by_one(house: House) -> None:
    """Whatever the code above does."""
    proposal = await house.oversight.pairs.propose_policy(ADMIN, {"gore": Band(0.5, 0.6)})
    alone = "update proposals set state = 'approved', decided_by = proposed_by, decided_at = now()"
    with pytest.raises(IntegrityError, match="two_people"):
        async with house.database.begin() as session:
            await session.execute(text(alone))
    rejected = await house.oversight.pairs.reject(ADMIN, proposal.id)  # one may take back their own
    assert rejected.state == "rejected"


async def test_a_proposal_is_forgotten_after_a_week(house: House) -> None:
    pairs = house.oversight.pairs
    proposal = await pairs.propose_policy(ADMIN, {"gore": Band(0.5, 0.6)})
    async with house.database.begin() as session:
        assert await proposals.expire(session) == 0
        await session.execute(text("update proposals set expires_at = clock_timestamp()"))
    assert await refused(pairs.approve(ADMIN_TWO, proposal.id)) == "already_decided"
    async with house.database.begin() as session:
        assert await proposals.expire(session) == 1
    assert await pairs.open(ADMIN) == []


async def test_a_servers_thresholds_stay_within_the_operators_bounds(house: House) -> None:
    pairs = house.oversight.pairs
    before = await pairs.show_policy(VIEWER)
    assert (before.number, before.own) == (0, {})
    for wrong in ({"gore": Band(0.1, 0.2)}, {"self_harm": Band(0.5, 0.9)}, {"minor": Band(1, 2)}):
        code = await refused(pairs.propose_policy(ADMIN, wrong))
        assert code in ("policy_out_of_bounds", "unknown_category")
    assert await refused(pairs.propose_policy(MOD, {"gore": Band(0.5, 0.6)})) == "not_allowed"
    bands = {"gore": Band(0.6, 0.9), "public_figure": Band(0.6, math.inf)}
    proposal = await pairs.propose_policy(ADMIN, bands)
    assert (await pairs.show_policy(VIEWER)).number == 0
    assert await refused(pairs.approve(ADMIN, proposal.id)) == "no_self_approval"
    assert await refused(pairs.approve(MOD, proposal.id)) == "not_allowed"
    await pairs.approve(ADMIN_TWO, proposal.id)
    view = await pairs.show_policy(VIEWER)
    assert (view.number, view.effective["gore"]) == (1, Band(0.6, 0.9))
    assert view.effective["public_figure"].block > 1  # never reached
    assert view.effective["sexual"] == before.effective["sexual"]
    assert (await pairs.show_policy(STRANGER)).number == 0


async def test_words_are_blocked_on_their_server_while_it_runs(house: House) -> None:
    desk = house.oversight.house
    assert [one.term for one in await desk.terms(MOD)] == [BLOCKED]
    assert await desk.terms(STRANGER) == []
    await house.blocked()
    assert (await house.submit(f"a {BLOCKED}", guild=ELSEWHERE)).created
    assert await desk.unblock_term(ADMIN, f" {BLOCKED.title()} ") == BLOCKED
    assert (await house.submit(f"a {BLOCKED}")).created
    assert await desk.block_term(OPERATOR, BLOCKED, "hate") == BLOCKED
    assert [one.guild_id for one in await desk.terms(STRANGER)] == [None]
    for wrong, code in (
        (desk.block_term(OPERATOR, BLOCKED, "hate"), "term_known"),
        (desk.block_term(ADMIN, "???", "hate"), "bad_term"),
        (desk.block_term(ADMIN, "one two three four five six seven", "hate"), "bad_term"),
        (desk.block_term(ADMIN, "word", "minor"), "unknown_category"),
        (desk.block_term(ADMIN, "word", "hate", strength="inside"), "unknown_strength"),
        (desk.unblock_term(ADMIN, BLOCKED), "unknown_term"),  # the operator's own
        (desk.block_term(MOD, "word", "hate"), "not_allowed"),
    ):
        assert await refused(wrong) == code


async def test_hashes_and_wide_pauses_are_the_operators(house: House) -> None:
    desk = house.oversight.house
    noise = "".join(f"{number:02x}" for number in range(32))
    listed = f"sha256,{noise}\nnonsense\nmd5,{noise[:32]}\n"
    for who in (ADMIN, STRANGER, MOD):
        assert await refused(desk.import_hashes(who, listed, list_name="l")) == "not_allowed"
        assert await refused(desk.pause(who, "x", scope="everywhere")) == "not_allowed"
    told = await desk.import_hashes(HOME, listed, list_name="ours")
    assert (told.read, told.added, told.bad) == (2, 2, (2,))
    assert (await desk.import_hashes(OPERATOR, listed, list_name="ours")).added == 0
    assert await refused(desk.import_hashes(HOME, "nothing", list_name="l")) == "no_hashes"
    assert await refused(desk.pause(OPERATOR, "x")) == "unknown_scope"
    assert await desk.pause(ADMIN, "moving")
    assert not await desk.pause(ADMIN_TWO, "again")
    assert await refused(house.submit("a boat")) == "paused"
    assert (await house.submit("a boat", guild=ELSEWHERE)).created
    assert await desk.pause(HOME, "fire", scope="everywhere")
    assert await refused(house.submit("a boat", guild=ELSEWHERE)) == "paused"
    assert [one.reason for one in await desk.pauses(VIEWER)] == ["moving", "fire"]
    assert await desk.resume(OPERATOR, scope="everywhere")
    assert await desk.resume(ADMIN)
    assert not await desk.resume(ADMIN)
    assert (await house.submit("a boat")).created


async def test_a_role_of_the_server_sits_at_the_desk(house: House) -> None:
    desk = house.oversight.house
    assert await refused(desk.set_role(MOD, "r1", Rank.MODERATOR)) == "not_allowed"
    await desk.set_role(ADMIN, "r1", Rank.MODERATOR)
    here = await desk.moderator("5", "Eve", GUILD, roles=["r1"], permissions=0)
    there = await desk.moderator("5", "Eve", ELSEWHERE, roles=["r1"], permissions=0)
    alone = await desk.moderator("5", "Eve", None, roles=[], permissions=1 << 3)
    assert [one.rank for one in (here, there, alone)] == [Rank.MODERATOR, Rank.NONE, Rank.NONE]
    at_home = await desk.moderator("5", "Eve", "7", roles=[], permissions=1 << 3)
    assert [one.speaks_for_all for one in (here, alone, at_home)] == [False, False, True]
    await desk.set_role(ADMIN, "r1", Rank.NONE)
    async with house.database.read() as session:
        assert await staff.roles(session, GUILD) == {}
