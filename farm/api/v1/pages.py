"""Lists that go on: the newest first, each page from where the last one ended."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Query
from pydantic import BaseModel, Field

from shared.reports.spans import moment

Limit = Annotated[int, Query(ge=1, le=100, description="How many at most.", examples=[10])]
Cursor = Annotated[
    str | None,
    Query(
        max_length=40,
        description="`next_cursor` of the page before; left out, the newest.",
        examples=["2026-11-30T12:00:00Z"],
    ),
]


class Page(BaseModel):
    object: Literal["list"] = "list"
    next_cursor: str | None = Field(
        default=None,
        examples=["2026-11-30T12:00:00.000000Z"],
        description="Null on the last page.",
    )


def read(cursor: str | None) -> datetime | None:
    """Refusal `bad_moment` for what no page has named."""
    return None if cursor is None else moment(cursor, "cursor")


def following(times: Sequence[datetime], *, more: bool) -> str | None:
    """Names the page behind the last of these."""
    if not more or not times:
        return None
    return times[-1].astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
