"""`pictor queue`: the farm's lineup in a terminal."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from farm.lineup import Lineup, Place, Station, facts, read_lineup
from shared.config import Settings
from shared.connections import Database, connect_redis
from shared.errors import Fault
from shared.jobs import JobState
from shared.plans import Speed
from shared.waits import how_long

EVERY_S = 1.0
_SENT = (JobState.DISPATCHED, JobState.RUNNING)
_COLOURS = {Speed.TURBO: "magenta", Speed.FAST: "cyan", Speed.RELAX: "green"}


async def show_lineup(settings: Settings, *, watch: bool, as_json: bool, limit: int) -> None:
    console = Console(highlight=False)
    silent_s = settings.farm.worker_silent_s
    async with _doors(settings) as (database, redis):

        async def look() -> Lineup:
            return await read_lineup(database, redis, limit=limit, lost_after_s=silent_s)

        if as_json:
            sys.stdout.write(json.dumps(facts(await look())) + "\n")
        elif watch:
            await _keep_showing(look, console)
        else:
            console.print(panels(await look()))


async def _keep_showing(look: Callable[[], Awaitable[Lineup]], console: Console) -> None:
    """Until Ctrl-C. A database that restarts is something to watch too."""
    with Live(console=console, auto_refresh=False) as live:
        while True:
            try:
                shown = panels(await look())
            except Fault as fault:
                shown = Text(fault.sentence, style="red")
            live.update(shown, refresh=True)
            await asyncio.sleep(EVERY_S)


@asynccontextmanager
async def _doors(settings: Settings) -> AsyncIterator[tuple[Database, "Redis | None"]]:
    database = Database.connect(settings.database)
    redis = connect_redis(settings.redis) if settings.redis.url is not None else None
    try:
        yield database, redis
    finally:
        if redis is not None:
            await redis.aclose()
        await database.close()


def panels(lineup: Lineup) -> RenderableType:
    waiting = _waiting(lineup) if lineup.count(JobState.WAITING) else Text("Nobody waits.")
    workers = _workers(lineup) if lineup.stations else Text("No worker is up.", style="yellow")
    trouble = [Text(lineup.trouble, style="yellow")] if lineup.trouble else []
    return Group(*trouble, _headline(lineup), waiting, Text(), workers)


def _headline(lineup: Lineup) -> Text:
    lanes = ", ".join(
        f"{lane} {lineup.count(JobState.WAITING, speed=lane)}"
        for lane in Speed
        if lineup.count(JobState.WAITING, speed=lane)
    )
    waiting = f"{lineup.count(JobState.WAITING)} waiting" + (f" ({lanes})" if lanes else "")
    return Text(f"{waiting}, {lineup.count(*_SENT)} at work", style="bold")


def _waiting(lineup: Lineup) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("lane", "place", "waits", "picture", "why", "account", "plan", "checkpoint"):
        table.add_column(name, justify="right" if name in ("place", "waits") else "left")
    for lane, places in lineup.places.items():
        for number, place in enumerate(places):
            table.add_row(_lane(lane) if number == 0 else "", *_cells(place))
        more = lineup.count(JobState.WAITING, speed=lane) - len(places)
        if places and more > 0:
            table.add_row("", "", "", "", f"and {more} more")
        if places:
            table.add_section()
    return table


def _lane(lane: Speed) -> Text:
    return Text(lane.value, style=_COLOURS[lane])


def _cells(place: Place) -> tuple[str, ...]:
    job, outlook = place.job, place.outlook
    return (
        str(outlook.position) if outlook and outlook.position else "–",
        _age(place.age_s),
        how_long(outlook) if outlook else "–",
        outlook.reason if outlook else "–",
        job.account_id.hex[:8],
        job.plan,
        job.checkpoint,
    )


def _workers(lineup: Lineup) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("worker", "device", "slots", "busy", "warm", "memory", "seen"):
        table.add_column(name)
    for station in lineup.stations:
        table.add_row(*_worker_cells(station), style="red" if station.lost else "")
    return table


def _worker_cells(station: Station) -> tuple[str, ...]:
    worker = station.worker
    busy = ", ".join(f"{count} {lane}" for lane, count in worker.busy.items()) or "idle"
    marks = {"alone": worker.alone, "draining": worker.draining, "lost": station.lost}
    notes = [word for word, true in marks.items() if true]
    return (
        worker.name,
        worker.device,
        f"{worker.jobs} of {worker.slots}",
        ", ".join([busy, *notes]),
        ", ".join(worker.checkpoints) or "–",
        _memory(worker.vram_bytes, worker.free_bytes),
        f"{_age(station.silent_s)} ago",
    )


def _memory(budget: int, free: int) -> str:
    if budget == 0:
        return "not known"
    return f"{free / 2**30:.1f} of {budget / 2**30:.1f} GB free"


def _age(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole // 60 % 60} min"
