"""People, as moderators deal with them: what is known, warnings, strikes, bans, GPU time, refunds."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from farm.api.principals import Staff
from farm.api.problems import refusals
from farm.api.services import Services
from farm.api.v1.cases import Case, case_of
from farm.api.v1.fields import Line, Words
from farm.api.v1.proposals import Proposal, proposal_of
from shared.moderation.bans import Ban as Held
from shared.moderation.strikes import Strike as Given
from shared.oversight.discipline import Record

PersonId = Annotated[
    str, Path(pattern=r"^[A-Za-z0-9:._-]{1,80}$", description="As Discord numbers people.")
]
Reason = Annotated[Words, Field(min_length=1, max_length=500, examples=["Read the rules."])]


class Strike(BaseModel):
    id: int = Field(examples=[7])
    weight: int = Field(examples=[1], description="0: a warning.")
    category: str = Field(examples=["gore"])
    reason: str = Field(examples=["Read the rules."])
    actor: str = Field(examples=["discord:9"])
    guild_id: str | None = Field(examples=["1042"])
    at: datetime
    expires_at: datetime | None
    lifted_at: datetime | None


class Ban(BaseModel):
    kind: Literal["ban", "suspension"] = Field(examples=["ban"])
    reason: str = Field(examples=["Read the rules."])
    actor: str = Field(examples=["discord:9"])
    guild_id: str | None = Field(examples=[None], description="null: everywhere.")
    at: datetime
    until: datetime | None


class PersonRecord(BaseModel):
    """What this server knows of a person; the operator, every one."""

    object: Literal["person"] = "person"
    discord_id: str = Field(examples=["174401885522996633"])
    name: str = Field(examples=["Ada"])
    plan: str = Field(examples=["free"])
    standing: str = Field(examples=["good"])
    weight: int = Field(examples=[0], description="Of the strikes that count now.")
    follows: str = Field(examples=["none"], description="What the weight has led to.")
    available_ms: int = Field(examples=[1_500_000])
    held_ms: int = Field(examples=[0])
    jobs: dict[str, int] = Field(examples=[{"succeeded": 12}], description="By state.")
    bans: list[Ban]
    strikes: list[Strike]
    cases: list[Case]


class Reasoned(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Reason


class Struck(Reasoned):
    weight: Annotated[int, Field(ge=1, le=10)] = 1


class Banning(Reasoned):
    days: Annotated[float, Field(gt=0, le=3650, allow_inf_nan=False)] | None = Field(
        default=None, examples=[7], description="Left out: until two people lift it."
    )
    everywhere: bool = Field(default=False, description="For the operator's own admins.")


class Unbanning(Reasoned):
    everywhere: bool = False


class Quota(Reasoned):
    minutes: Annotated[float, Field(ge=-100_000, le=100_000, allow_inf_nan=False)] = Field(
        examples=[30], description="Of GPU time; below 0 takes them."
    )
    key: Line | None = Field(
        default=None, examples=["grant-2026-12"], description="The same one moves them once."
    )


class Consequence(BaseModel):
    object: Literal["consequence"] = "consequence"
    follows: str = Field(examples=["warn"])


class BannedPerson(BaseModel):
    object: Literal["banned"] = "banned"
    jobs: int = Field(examples=[2], description="Cancelled and refunded.")
    files: int = Field(examples=[10], description="Withdrawn.")


class Balance(BaseModel):
    object: Literal["balance"] = "balance"
    available_ms: int = Field(examples=[1_500_000])
    held_ms: int = Field(examples=[0])


class Refund(BaseModel):
    object: Literal["refund"] = "refund"
    refunded_ms: int = Field(examples=[910])


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1/moderation", tags=["Moderation"], responses=refusals(404, 409))
    discipline, pairs = services.oversight.discipline, services.oversight.pairs

    @router.get("/people/{person}", summary="What is known of somebody")
    async def get_person(who: Staff, person: PersonId) -> PersonRecord:
        return _record(await discipline.user(who.moderator, person))

    @router.post("/people/{person}/warn", summary="A warning: on record, counts nothing")
    async def warn_person(who: Staff, person: PersonId, wish: Reasoned) -> Consequence:
        await discipline.warn(who.moderator, person, wish.reason)
        return Consequence(follows="none")

    @router.post("/people/{person}/strike", summary="A strike, and what follows from all of them")
    async def strike_person(who: Staff, person: PersonId, wish: Struck) -> Consequence:
        _, follows = await discipline.strike(who.moderator, person, wish.reason, weight=wish.weight)
        return Consequence(follows=follows.name.lower())

    @router.post("/people/{person}/ban", summary="Cancels what is in line, withdraws pictures")
    async def ban_person(who: Staff, person: PersonId, wish: Banning) -> BannedPerson:
        banned = await discipline.ban(
            who.moderator, person, wish.reason, days=wish.days, everywhere=wish.everywhere
        )
        return BannedPerson(jobs=banned.jobs, files=banned.files)

    @router.post("/people/{person}/unban", summary="Propose to lift a ban; a second one agrees")
    async def unban_person(who: Staff, person: PersonId, wish: Unbanning) -> Proposal:
        made = await pairs.propose_unban(
            who.moderator, person, wish.reason, everywhere=wish.everywhere
        )
        return proposal_of(made)

    @router.post("/people/{person}/quota", summary="Give GPU minutes, or take them")
    async def move_quota(who: Staff, person: PersonId, wish: Quota) -> Balance:
        key = wish.key or str(uuid4())
        left = await discipline.quota(
            who.moderator, person, wish.minutes, wish.reason, key=f"{who.moderator.actor}:{key}"
        )
        return Balance(available_ms=left.available_ms, held_ms=left.held_ms)

    @router.post("/jobs/{job_id}/refund", summary="Give back what a picture cost")
    async def refund_job(who: Staff, job_id: UUID, wish: Reasoned) -> Refund:
        back = await discipline.refund(who.moderator, job_id, wish.reason)
        return Refund(refunded_ms=back)

    return router


def _record(record: Record) -> PersonRecord:
    account = record.account
    same: dict[str, Any] = {
        name: getattr(account, name) for name in ("discord_id", "name", "plan", "standing")
    }
    return PersonRecord(
        weight=record.weight,
        follows=record.consequence.name.lower(),
        available_ms=record.balance.available_ms,
        held_ms=record.balance.held_ms,
        jobs=dict(record.jobs),
        bans=[_ban(one) for one in record.bans],
        strikes=[_strike(one) for one in record.strikes],
        cases=[case_of(one) for one in record.cases],
        **same,
    )


def _ban(one: Held) -> Ban:
    return Ban(**{name: getattr(one, name) for name in Ban.model_fields})


def _strike(one: Given) -> Strike:
    return Strike(**{name: getattr(one, name) for name in Strike.model_fields})
