"""What people say to the moderators: a report of a picture, an appeal against a block."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from farm.api.principals import Drawer
from farm.api.problems import refusals
from farm.api.services import Services
from farm.api.v1.fields import Words
from shared.moderation.cases import Reason

Said = Annotated[Words, Field(max_length=1_000)]


class Report(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Reason = Field(examples=["gore"])
    text: Said = Field(default="", examples=["What a moderator should know."])


class Appeal(BaseModel):
    model_config = ConfigDict(extra="forbid")

    text: Said = Field(default="", examples=["It is a beach ball."])


class CaseNumber(BaseModel):
    """A moderator will look at it."""

    object: Literal["case_number"] = "case_number"
    case: UUID
    state: Literal["open"] = "open"


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["Pictures"], responses=refusals(404, 409))
    voices = services.voices

    @router.post("/jobs/{job_id}/report", summary="Say that a picture should not be there")
    async def report_picture(who: Drawer, job_id: UUID, report: Report) -> CaseNumber:
        """Of a picture on the key's server: its moderators look at it."""
        case = await voices.report(
            who.person,
            job_id,
            guild_id=who.venue.guild_id,
            reason=report.reason,
            text=report.text,
        )
        return CaseNumber(case=case)

    @router.post("/cases/{case_id}/appeal", summary="Say that a block was wrong")
    async def appeal_case(who: Drawer, case_id: UUID, appeal: Appeal) -> CaseNumber:
        """Of your own: `case_id` came with the refusal. Once for each."""
        return CaseNumber(case=(await voices.appeal(who.person, case_id, appeal.text)).id)

    return router
