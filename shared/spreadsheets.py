"""Tables that people open in a spreadsheet, in which no cell begins a formula. Pure."""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any

# A spreadsheet takes these for the beginning of a formula, the wide ones of Asian keyboards too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def harmless(cell: Any) -> str:
    """Text that no spreadsheet runs. Numbers of ours are numbers, whatever their sign."""
    if isinstance(cell, int):
        return str(cell)
    words = "" if cell is None else str(cell)
    begins = words if words.startswith(_FORMULA) else words.lstrip(" \u00a0\u3000")
    return f"'{words}" if begins.startswith(_FORMULA) else words


def written(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    stream = StringIO()
    table = csv.writer(stream)
    table.writerow([harmless(head) for head in heads])
    table.writerows([harmless(cell) for cell in row] for row in rows)
    return stream.getvalue()
