"""Lists that go on: the newest first, each page from where the last one ended."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, Field

from shared.reports.spans import moment

Limit = Annotated[int, Query(ge=1, le=100, description="How many at most.", examples=[10])]
Before = Annotated[
    str | None,
    Query(
        max_length=40,
        description="`next` of the page before; left out, the newest.",
        examples=["2026-11-30T12:00:00Z"],
    ),
]


class Page(BaseModel):
    object: Literal["list"] = "list"
    next: str | None = Field(
        default=None,
        examples=["2026-11-30T12:00:00.000000Z"],
        description="`before` of the next page; null on the last.",
    )


def read(before: str | None) -> datetime | None:
    """Refusal `bad_moment` for what no page has named."""
    return None if before is None else moment(before, "before")


def following(times: Sequence[datetime], *, more: bool) -> str | None:
    """Names the page behind the last of these."""
    if not more or not times:
        return None
    return times[-1].astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
