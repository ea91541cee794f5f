"""`pictor job`: what became of one job, told to the operator."""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shared import history
from shared.config import Settings
from shared.connections import Database
from shared.errors import Refusal
from shared.ledger import gpu_time

_MOVES = ("at", "source", "target", "attempt", "crashes", "worker")
_MONEY = ("at", "kind", "amount_ms", "debit", "credit")
_ERRORS = ("at", "worker", "attempt", "code", "sentence")
_FILES = ("kind", "index", "key", "size", "sha256")


async def tell_job(settings: Settings, name: str, *, as_json: bool) -> None:
    told = await _read(settings, _id_from(name))
    if as_json:
        sys.stdout.write(json.dumps(told, ensure_ascii=False, indent=2) + "\n")
    else:
        _show(told, Console(highlight=False))


def _id_from(name: str) -> UUID:
    try:
        return UUID(name)
    except ValueError:
        sentence = f"{name[:80]!r} is no job's id. The log, `pictor queue` and the picture tell it."
        raise Refusal("job_id", sentence, field="job") from None


async def _read(settings: Settings, job_id: UUID) -> Mapping[str, Any]:
    database = Database.connect(settings.database)
    try:
        async with database.read() as session:
            told = await history.history(session, job_id)
            gave_up = await history.gave_up(session, job_id)
    finally:
        await database.close()
    if told is None:
        raise Refusal("no_such_job", f"There is no job {job_id} in this database.", field="job")
    return told | ({"gave_up": gave_up} if gave_up else {})


def _show(told: Mapping[str, Any], console: Console) -> None:
    for line in _lines(told["job"]):
        console.print(line)
    sections = (
        ("history", _MOVES, told["transitions"]),
        ("money", _MONEY, told["money"]),
        ("what its workers said", _ERRORS, told["errors"]),
        ("files", _FILES, told["files"]),
    )
    for title, names, rows in sections:
        if rows:
            console.print(_table(title, names, rows))
    if told.get("gave_up"):
        console.print("It was given up; --json shows the farm at that moment.")


def _lines(job: Mapping[str, Any]) -> Iterator[str]:
    yield f"[bold]{job['id']}[/]  {job['kind']}, {job['speed']}, [bold]{job['state']}[/]"
    yield f"account {job['account_id']}, plan {escape(job['plan'])}, worker {job['worker'] or '-'}"
    yield f"attempt {job['attempt']}, crashes {job['crashes']}, prompt: {escape(job['prompt'])}"
    if job["charged_ms"] is not None:
        yield f"charged {gpu_time(job['charged_ms'])} of GPU time"
    if job["error_sentence"]:
        yield escape(f"{job['error_code']}: {job['error_sentence']}")


def _table(title: str, names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(*names, title=title, title_justify="left", box=None)
    for row in rows:
        cells = ("" if row.get(name) is None else str(row[name]) for name in names)
        table.add_row(*map(escape, cells))
    return table
