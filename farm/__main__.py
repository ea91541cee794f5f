"""The `pictor` command. Each command imports what it needs, so that `pictor --help` is instant."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from farm import auditcommands as audits
from farm import keycommands, keyring
from farm import privacycommands as privacy
from farm.exits import read_settings, run, told
from farm.reports import commands as reports
from farm.safety import commands as safety
from farm.simulate import commands as simulate

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Pictor: a self-hosted Midjourney. `pictor demo` shows it on this machine.",
    epilog="Exit codes: 0 done; 2 refused, yours to fix; 3 failed or blocked; 4 the stack is not ready;"
    " 130 interrupted.",
)


@app.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its data.")] = Path("var/demo"),
    port: Annotated[int, typer.Option(help="Port of the page; 0 picks a free one.")] = 8700,
) -> None:
    """Run everything on this machine, with a local Discord to type /imagine in, and the web client."""
    from farm.demo import run_demo

    run(run_demo(folder=folder, port=port))


@app.command()
def bot() -> None:
    """Run the Discord bot."""
    # The bot is a program of its own: bot and farm never import each other.
    os.execv(sys.executable, [sys.executable, "-m", "bot"])


@app.command()
def dispatch() -> None:
    """Run the dispatcher (one leads, others stand by)."""
    from farm.dispatcher import run_dispatcher

    run(run_dispatcher(read_settings()))


@app.command()
def work(
    device: Annotated[str | None, typer.Option(help="cpu, cuda:0, cuda:1, ...")] = None,
    name: Annotated[
        str | None, typer.Option(help="This worker's name, unique in the fleet.")
    ] = None,
) -> None:
    """Run one GPU worker."""
    from farm.worker import EXIT_WITHIN_S, run_worker

    settings = read_settings()
    changes = {"device": device, "name": name}
    chosen = {field: value for field, value in changes.items() if value is not None}
    worker = settings.worker.model_copy(update=chosen)
    settings = settings.model_copy(update={"worker": worker})
    run(run_worker(settings, exit_within_s=EXIT_WITHIN_S))


@app.command()
def api() -> None:
    """Run the API and its web client, with webhooks, the image origin, health and metrics."""
    from farm.api.server import run_api

    run(run_api(read_settings()))


@app.command()
def text(
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at.")] = 8702,
    device: Annotated[str, typer.Option(help="cpu, cuda:0, ...")] = "cpu",
) -> None:
    """Serve the language model of PICTOR_TEXT__FOLDER, for /describe, /shorten and --enhance."""
    from farm.text.server import run_text

    run(run_text(read_settings(), host=host, port=port, device=device))


@app.command()
def imagine(
    prompt: Annotated[str, typer.Argument(help="What to draw, with --parameters as on Discord.")],
    output: Annotated[Path, typer.Option("--output", "-o", help=".webp or .png")] = Path(
        "pictor.webp"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    folder: Annotated[Path, typer.Option(help="Data of the embedded stack.")] = Path("var/imagine"),
) -> None:
    """Draw one prompt through the whole stack and write the picture."""
    from farm.imagine import imagine_once

    run(imagine_once(read_settings(), prompt=prompt, output=output, as_json=as_json, folder=folder))


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A PNG, JPEG, WebP or AVIF.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Say whether a picture was made here, by which sign, and what was done to it since.

    Exit code 1: nothing says that it was made here."""
    from farm.attest import verify_file

    run(verify_file(read_settings(), file, as_json=as_json))


@app.command()
def queue(
    watch: Annotated[bool, typer.Option(help="Look again every second, until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Jobs to show of each lane.")] = 20,
) -> None:
    """Show who waits, for how long and why, and what the workers are busy with."""
    from farm.panels import show_lineup

    run(show_lineup(read_settings(), watch=watch, as_json=as_json, limit=limit))


@app.command()
def job(
    id: Annotated[str, typer.Argument(help="The job's id.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Show what became of one job: state, history, money, files, and what its workers said."""
    from farm.history import tell_job

    run(tell_job(read_settings(), id, as_json=as_json))


@app.command()
def migrate(
    revision: Annotated[
        str, typer.Argument(help="Alembic revision; `base` empties the schema.")
    ] = "head",
) -> None:
    """Bring the database schema to a revision (default: the newest)."""
    from farm.doctor import database_url
    from migrations.run import downgrade, upgrade

    url = told(lambda: database_url(read_settings()))
    move = downgrade if revision == "base" or revision.startswith("-") else upgrade
    told(lambda: move(url, revision))
    typer.echo(f"The schema is at {revision}.")


@app.command()
def doctor(
    only: Annotated[
        list[str] | None, typer.Option(help="Check these alone; may be repeated.")
    ] = None,
    quiet: Annotated[bool, typer.Option(help="Say nothing when all is well.")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Check Postgres, Redis, storage, Discord, GPU, model files and the clock; say what to do."""
    from farm.doctor import examine

    run(examine(read_settings(), only=tuple(only or ()), quiet=quiet, as_json=as_json))


@simulate.app.command()
def record(
    since: Annotated[str, typer.Option(help="How far back: 7d, 36h, 90m.")] = "7d",
    output: Annotated[Path, typer.Option("--output", "-o", help=".csv or .jsonl")] = Path(
        "arrivals.csv"
    ),
) -> None:
    """Write the arrivals of the last days to a file, with pseudonyms and without prompts."""
    from farm.simulate.record import record_since, span

    window = told(lambda: span(since))
    written = told(lambda: asyncio.run(record_since(read_settings(), window, output=output)))
    typer.echo(f"{written} jobs in {output}.")


app.add_typer(audits.app, name="audit")
app.add_typer(privacy.app, name="privacy")
app.add_typer(simulate.app, name="simulate")
app.add_typer(reports.app, name="report")
app.add_typer(safety.app, name="safety")
app.add_typer(keyring.app, name="keys")
app.add_typer(keycommands.app, name="key")


def main() -> None:
    told(app)


if __name__ == "__main__":
    main()
