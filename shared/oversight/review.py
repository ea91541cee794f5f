"""Review: the queue, one case of it, and the decisions. Two moderators at once: one wins, one is told so."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from shared import accounts, assets, deliveries, jobstore
from shared.accounts import Account
from shared.assets import Asset
from shared.config import SafetySettings
from shared.connections import Database, Session
from shared.errors import Refusal
from shared.jobs import Job
from shared.moderation import caselists, cases, strikes
from shared.moderation.audit import audit
from shared.moderation.cases import Case
from shared.moderation.ranks import Moderator, Rank
from shared.orders import Receipt
from shared.oversight import access
from shared.oversight.withdrawals import Withdrawals
from shared.telemetry import DECISIONS


class Resubmits(Protocol):
    async def resubmit(self, case: Case) -> Receipt: ...


@dataclass(frozen=True, slots=True)
class Dossier:
    """All that a moderator sees of a case. `weight` is what counts against its author on that server."""

    case: Case
    author: Account | None
    job: Job | None
    weight: int


@dataclass(frozen=True, slots=True)
class Decision:
    """`receipt`: the job of a lifted prompt. `refusal`: why there is none (no credit, a full line)."""

    case: Case
    receipt: Receipt | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Review:
    database: Database
    withdrawals: Withdrawals
    front_desk: Resubmits
    safety: SafetySettings

    async def queue(self, mod: Moderator, *, limit: int = 10) -> list[Case]:
        access.require(mod, Rank.VIEWER)
        async with self.database.read() as session:
            return await caselists.queue(
                session, access.scope(mod), limit=limit, homeless=mod.house
            )

    async def waiting(self, mod: Moderator) -> dict[str, int]:
        """How many wait, by kind."""
        access.require(mod, Rank.VIEWER)
        async with self.database.read() as session:
            return await caselists.waiting(session, access.scope(mod), homeless=mod.house)

    async def case(self, mod: Moderator, case_id: UUID) -> Dossier:
        access.require(mod, Rank.VIEWER)
        async with self.database.read() as session:
            found = await _visible(session, mod, case_id)
            author = await accounts.by_id(session, found.account_id)
            job = await jobstore.load(session, found.job_id) if found.job_id else None
            weight = await strikes.active_weight(session, found.account_id, found.guild_id)
        return Dossier(found, author, job, weight)

    async def pictures(self, mod: Moderator, case_id: UUID, *, reveal: bool = False) -> list[Asset]:
        """What the case is about, to be shown blurred; or, on purpose and written down, as it is."""
        access.require(mod, Rank.MODERATOR if reveal else Rank.VIEWER)
        async with self.database.begin() as session:
            found = await _visible(session, mod, case_id)
            if found.veiled:
                sentence = (
                    "This picture is shown to nobody: the rule that it fell under forbids it."
                )
                raise Refusal("never_revealed", sentence)
            if reveal:
                told = {"guild": found.guild_id, "picture": found.picture}
                await audit(session, mod.actor, "revealed", f"case:{case_id}", told)
            return await _pictures(session, found)

    async def approve(self, mod: Moderator, case_id: UUID, note: str = "") -> Decision:
        """A reported or sampled picture stays."""
        async with self.database.begin() as session:
            found = await self._open(session, mod, case_id)
            if found.kind not in (cases.REPORT, cases.SAMPLE):
                sentence = "What a filter stopped is lifted or upheld; only pictures are approved."
                raise Refusal("not_approvable", sentence)
            return Decision(await _decided(session, mod, found, cases.LIFTED, note))

    async def uphold(self, mod: Moderator, case_id: UUID, note: str = "") -> Decision:
        """The filter, or the reporter, was right: a reported or sampled picture is withdrawn."""
        keys: list[str] = []
        async with self.database.begin() as session:
            found = await self._open(session, mod, case_id)
            if found.kind in (cases.REPORT, cases.SAMPLE):
                keys = await self._withdraw(session, mod, found)
                await deliveries.reopen(session, keys)
            decision = Decision(await _decided(session, mod, found, cases.UPHELD, note))
        await self.withdrawals.remove(keys)
        return decision

    async def lift(self, mod: Moderator, case_id: UUID, note: str = "") -> Decision:
        """The filter was wrong: its strike is taken back, and a prompt is submitted again.

        Lifting once more what was lifted, but could not be submitted, submits it.
        """
        async with self.database.begin() as session:
            found = await self._visible_to_decider(session, mod, case_id)
            check_liftable(found)
            if not _to_submit_again(found):
                found = await _decided(session, mod, found, cases.LIFTED, note)
                await strikes.lift_of_case(session, case_id, mod.actor, rules=self.safety)
        return await self._resubmit(found)

    async def _resubmit(self, case: Case) -> Decision:
        if case.submission is None or case.kind != cases.PROMPT:
            return Decision(case)
        try:
            receipt = await self.front_desk.resubmit(case)
        except Refusal as refusal:
            return Decision(case, refusal=refusal)
        async with self.database.begin() as session:
            await cases.resubmitted(session, case.id, receipt.jobs[0].id)
        return Decision(case, receipt)

    async def _withdraw(self, session: Session, mod: Moderator, case: Case) -> list[str]:
        await strikes.strike_by_hand(
            session,
            case.account_id,
            guild_id=case.guild_id,
            weight=strikes.WEIGHTS.get(case.category, 1),
            reason=f"picture taken down: {case.category}",
            actor=mod.actor,
            case_id=case.id,
            job_id=case.job_id,
            rules=self.safety,
        )
        assert case.job_id is not None
        if case.picture is None:
            return await assets.withdraw_job(session, case.job_id)
        return await assets.withdraw_picture(session, case.job_id, case.picture)

    async def _open(self, session: Session, mod: Moderator, case_id: UUID) -> Case:
        found = await self._visible_to_decider(session, mod, case_id)
        if found.state not in (cases.NOTED, cases.OPEN):
            raise already_decided(found)
        return found

    async def _visible_to_decider(self, session: Session, mod: Moderator, case_id: UUID) -> Case:
        access.require(mod, Rank.MODERATOR)
        found = await _visible(session, mod, case_id)
        await access.check_not_self(session, mod, found.account_id, found.reporter_id)
        return found


def check_liftable(case: Case) -> None:
    if case.hard:
        sentence = "This rule is never lifted: no moderator and no setting changes it."
        raise Refusal("never_lifted", sentence)
    if case.kind not in (cases.PROMPT, cases.PICTURE):
        raise Refusal("not_liftable", "A report or a sample is approved or upheld.")
    if case.state not in (cases.NOTED, cases.OPEN) and not _to_submit_again(case):
        raise already_decided(case)


def already_decided(case: Case) -> Refusal:
    by = f" by <@{case.decided_by.removeprefix('discord:')}>" if case.decided_by else ""
    return Refusal("already_decided", f"This case was {case.state}{by} already.")


def _to_submit_again(case: Case) -> bool:
    """Lifted, but the job was never accepted: no credit then, or a crash in between."""
    lifted = case.state == cases.LIFTED and case.kind == cases.PROMPT
    return lifted and case.lifted_job_id is None and case.submission is not None


async def _visible(session: Session, mod: Moderator, case_id: UUID) -> Case:
    found = await cases.load(session, case_id)
    if found is None or not access.sees(mod, found.guild_id):
        raise Refusal("unknown_case", "There is no such case on this server.", field="case")
    return found


async def _decided(session: Session, mod: Moderator, case: Case, state: str, note: str) -> Case:
    decided = await cases.decide(session, case.id, state, actor=mod.actor, note=note)
    if decided is None:  # between our look and now
        raise already_decided(await cases.load(session, case.id) or case)
    DECISIONS.labels(case.kind, state).inc()
    return decided


async def _pictures(session: Session, case: Case) -> list[Asset]:
    if case.job_id is None:
        return []
    found: Sequence[Asset] = await assets.assets(session, case.job_id)
    if case.picture is None:
        return [one for one in found if one.kind == "grid"]
    return [one for one in found if one.kind == "image" and one.index == case.picture]
