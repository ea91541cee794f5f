"""`pictor audit`: whether the audit book is as it was written, and a copy of it for somebody else."""

import csv
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from farm.exits import read_settings, run
from shared.errors import Refusal
from shared.spreadsheets import harmless

if TYPE_CHECKING:
    from shared.config import Settings
    from shared.connections import Session
    from shared.moderation.chain import Entry

BROKEN = 1
PATIENCE_MS = 300_000  # it reads every row there ever was
COLUMNS = ("id", "at", "actor", "action", "subject", "detail", "link")

app = typer.Typer(no_args_is_help=True, help="The audit book: verify its links, or export it.")


class Format(StrEnum):
    JSONL = "jsonl"
    CSV = "csv"


@app.command()
def verify(
    expected: Annotated[
        str | None, typer.Option("--head", help="A head noted before; it must still be there.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Recompute every link. Exit code 1 names the first row that is not as it was written."""
    run(_verify(read_settings(), expected=expected, as_json=as_json))


@app.command()
def export(
    since: Annotated[str | None, typer.Option("--from", help="2026-01-31, or with a time.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Up to, but without, this.")] = None,
    form: Annotated[Format, typer.Option("--format")] = Format.JSONL,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Else stdout.")] = None,
) -> None:
    """Write the rows of a span of time, each with its link."""
    run(_export(read_settings(), since=since, until=until, form=form, output=output))


async def _verify(settings: "Settings", *, expected: str | None, as_json: bool) -> int:
    from shared.moderation import chain

    async with _reading(settings) as session:
        found = await chain.verify(session, expected=expected)
    if as_json:
        told = {"rows": found.rows, "head": found.head, "broken": found.broken, "why": found.why}
        sys.stdout.write(json.dumps(told) + "\n")
    elif found.broken is None:
        typer.echo(f"{found.rows} rows, all as they were written. Head: {found.head}")
    else:
        where = f"Row {found.broken}" if found.broken else "The book"
        typer.echo(f"{where}: {found.why}. {found.rows} rows before it are in order.", err=True)
    return 0 if found.broken is None else BROKEN


async def _export(
    settings: "Settings",
    *,
    since: str | None,
    until: str | None,
    form: Format,
    output: Path | None,
) -> None:
    from shared.moderation import chain

    window = {"since": moment(since, "--from"), "until": moment(until, "--to")}
    stream = sys.stdout if output is None else output.open("w", newline="", encoding="utf-8")
    try:
        async with _reading(settings) as session:
            await write(chain.entries(session, **window), stream, form)
    finally:
        if output is not None:
            stream.close()


async def write(entries: "AsyncIterator[Entry]", stream: TextIO, form: Format) -> None:
    """One row at a time: the book may be larger than memory."""
    table = csv.writer(stream)
    if form is Format.CSV:
        table.writerow(COLUMNS)
    async for entry in entries:
        row = {name: getattr(entry, name) for name in COLUMNS} | {"at": entry.at.isoformat()}
        if form is Format.CSV:
            table.writerow([harmless(row[name]) for name in COLUMNS])
        else:
            told = row | {"detail": json.loads(entry.detail)}
            stream.write(json.dumps(told, ensure_ascii=False) + "\n")


def moment(words: str | None, option: str) -> datetime | None:
    """A day or a moment; UTC where no zone is said."""
    if words is None:
        return None
    try:
        told = datetime.fromisoformat(words)
    except ValueError:
        sentence = f"{option} {words[:40]!r} is no moment. Write 2026-01-31 or 2026-01-31T12:00."
        raise Refusal("bad_moment", sentence, field=option) from None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


@asynccontextmanager
async def _reading(settings: "Settings") -> AsyncIterator["Session"]:
    from shared.connections import Database

    changes = {"statement_timeout_ms": PATIENCE_MS, "pool_size": 1}
    database = Database.connect(settings.database.model_copy(update=changes))
    try:
        async with database.read() as session:
            yield session
    finally:
        await database.close()
