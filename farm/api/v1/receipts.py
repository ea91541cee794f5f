"""What jobs cost: quoted, held, charged and given back, with the book's own lines."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from farm.api.principals import Reader
from farm.api.problems import refusals
from farm.api.services import Services
from farm.api.v1 import pages
from farm.api.v1.pages import Cursor, Limit, Page
from shared.bills import Bill
from shared.jobs import Job, JobKind, JobState
from shared.plans import Speed


class Charge(BaseModel):
    """One job and what it took. All times are GPU-milliseconds."""

    object: Literal["charge"] = "charge"
    job: UUID
    kind: JobKind = Field(examples=["imagine"])
    state: JobState = Field(examples=["succeeded"])
    speed: Speed = Field(examples=["fast"])
    prompt: str = Field(examples=["a red sailboat on the sea"])
    model: str = Field(examples=["postcards"])
    gpu_ms: int | None = Field(examples=[910], description="Measured; null while it goes on.")
    charged_ms: int | None = Field(examples=[910])
    price: float | None = Field(examples=[1.0], description="Of a measured GPU-millisecond.")
    submitted_at: datetime
    finished_at: datetime | None


class ChargeList(Page):
    data: list[Charge]


class Line(BaseModel):
    """Of the ledger, which is never changed."""

    kind: Literal["hold", "settle", "release"] = Field(examples=["settle"])
    amount_ms: int = Field(examples=[910])
    at: datetime


class Receipt(BaseModel):
    object: Literal["receipt"] = "receipt"
    charge: Charge
    quote_ms: int = Field(examples=[1200], description="The most that it was said to cost.")
    held_ms: int = Field(examples=[1200])
    settled_ms: int = Field(examples=[910])
    refunded_ms: int = Field(examples=[290])
    lines: list[Line]


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1/receipts", tags=["Plans and bills"], responses=refusals())

    @router.get("", summary="What your jobs cost, the newest first")
    async def list_receipts(who: Reader, cursor: Cursor = None, limit: Limit = 20) -> ChargeList:
        jobs = await services.desk.history(who.person, "", pages.read(cursor), limit=limit + 1)
        here = jobs[:limit]
        onward = pages.following([job.submitted_at for job in here], more=len(jobs) > limit)
        return ChargeList(data=[_charge(job) for job in here], next_cursor=onward)

    @router.get("/{job_id}", summary="One job's receipt", responses=refusals(404))
    async def get_receipt(who: Reader, job_id: UUID) -> Receipt:
        return _receipt(await services.desk.receipt(who.person, job_id))

    return router


def _charge(job: Job) -> Charge:
    names = (
        *("kind", "state", "speed", "prompt", "gpu_ms", "charged_ms", "price"),
        *("submitted_at", "finished_at"),
    )
    same: dict[str, Any] = {name: getattr(job, name) for name in names}
    return Charge(job=job.id, model=job.spec.checkpoint, **same)


def _receipt(bill: Bill) -> Receipt:
    names = ("quote_ms", "held_ms", "settled_ms", "refunded_ms")
    charge = _charge(bill.job).model_copy(update={"price": bill.price})
    lines = [
        Line(kind=one.kind, amount_ms=one.amount_ms, at=one.at)  # type: ignore[arg-type]
        for one in bill.entries
    ]
    return Receipt(charge=charge, lines=lines, **{name: getattr(bill, name) for name in names})
