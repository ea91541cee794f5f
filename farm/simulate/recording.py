"""Arrivals in a file: what really was asked for, to be played again. CSV or JSON lines, one job each."""

import csv
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, TypeVar
from uuid import NAMESPACE_OID, uuid5

from farm.simulate.arrivals import Arrival
from shared.errors import Refusal
from shared.plans import PlanBook, Speed

# `at` is seconds from the beginning; `cost_ms` the estimate; `work_ms` what it took, if that is known.
FIELDS = ("at", "account", "plan", "speed", "checkpoint", "steps", "cost_ms", "work_ms")
OPTIONAL = ("work_ms",)
ENDINGS = (".csv", ".jsonl")
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Line:
    """One job as the file has it. `where` is what a Refusal calls it."""

    where: str
    values: Mapping[str, Any]

    def read(self, name: str, as_: Callable[[Any], Value], *, wanted: str) -> Value:
        value = self.values.get(name)
        if value is None or value == "":
            raise self.refusal(name, f"is missing; it needs {wanted}")
        try:
            return as_(value)
        except (TypeError, ValueError):
            raise self.refusal(name, f"is “{str(value)[:40]}”; it needs {wanted}") from None

    def refusal(self, name: str, problem: str) -> Refusal:
        return Refusal("bad_recording", f"{self.where}: {name} {problem}.", field=name)


def read_recording(path: Path, book: PlanBook, *, checkpoints: Collection[str]) -> list[Arrival]:
    """In order of time. A Refusal names the file, the line, the field and what belongs there."""
    arrivals = [_arrival(line, n, book, checkpoints) for n, line in enumerate(_lines(path))]
    if not arrivals:
        sentence = f"{path} holds no job. Record again with a longer --since."
        raise Refusal("empty_recording", sentence, field="recorded")
    return sorted(arrivals, key=lambda arrival: arrival.at)


def write_recording(path: Path, rows: Iterable[Mapping[str, object]]) -> int:
    """How many jobs it wrote."""
    _check_ending(path)
    kept = list(rows)
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            if path.suffix == ".csv":
                writer = csv.DictWriter(file, FIELDS)
                writer.writeheader()
                writer.writerows(kept)
            else:
                file.writelines(json.dumps(row) + "\n" for row in kept)
    except OSError as error:
        sentence = f"{path} cannot be written: {error.strerror}."
        raise Refusal("unwritable", sentence, field="output") from error
    return len(kept)


def _lines(path: Path) -> Iterator[Line]:
    _check_ending(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        sentence = f"{path} cannot be read: {why}."
        raise Refusal("unreadable_recording", sentence, field="recorded") from error
    yield from _csv_lines(path, text) if path.suffix == ".csv" else _json_lines(path, text)


def _check_ending(path: Path) -> None:
    if path.suffix not in ENDINGS:
        sentence = f"{path}: a recording ends in {' or '.join(ENDINGS)}."
        raise Refusal("recording_ending", sentence, field="recorded")


def _csv_lines(path: Path, text: str) -> Iterator[Line]:
    reader = csv.DictReader(text.splitlines())
    absent = [name for name in FIELDS if name not in (*(reader.fieldnames or ()), *OPTIONAL)]
    if absent:
        sentence = (
            f"{path}, line 1: the header lacks {', '.join(absent)}."
            f" It should read {','.join(FIELDS)}."
        )
        raise Refusal("bad_recording", sentence, field=absent[0])
    for row in reader:
        yield Line(f"{path}, line {reader.line_num}", row)


def _json_lines(path: Path, text: str) -> Iterator[Line]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            values = json.loads(line)
        except ValueError:
            values = None
        if not isinstance(values, dict):
            example = '{"at": 0.5, "account": "a", ...}'
            sentence = f"{where}: not a JSON object. Each line is one job, such as {example}."
            raise Refusal("bad_recording", sentence, field="recorded")
        yield Line(where, values)


def _arrival(line: Line, number: int, book: PlanBook, checkpoints: Collection[str]) -> Arrival:
    cost_ms = line.read("cost_ms", _positive, wanted="milliseconds above 0")
    if line.values.get("work_ms") in (None, ""):
        work_ms = cost_ms
    else:
        work_ms = line.read("work_ms", _positive, wanted="milliseconds above 0, or nothing")
    account = line.read("account", str, wanted="any name for who asked")
    return Arrival(
        job_id=uuid5(NAMESPACE_OID, f"recorded/{number}"),
        account_id=uuid5(NAMESPACE_OID, f"recorded by {account}"),
        plan=line.read("plan", _among(book.plans), wanted=_or(book.plans)),
        speed=line.read("speed", Speed, wanted=_or(Speed)),
        at=line.read("at", _not_negative, wanted="seconds from the beginning, 0 or more"),
        cost_ms=max(round(cost_ms), 1),
        work_ms=work_ms,
        checkpoint=line.read("checkpoint", _among(checkpoints), wanted=_or(checkpoints)),
        steps=line.read("steps", _whole, wanted="a whole number from 1"),
    )


def _positive(value: Any) -> float:
    return _above(float(value), 0.0, itself=False)


def _not_negative(value: Any) -> float:
    return _above(float(value), 0.0, itself=True)


def _whole(value: Any) -> int:
    return int(_above(int(str(value)), 1, itself=True))


def _above(number: float, least: float, *, itself: bool) -> float:
    if not (least <= number < inf) or (number == least and not itself):
        raise ValueError
    return number


def _among(known: Collection[str]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if value not in known:
            raise ValueError
        return str(value)

    return check


def _or(names: Iterable[str]) -> str:
    return "one of " + ", ".join(names)
