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
    """`categories` are ours; an unsafe row may have none (docs/safety.md). `named` is the file's own word."""

    id: str
    prompt: str
    unsafe: bool
    categories: frozenset[str]
    source: str
    weight: float = 1.0
    named: str = ""


def read_rows(path: Path, taxonomy: Taxonomy, *, as_told: bool = False) -> list[Row]:
    """Refusal that names the column or the line and what to do. To learn from, categories must be known and
    what has no picture's harm is left out; `as_told` takes every row, whatever its category is called."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(_rows(csv.DictReader(file), taxonomy, as_told=as_told))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Refusal(
            "data_unreadable", f"{path} cannot be read as CSV in UTF-8: {error}."
        ) from None


def _rows(reader: "csv.DictReader[str]", taxonomy: Taxonomy, *, as_told: bool) -> Iterator[Row]:
    missing = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
    if missing:
        sentence = f"Column {missing[0]} is missing. The first line must name {','.join(REQUIRED)}."
        raise Refusal("data_column", sentence, field=missing[0])
    seen: set[str] = set()
    for row in reader:
        _check(row, reader.line_num, seen)
        unsafe = row["label"] == UNSAFE
        source = row.get("source") or UNKNOWN
        if unsafe and not as_told:
            _check_known(row, reader.line_num, taxonomy)
            if taxonomy.leaves_out(row["category"]):
                continue
        yield Row(
            row["id"],
            row["prompt"],
            unsafe,
            taxonomy.ours(row["category"] or "") if unsafe else frozenset(),
            source,
            taxonomy.weights.get(source, 1.0),
            (row["category"] or "").strip(),
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


def _check_known(row: dict[str, str], line: int, taxonomy: Taxonomy) -> None:
    unknown = taxonomy.unknown(row["category"] or "")
    if unknown is not None:
        known = ", ".join(taxonomy.categories)
        raise _wrong(
            line, "category", f"is {unknown!r}", f"Write one of {known}, or several with commas"
        )


def _wrong(line: int, column: str, what: str, fix: str) -> Refusal:
    return Refusal("data_row", f"Line {line}: {column} {what}. {fix}.", field=column)


def sources(rows: Sequence[Row]) -> list[str]:
    return sorted({row.source for row in rows})
