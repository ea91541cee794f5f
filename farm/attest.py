"""`pictor verify FILE`: was this picture made here, by which sign, and what was done to it since?"""

import asyncio
import json
import sys
from pathlib import Path

import msgspec
from rich.console import Console

from farm.inquiries import open_trust
from farm.safety.cell import Cell
from farm.safety.verify import Origin
from farm.verifier import Verifier
from shared.attestation import Answer, Sign
from shared.config import Settings
from shared.connections import Database
from shared.errors import Fault, Refusal
from shared.fingerprints import GRID

MADE_HERE, NOT_KNOWN = 0, 1


async def verify_file(settings: Settings, path: Path, *, as_json: bool) -> int:
    """0 for a picture of ours, 1 for one that nothing says so of. Offline it tells what the file says."""
    data = await asyncio.to_thread(_read, path)
    cell = Cell(open_trust(settings))
    try:
        answer = await _answer(settings, cell, data)
    finally:
        await cell.close()
    if as_json:
        sys.stdout.write(json.dumps(msgspec.to_builtins(answer), indent=1) + "\n")
    else:
        _print(Console(highlight=False, soft_wrap=True), path, answer)
    return NOT_KNOWN if answer.origin == Origin.UNKNOWN else MADE_HERE


async def _answer(settings: Settings, cell: Cell, data: bytes) -> Answer:
    """A database that is away is no reason to say nothing."""
    if settings.database.url is None:
        return await Verifier(cell, None).verify(data)
    database = Database.connect(settings.database)
    try:
        return await Verifier(cell, database).verify(data)
    except Fault as fault:
        if not fault.retryable:
            raise
        Console(stderr=True).print(f"[yellow]{fault.sentence} Jobs and looks are not compared.[/]")
        return await Verifier(cell, None).verify(data)
    finally:
        await database.close()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refusal("no_file", f"{path} cannot be read: {error.strerror}.") from error


COLOURS = {Origin.PROVEN: "green", Origin.MARKED: "green", Origin.ALIKE: "yellow"}


def _print(console: Console, path: Path, answer: Answer) -> None:
    colour = COLOURS.get(Origin(answer.origin), "red")
    console.print(f"[bold]{path.name}[/]  [{colour}]{answer.headline}[/]")
    if answer.made_at:
        console.print(f"made       {answer.made_at}")
    if answer.job:
        console.print(f"job        {answer.job}{_place(answer.picture)}")
    signs = {"manifest": answer.manifest, "watermark": answer.watermark, "looks": answer.looks}
    for name, sign in signs.items():
        console.print(f"{name:<10} {_tick(sign)} {sign.words}")
    for number, change in enumerate(answer.changes):
        console.print(f"{'changes' if number == 0 else '':<10} {change}")


def _tick(sign: Sign) -> str:
    return "[green]✓[/]" if sign.holds else "[red]✗[/]"


def _place(picture: int | None) -> str:
    if picture is None:
        return ""
    return ", its grid" if picture == GRID else f", picture {picture + 1}"
