"""`pictor report`: what was drawn, what it cost, what was sold, and whether the books agree."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from farm.exits import FAILED, OK, read_settings, run
from farm.reports.writing import Format
from shared.errors import Refusal
from shared.reports.sheets import By

if TYPE_CHECKING:
    from farm.reports.reading import Findings, Stretch
    from shared.config import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="Reports straight from the ledger: --from is in them, --to is not, all in UTC. Left out: this month"
    " so far.",
)

Since = Annotated[str | None, typer.Option("--from", help="2026-11-01, or with a time.")]
Until = Annotated[str | None, typer.Option("--to", help="Up to, but without, this.")]
Told = Annotated[By, typer.Option("--by", help="One row for each of these.")]
Form = Annotated[Format, typer.Option("--format", help="CSV and JSON have whole ms and cents.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="Else stdout.")]
Html = Annotated[
    Path | None, typer.Option(help="Write everything of this time as one page with plots instead.")
]


@app.command()
def usage(
    since: Since = None,
    until: Until = None,
    by: Told = By.DAY,
    form: Form = Format.TABLE,
    output: Output = None,
    html: Html = None,
) -> None:
    """Jobs by how they ended, pictures, GPU time measured and charged."""
    _report("usage", since, until, by=by, form=form, output=output, html=html)


@app.command()
def billing(
    since: Since = None,
    until: Until = None,
    by: Told = By.USER,
    form: Form = Format.TABLE,
    output: Output = None,
    html: Html = None,
) -> None:
    """GPU time granted, revoked, expired, held, settled and released."""
    _report("billing", since, until, by=by, form=form, output=output, html=html)


@app.command()
def revenue(
    since: Since = None,
    until: Until = None,
    by: Told = By.PLAN,
    form: Form = Format.TABLE,
    output: Output = None,
    html: Html = None,
) -> None:
    """What Discord sold, at the prices of the plans file, before its share and taxes."""
    _report("revenue", since, until, by=by, form=form, output=output, html=html)


@app.command()
def reconcile(
    since: Since = None, until: Until = None, form: Form = Format.TABLE, output: Output = None
) -> None:
    """Whether the ledger is what workers measured, balances are what was entered, and closed months are as
    they were. Exit code 3 names what is not."""
    from farm.reports.reading import Stretch

    run(_reconcile(read_settings(), Stretch(since, until), form=form, output=output))


@app.command()
def close(month: Annotated[str, typer.Option(help="2026-11; it must be over.")]) -> None:
    """Write down what a month came to, once. Reconcile then tells if its books ever change."""
    run(_close(read_settings(), month))


def _report(
    name: str,
    since: str | None,
    until: str | None,
    *,
    by: By,
    form: Format,
    output: Path | None,
    html: Path | None,
) -> None:
    from farm.reports.reading import Stretch

    stretch = Stretch(since, until)
    if html is not None:
        run(_page(read_settings(), stretch, html))
    run(_sheet(read_settings(), name, stretch, by=by, form=form, output=output))


async def _sheet(
    settings: "Settings",
    name: str,
    stretch: "Stretch",
    *,
    by: By,
    form: Format,
    output: Path | None,
) -> None:
    from farm.reports.reading import read_sheet
    from farm.reports.writing import write

    sheet = await read_sheet(settings, name, stretch, by)
    with written_to(output) as stream:
        write(sheet, stream, form)


async def _page(settings: "Settings", stretch: "Stretch", html: Path) -> None:
    from farm.reports.page import page
    from farm.reports.plots import need_matplotlib
    from farm.reports.reading import read_all

    need_matplotlib()  # before a minute of reading
    sheets, found = await read_all(settings, stretch)
    with written_to(html) as stream:
        stream.write(page(sheets, found))
    typer.echo(f"{html} holds {found.span}.")


async def _reconcile(
    settings: "Settings", stretch: "Stretch", *, form: Format, output: Path | None
) -> int:
    from farm.reports.reading import read_findings

    found = await read_findings(settings, stretch)
    with written_to(output) as stream:
        stream.write(_told(found, form))
    for check, line in found.lines[:20]:
        typer.echo(f"{check}: {line}", err=True)
    return FAILED if found.lines else OK


def _told(found: "Findings", form: Format) -> str:
    from shared import spreadsheets

    drift = found.drift
    if form is Format.CSV:
        return spreadsheets.written(["check", "line"], found.lines)
    if form is Format.JSON:
        told = {
            "from": found.span.since.isoformat(),
            "to": found.span.until.isoformat(),
            "jobs": drift.jobs,
            "settled_ms": drift.settled_ms,
            "measured_ms": drift.measured_ms,
            "capped_ms": drift.capped_ms,
            "agrees": not found.lines,
            "wrong": [{"check": check, "line": line} for check, line in found.lines],
        }
        return json.dumps(told, indent=1) + "\n"
    verdict = f"{len(found.lines)} things disagree" if found.lines else "everything agrees"
    return (
        f"{found.span}: {verdict}.\n"
        f"{drift.jobs} jobs were charged {drift.settled_ms} ms; what was measured makes"
        f" {drift.measured_ms} ms; {drift.capped_ms} ms more were given away beyond their holds.\n"
    )


async def _close(settings: "Settings", month: str) -> None:
    from farm.reports.reading import close_month
    from farm.reports.units import minutes

    closed = await close_month(settings, month)
    settled = minutes(closed.totals["settled_ms"])
    typer.echo(
        f"{closed.month} is closed: {closed.totals['jobs']} jobs, {settled} GPU-minutes settled, last entry"
        f" {closed.last_entry}, sealed {closed.sha256}."
    )


@contextmanager
def written_to(path: Path | None) -> Iterator[TextIO]:
    """Stdout without a path. Refusal for a file that cannot be written."""
    if path is None:
        yield sys.stdout
        return
    try:
        stream = path.open("w", newline="", encoding="utf-8")
    except OSError as error:
        sentence = f"{path} cannot be written: {error.strerror}."
        raise Refusal("unwritable", sentence, field="--output") from error
    with stream:
        yield stream
