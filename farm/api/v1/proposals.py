"""What two people decide: a ban that is lifted, a server's own thresholds."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field

from farm.api.principals import Staff
from farm.api.problems import refusals
from farm.api.services import Services
from shared.moderation.proposals import Proposal as Made
from shared.safety.policy import Band as Limits

Number = Annotated[int, Path(ge=1, le=2**31 - 1)]
Score = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class Proposal(BaseModel):
    object: Literal["proposal"] = "proposal"
    id: int = Field(examples=[3])
    action: Literal["unban", "policy"] = Field(examples=["unban"])
    state: Literal["open", "approved", "rejected", "expired"] = Field(examples=["open"])
    guild_id: str | None = Field(examples=["1042"])
    detail: dict[str, Any] = Field(examples=[{"reason": "Time served."}])
    proposed_by: str = Field(examples=["discord:9"])
    at: datetime
    expires_at: datetime | None
    decided_by: str | None = Field(examples=[None])
    decided_at: datetime | None


class ProposalList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Proposal]


class Band(BaseModel):
    """From `review` on pictures are judged strictly, from `block` on a prompt is refused."""

    model_config = ConfigDict(extra="forbid")

    review: Score = Field(examples=[0.5])
    block: Score | None = Field(examples=[0.9], description="null: the words alone never refuse.")


class Policy(BaseModel):
    """In force on the key's server; `number` 0: the operator's own."""

    object: Literal["policy"] = "policy"
    number: int = Field(examples=[0])
    own: dict[str, Band]
    effective: dict[str, Band]


class PolicyWish(BaseModel):
    """All of the server's thresholds from then on: what is not named is the operator's."""

    model_config = ConfigDict(extra="forbid")

    bands: dict[Annotated[str, Field(max_length=40)], Band] = Field(
        max_length=20, examples=[{"gore": {"review": 0.5, "block": 0.9}}]
    )


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1/moderation", tags=["Moderation"], responses=refusals(404, 409))
    pairs = services.oversight.pairs

    @router.get("/proposals", summary="What waits for a second person")
    async def list_proposals(who: Staff) -> ProposalList:
        return ProposalList(data=[proposal_of(one) for one in await pairs.open(who.moderator)])

    @router.post("/proposals/{number}/approve", summary="Agree with what somebody else proposed")
    async def approve_proposal(who: Staff, number: Number) -> Proposal:
        return proposal_of(await pairs.approve(who.moderator, number))

    @router.post("/proposals/{number}/reject", summary="Reject it")
    async def reject_proposal(who: Staff, number: Number) -> Proposal:
        return proposal_of(await pairs.reject(who.moderator, number))

    @router.get("/policy", summary="The thresholds that hold on this server")
    async def get_policy(who: Staff) -> Policy:
        view = await pairs.show_policy(who.moderator)
        own, effective = _bands(view.own), _bands(view.effective)
        return Policy(number=view.number, own=own, effective=effective)

    @router.put("/policy", summary="Propose other ones", status_code=202)
    async def propose_policy(who: Staff, wish: PolicyWish) -> Proposal:
        limits = {
            name: Limits(one.review, float("inf") if one.block is None else one.block)
            for name, one in wish.bands.items()
        }
        return proposal_of(await pairs.propose_policy(who.moderator, limits))

    return router


def proposal_of(made: Made) -> Proposal:
    """Without the account's number: the desk alone finds somebody by it."""
    detail = {name: value for name, value in made.detail.items() if name != "account"}
    names = [name for name in Proposal.model_fields if name not in ("object", "detail")]
    return Proposal(detail=detail, **{name: getattr(made, name) for name in names})


def _bands(found: Any) -> dict[str, Band]:
    return {
        name: Band(review=one.review, block=None if one.block == float("inf") else one.block)
        for name, one in found.items()
    }
