"""Usage and billing: everybody's own, a server's for its admins, the farm's for its operator."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from farm.api.principals import Principal, Reader
from farm.api.problems import refusals
from farm.api.services import Services
from farm.reports.writing import as_csv
from shared.reports.sheets import By, Sheet, Unit
from shared.reports.spans import Span, span_of

Moment = Annotated[str | None, Field(max_length=40)]


class Wanted(BaseModel):
    """Left out, `from` is the beginning of this month and `to` is now; days and moments are in UTC."""

    model_config = ConfigDict(extra="forbid")

    of: Literal["mine", "server", "farm"] = Field(
        default="mine",
        description="server: of the key's server, for its admins; farm: for the operator's.",
    )
    by: By = Field(default=By.DAY, description="One row for each of these.")
    since: Moment = Field(default=None, alias="from", examples=["2026-11-01"])
    until: Moment = Field(default=None, alias="to", examples=["2026-12-01"])
    format: Literal["json", "csv"] = "json"


class ReportColumn(BaseModel):
    name: str = Field(examples=["charged_ms"])
    unit: Unit = Field(examples=["ms"], description="ms: GPU-milliseconds.")


class ReportRow(BaseModel):
    key: str = Field(examples=["2026-11-30"])
    label: str = Field(examples=["2026-11-30"])
    values: dict[str, int] = Field(examples=[{"jobs": 12, "pictures": 40, "charged_ms": 11_000}])


class UsageReport(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    object: Literal["report"] = "report"
    name: Literal["usage", "billing"] = Field(examples=["usage"])
    of: Literal["mine", "server", "farm"] = Field(examples=["mine"])
    by: By = Field(examples=["day"])
    since: datetime = Field(serialization_alias="from")
    until: datetime = Field(serialization_alias="to", description="Not in it any more.")
    columns: list[ReportColumn]
    data: list[ReportRow] = Field(description="A day on which nothing was is left out.")
    total: dict[str, int] = Field(examples=[{"jobs": 12, "pictures": 40, "charged_ms": 11_000}])


Written: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}}
}


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1/reports", tags=["Plans and bills"], responses=refusals())

    @router.get(
        "/{name}",
        summary="What was drawn (usage), or granted, held and charged (billing)",
        response_model=UsageReport,
        responses=Written,
    )
    async def get_report(
        who: Reader, name: Literal["usage", "billing"], wanted: Annotated[Wanted, Query()]
    ) -> UsageReport | Response:
        now = await services.database.now()
        span = span_of(wanted.since, wanted.until, now=now, named=("from", "to"))
        sheet = await _sheet(services, who, wanted, span, name)
        return _file(sheet) if wanted.format == "csv" else _report(sheet, wanted)

    return router


async def _sheet(
    services: Services, who: Principal, wanted: Wanted, span: Span, name: str
) -> Sheet:
    if wanted.of == "mine":
        return await services.desk.figures(who.person, span, name, wanted.by)
    everywhere = wanted.of == "farm"
    return await services.administration.sheet(
        who.moderator, span, name, wanted.by, everywhere=everywhere
    )


def _report(sheet: Sheet, wanted: Wanted) -> UsageReport:
    return UsageReport(
        name=sheet.name,  # type: ignore[arg-type]
        of=wanted.of,
        by=sheet.by,
        since=sheet.span.since,
        until=sheet.span.until,
        columns=[ReportColumn(name=one.name, unit=one.unit) for one in sheet.columns],
        data=[
            ReportRow(key=row.key, label=row.label, values=_named(sheet, row.values))
            for row in sheet.rows
        ],
        total=_named(sheet, sheet.totals),
    )


def _named(sheet: Sheet, values: tuple[int, ...]) -> dict[str, int]:
    return dict(zip(sheet.names, values, strict=True))


def _file(sheet: Sheet) -> Response:
    """For spreadsheets: whole numbers, and no cell that begins a formula."""
    name = f"pictor-{sheet.name}-by-{sheet.by}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(as_csv(sheet), media_type="text/csv; charset=utf-8", headers=headers)
