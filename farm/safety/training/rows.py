"""Labelled prompts from a CSV file: `id,prompt,label,category[,source]`; other columns are not read."""

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from farm.safety.training.taxonomy import Taxonomy
from shared.errors import Refusal

REQUIRED = ("id", "prompt", "label", "category")
BENIGN, UNSAFE = "benign", "unsafe"
UNKNOWN = "unknown"  # source of a row that names none


@dataclass(frozen=True, slots=True)
class Row:
    """`categories` are ours; an unsafe row may have none (docs/safety.md)."""

    id: str
    prompt: str
    unsafe: bool
    categories: frozenset[str]
    source: str
    weight: float = 1.0


def read_rows(path: Path, taxonomy: Taxonomy) -> list[Row]:
    """Refusal that names the column or the line and what to do; what has no picture's harm is left out."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(_rows(csv.DictReader(file), taxonomy))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Refusal(
            "data_unreadable", f"{path} cannot be read as CSV in UTF-8: {error}."
        ) from None


def _rows(reader: "csv.DictReader[str]", taxonomy: Taxonomy) -> Iterator[Row]:
    missing = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
    if missing:
        sentence = f"Column {missing[0]} is missing. The first line must name {','.join(REQUIRED)}."
        raise Refusal("data_column", sentence, field=missing[0])
    seen: set[str] = set()
    for row in reader:
        _check(row, reader.line_num, seen)
        unsafe = row["label"] == UNSAFE
        source = row.get("source") or UNKNOWN
        if unsafe and taxonomy.leaves_out(row["category"]):
            continue
        yield Row(
            row["id"],
            row["prompt"],
            unsafe,
            _categories(row, reader.line_num, taxonomy) if unsafe else frozenset(),
            source,
            taxonomy.weights.get(source, 1.0),
        )


def _check(row: dict[str, str], line: int, seen: set[str]) -> None:
    for name in ("id", "prompt"):
        if not (row[name] or "").strip():
            raise _wrong(line, name, "is empty", "Fill it, or take the line out")
    if row["label"] not in (BENIGN, UNSAFE):
        raise _wrong(line, "label", f"is {row['label']!r}", f"Write {BENIGN} or {UNSAFE}")
    if row["id"] in seen:
        raise _wrong(line, "id", f"{row['id']} stands twice", "Give each row its own")
    seen.add(row["id"])


def _categories(row: dict[str, str], line: int, taxonomy: Taxonomy) -> frozenset[str]:
    unknown = taxonomy.unknown(row["category"] or "")
    if unknown is not None:
        known = ", ".join(taxonomy.categories)
        raise _wrong(
            line, "category", f"is {unknown!r}", f"Write one of {known}, or several with commas"
        )
    return taxonomy.ours(row["category"])


def _wrong(line: int, column: str, what: str, fix: str) -> Refusal:
    return Refusal("data_row", f"Line {line}: {column} {what}. {fix}.", field=column)


def sources(rows: Sequence[Row]) -> list[str]:
    return sorted({row.source for row in rows})
