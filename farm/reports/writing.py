"""A sheet as a table for people, as CSV for spreadsheets, as JSON for programs."""

import json
from enum import StrEnum
from typing import Any, TextIO

from farm.reports import units
from shared import spreadsheets
from shared.reports.sheets import By, Sheet


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def write(sheet: Sheet, stream: TextIO, form: Format) -> None:
    match form:
        case Format.CSV:
            stream.write(as_csv(sheet))
        case Format.JSON:
            json.dump(as_json(sheet), stream, ensure_ascii=False, indent=1)
            stream.write("\n")
        case Format.TABLE:
            as_table(sheet, stream)


def as_csv(sheet: Sheet) -> str:
    """Whole numbers in their own units: milliseconds, cents. The sums are left to who adds up."""
    heads = [*_key_names(sheet), *sheet.names]
    named = len(_key_names(sheet)) > 1
    rows = [[row.key, *([row.label] if named else []), *row.values] for row in sheet.rows]
    return spreadsheets.written(heads, rows)


def as_json(sheet: Sheet) -> dict[str, Any]:
    return {
        "report": sheet.name,
        "from": sheet.span.since.isoformat(),
        "to": sheet.span.until.isoformat(),
        "by": sheet.by.value,
        "rows": [
            {"key": row.key, "label": row.label, **_named(sheet, row.values)} for row in sheet.rows
        ],
        "total": _named(sheet, sheet.totals),
    }


def as_table(sheet: Sheet, stream: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=f"{sheet.name}, {sheet.span}", title_justify="left", show_footer=True)
    shown.add_column(sheet.by.value, footer="total", overflow="fold")
    for column, total in zip(sheet.columns, sheet.totals, strict=True):
        footer = units.told(total, column)
        shown.add_column(units.title(column), footer=footer, justify="right", no_wrap=True)
    for row in sheet.rows:
        values = zip(row.values, sheet.columns, strict=True)
        # Text, not markup: a name may look like some.
        shown.add_row(
            Text(_plain(row.label)), *(units.told(value, column) for value, column in values)
        )
    console = Console(file=stream, width=None if stream.isatty() else 160)
    console.print(shown)


def _plain(name: str) -> str:
    """Without what a terminal would take for a command."""
    return "".join(sign if sign.isprintable() else "�" for sign in name)


def _key_names(sheet: Sheet) -> list[str]:
    if sheet.by is By.USER:
        return ["user", "name"]
    if sheet.by is By.PLAN and sheet.name == "revenue":
        return ["sku", "title"]
    return [sheet.by.value]


def _named(sheet: Sheet, values: tuple[int, ...]) -> dict[str, int]:
    return dict(zip(sheet.names, values, strict=True))
