"""Cases: what waits for a moderator, one of it with its picture, and the decisions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from farm.api.principals import Staff
from farm.api.problems import Problem, problem_of, refusals
from farm.api.services import Services
from farm.api.v1.fields import Words
from shared.errors import Refusal
from shared.moderation.cases import Case as Found
from shared.moderation.ranks import Moderator
from shared.oversight.exhibits import Exhibit, Exhibits, Shown
from shared.oversight.review import Decision, Dossier, Review

_TOLD = (
    *("id", "kind", "state", "category", "rule", "score", "hard", "guild_id", "job_id", "picture"),
    *("at", "opened_at", "decided_at", "decided_by", "note"),
)
_WHY = {
    Shown.VEILED: "This picture is shown to nobody: the rule that it fell under forbids it.",
    Shown.NOT_KEPT: "What the filter withholds is not stored.",
    Shown.NO_PICTURE: "Nothing was drawn.",
    Shown.GONE: "It was withdrawn, or is not there any more.",
    Shown.UNREADABLE: "Its file cannot be read at the moment.",
}
_FILE = {"schema": {"type": "string", "format": "binary"}}
PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/webp": _FILE, "image/png": _FILE}}
}


class Case(BaseModel):
    """What a person may have to look at. What was typed is in the dossier alone."""

    object: Literal["case"] = "case"
    id: UUID
    kind: Literal["prompt", "picture", "report", "sample"] = Field(examples=["report"])
    state: Literal["noted", "open", "upheld", "lifted", "expired"] = Field(examples=["open"])
    category: str = Field(examples=["gore"])
    rule: str = Field(examples=["report"])
    score: float = Field(examples=[0.0])
    hard: bool = Field(description="Nobody can lift it.")
    guild_id: str | None = Field(examples=["1042"])
    job_id: UUID | None
    picture: int | None = Field(examples=[None], description="From 0; null: all of the job.")
    at: datetime
    opened_at: datetime | None
    decided_at: datetime | None
    decided_by: str | None = Field(examples=[None])
    note: str | None = Field(examples=[None])


class CaseList(BaseModel):
    """The most urgent first."""

    object: Literal["list"] = "list"
    data: list[Case]
    waiting: dict[str, int] = Field(examples=[{"report": 2, "prompt": 1}], description="By kind.")


class Author(BaseModel):
    discord_id: str = Field(examples=["174401885522996633"])
    name: str = Field(examples=["Ada"])
    standing: str = Field(examples=["good"])
    weight: int = Field(examples=[1], description="Of the strikes that count here now.")


class CaseFile(BaseModel):
    """All that a moderator sees of a case."""

    object: Literal["case_file"] = "case_file"
    case: Case
    author: Author | None
    prompt: str | None = Field(examples=["a red sailboat"], description="null: no longer kept.")
    fired_on: str | None = Field(examples=[None])
    said: str | None = Field(
        examples=["I see no boat."], description="The reporter, or the appeal."
    )
    shown: Shown = Field(examples=["blurred"], description="What becomes of its picture.")


class Ruling(BaseModel):
    model_config = ConfigDict(extra="forbid")

    decision: Literal["lift", "uphold", "approve"] = Field(
        examples=["uphold"],
        description="What a filter stopped is lifted or upheld; a reported or sampled picture is approved, "
        "or its report upheld.",
    )
    note: Annotated[Words, Field(max_length=1_000)] = Field(default="", examples=["Seen; fine."])


class Ruled(BaseModel):
    """`resubmitted` are the jobs of a lifted prompt, or `refusal` says why there are none."""

    object: Literal["ruling"] = "ruling"
    case: Case
    resubmitted: list[UUID]
    refusal: Problem | None


def routes(services: Services) -> APIRouter:
    router = APIRouter(
        prefix="/v1/moderation/cases", tags=["Moderation"], responses=refusals(404, 409)
    )
    review = services.oversight.review
    exhibits = Exhibits(review, services.store)

    @router.get("", summary="What waits for a moderator")
    async def list_cases(who: Staff, limit: Annotated[int, Query(ge=1, le=100)] = 25) -> CaseList:
        found = await review.queue(who.moderator, limit=limit)
        waiting = await review.waiting(who.moderator)
        return CaseList(data=_cases(found), waiting=waiting)

    @router.get("/{case_id}", summary="One case with all that is known of it")
    async def get_case(who: Staff, case_id: UUID) -> CaseFile:
        dossier = await review.case(who.moderator, case_id)
        exhibit = await exhibits.veiled(who.moderator, dossier.case)
        return _file(dossier, exhibit)

    @router.get(
        "/{case_id}/picture",
        summary="Its picture, blurred",
        responses=PICTURE,
        response_class=Response,
    )
    async def blur_case(who: Staff, case_id: UUID) -> Response:
        dossier = await review.case(who.moderator, case_id)
        return _picture(await exhibits.veiled(who.moderator, dossier.case))

    @router.post(
        "/{case_id}/reveal",
        summary="Its picture as it is; who looks is written down",
        responses=PICTURE,
        response_class=Response,
    )
    async def reveal_case(who: Staff, case_id: UUID) -> Response:
        dossier = await review.case(who.moderator, case_id)
        return _picture(await exhibits.clear(who.moderator, dossier.case))

    @router.post("/{case_id}/decide", summary="Decide it")
    async def decide_case(who: Staff, case_id: UUID, ruling: Ruling) -> Ruled:
        return _ruled(await _decided(review, who.moderator, case_id, ruling))

    return router


async def _decided(review: Review, mod: Moderator, case_id: UUID, ruling: Ruling) -> Decision:
    decide = {"lift": review.lift, "uphold": review.uphold, "approve": review.approve}
    return await decide[ruling.decision](mod, case_id, ruling.note)


def _cases(found: Sequence[Found]) -> list[Case]:
    return [case_of(one) for one in found]


def case_of(found: Found) -> Case:
    return Case(**{name: getattr(found, name) for name in _TOLD})


def _file(dossier: Dossier, exhibit: Exhibit) -> CaseFile:
    case, author = dossier.case, dossier.author
    told = {name: getattr(author, name) for name in ("discord_id", "name", "standing")}
    return CaseFile(
        case=case_of(case),
        author=Author(weight=dossier.weight, **told) if author else None,
        prompt=case.prompt or (dossier.job.prompt if dossier.job else None),
        fired_on=case.words,
        said=case.appeal,
        shown=exhibit.shown,
    )


def _picture(exhibit: Exhibit) -> Response:
    """For these eyes alone: no cache keeps it."""
    if not exhibit.data:
        raise Refusal("no_picture", _WHY[exhibit.shown])
    mime = {"png": "image/png", "webp": "image/webp"}
    kind = mime.get(exhibit.name.rpartition(".")[2], "application/octet-stream")
    return Response(exhibit.data, media_type=kind, headers={"Cache-Control": "no-store"})


def _ruled(decision: Decision) -> Ruled:
    jobs = decision.receipt.jobs if decision.receipt else ()
    refusal = problem_of(decision.refusal) if decision.refusal else None
    return Ruled(case=case_of(decision.case), resubmitted=[job.id for job in jobs], refusal=refusal)
