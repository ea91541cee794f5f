"""`pictor imagine`: one prompt through the whole stack, a file at the end, no process left behind."""

import asyncio
import getpass
import io
import json
import secrets
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from redis.asyncio import Redis
from rich.console import Console

from farm.demo import dispatcher_leads, worker_is_up
from farm.follow import follow
from farm.stack import Stack
from shared.admission import FrontDesk, Person, Rulebook, Submission
from shared.assets import Asset, assets
from shared.bell import Bell
from shared.catalog import read_catalog
from shared.config import Settings
from shared.connections import Database, connect_redis
from shared.errors import Refusal
from shared.events import Events
from shared.jobs import Job, JobState
from shared.outlooks import Outlooks
from shared.plans import read_plans
from shared.safety.screen import open_screen
from shared.storage import ObjectStore, open_store

FORMATS = {".webp": "WEBP", ".png": "PNG"}
UP_WITHIN_S = 90.0


@dataclass(frozen=True, slots=True)
class Doors:
    """What one prompt needs of the stack."""

    database: Database
    redis: "Redis"
    store: ObjectStore
    desk: FrontDesk


async def imagine_once(
    settings: Settings, *, prompt: str, output: Path, as_json: bool, folder: Path
) -> int:
    """0 when the file is written, 3 when the job failed or was blocked. A Refusal passes through."""
    if output.suffix.lower() not in FORMATS:
        raise Refusal(
            "bad_output",
            f"{output.name} must end in .webp or .png.",
            field="output",
        )
    console = Console(stderr=True, highlight=False)
    async with _configured(settings, folder, console) as ready, _doors(ready) as doors:
        began = time.monotonic()
        job, notices = await _submit(doors, prompt)
        for notice in notices:
            console.print(f"[yellow]{notice}[/]")
        job = await follow(doors.database, doors.redis, job, console)
        return await _report(
            doors, job, output=output, as_json=as_json, seconds=time.monotonic() - began
        )


@asynccontextmanager
async def _configured(
    settings: Settings, folder: Path, console: Console
) -> AsyncIterator[Settings]:
    """The settings as they are, or those of an embedded stack that lives as long as this block."""
    if settings.database.url is not None and settings.redis.url is not None:
        yield settings
        return
    stack = Stack(folder)
    try:
        with console.status("Starting an embedded stack ..."):
            ready = await _start(stack)
        yield ready
    finally:
        await stack.close()


async def _start(stack: Stack) -> Settings:
    await stack.open_servers()
    pictures = stack.folder / "assets"
    stack.environment |= {
        "PICTOR_STORAGE__KIND": "local",
        "PICTOR_STORAGE__FOLDER": str(pictures),
        "PICTOR_STORAGE__PUBLIC_URL": pictures.as_uri(),
        "PICTOR_WORKER__SNAPSHOTS": str(stack.folder / "snapshots"),
        "PICTOR_WORKER__LORAS": str(stack.folder / "loras"),
    }
    await stack.start("dispatcher", "farm", "dispatch")
    await stack.start("worker", "farm", "work")
    settings = _settings_of(stack.environment)
    database = Database.connect(settings.database)
    try:
        await stack.healthy("dispatcher", lambda: dispatcher_leads(database), within_s=UP_WITHIN_S)
        await stack.healthy("worker", lambda: worker_is_up(database), within_s=UP_WITHIN_S)
    finally:
        await database.close()
    return settings


def _settings_of(environment: dict[str, str]) -> Settings:
    """Settings as the started parts read them, without changing this process's environment."""
    nested: dict[str, dict[str, str]] = {}
    for name, value in environment.items():
        part, field = name.removeprefix("PICTOR_").lower().split("__")
        nested.setdefault(part, {})[field] = value
    return Settings(**nested)  # type: ignore[arg-type]


@asynccontextmanager
async def _doors(settings: Settings) -> AsyncIterator[Doors]:
    database, redis = Database.connect(settings.database), connect_redis(settings.redis)
    bell = Bell(settings.redis)
    screen = open_screen(
        settings.blocklist_file, settings.policy_file, figures=settings.public_figures_file
    )
    plans, catalog = read_plans(settings.plans_file), read_catalog(settings.catalog_file)
    rulebook = Rulebook(plans, catalog, screen, settings.safety)
    desk = FrontDesk(
        database=database,
        bell=bell,
        events=Events(redis),
        rulebook=rulebook,
        draw_seed=lambda: secrets.randbelow(2**32),
        outlooks=Outlooks(redis),
    )
    try:
        yield Doors(database, redis, open_store(settings.storage), desk)
    finally:
        await bell.close()
        await redis.aclose()
        await database.close()


async def _submit(doors: Doors, prompt: str) -> tuple[Job, tuple[str, ...]]:
    person = Person(discord_id=f"local:{getpass.getuser()}", name=getpass.getuser(), plan="pro")
    key = f"imagine:{secrets.token_hex(16)}"
    receipt = await doors.desk.submit(Submission(text=prompt, person=person, route=None, key=key))
    if len(receipt.jobs) > 1:
        # One file can hold one grid; the others were asked for by --repeat.
        for extra in receipt.jobs[1:]:
            await doors.desk.cancel(person, extra.id)
    return receipt.jobs[0], receipt.notices


async def _report(doors: Doors, job: Job, *, output: Path, as_json: bool, seconds: float) -> int:
    grid = await _grid(doors.database, job)
    if grid is not None:
        await asyncio.to_thread(_write, output, await doors.store.get(grid.key))
    link = doors.store.url(grid.key) if grid is not None else None
    facts = _facts(job, link, output=output, seconds=seconds)
    if as_json:
        sys.stdout.write(json.dumps(facts) + "\n")
    else:
        _print(Console(soft_wrap=True, highlight=False), facts)
    return 0 if job.state is JobState.SUCCEEDED else 3


async def _grid(database: Database, job: Job) -> Asset | None:
    if job.state is not JobState.SUCCEEDED:
        return None
    async with database.read() as session:
        return next(asset for asset in await assets(session, job.id) if asset.kind == "grid")


def _write(output: Path, data: bytes) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    if output.suffix.lower() == ".webp":
        output.write_bytes(data)
    else:
        Image.open(io.BytesIO(data), formats=["WEBP"]).save(output, "PNG")


def _facts(job: Job, link: str | None, *, output: Path, seconds: float) -> dict[str, Any]:
    """Times in milliseconds; `cost_ms` is what the ledger charged."""
    return {
        "job": str(job.id),
        "state": job.state.value,
        "seed": job.spec.seed,
        "steps": job.spec.steps,
        "checkpoint": job.spec.checkpoint,
        "timings_ms": {**job.timings, "total": round(seconds * 1000)},
        "gpu_ms": job.gpu_ms,
        "cost_ms": job.charged_ms,
        "link": link,
        "output": str(output) if link else None,
        "error": job.error_sentence,
    }


def _print(console: Console, facts: dict[str, Any]) -> None:
    if facts["error"] or facts["output"] is None:
        console.print(f"[red]{facts['state']}[/]: {facts['error']} You were not charged.")
        console.print(f"job      {facts['job']}")
        return
    timings = ", ".join(f"{name} {ms / 1000:.2f} s" for name, ms in facts["timings_ms"].items())
    console.print(f"[green]{facts['output']}[/]")
    console.print(
        f"job      {facts['job']}  seed {facts['seed']}, {facts['steps']} steps, {facts['checkpoint']}"
    )
    console.print(f"timings  {timings}")
    console.print(f"cost     {(facts['cost_ms'] or 0) / 1000:.2f} GPU-seconds")
    console.print(f"link     {facts['link']}")
