"""`pictor privacy`: what people ask for who cannot ask on Discord any more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farm.exits import read_settings, run

if TYPE_CHECKING:
    from shared.config import Settings
    from shared.oversight.privacy import Privacy

ALL_BYTES = 2_000_000_000  # a disk takes what Discord does not

app = typer.Typer(no_args_is_help=True, help="What is kept of a person: export it, or erase it.")
DiscordId = Annotated[str, typer.Argument(help="Their Discord id, digits alone.")]


@app.command()
def export(
    discord_id: DiscordId,
    output: Annotated[Path, typer.Option("--output", "-o")] = Path("pictor-export.zip"),
) -> None:
    """Write everything that is kept of a person, with their pictures, to a zip."""
    run(_export(read_settings(), discord_id, output))


@app.command()
def delete(
    discord_id: DiscordId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Cancel, withdraw and erase everything that is kept of a person. It cannot be undone."""
    if not yes:
        typer.confirm(f"Erase everything that is kept of {discord_id}?", abort=True)
    run(_delete(read_settings(), discord_id))


async def _export(settings: "Settings", discord_id: str, output: Path) -> None:
    async with _opened(settings) as privacy:
        found = await privacy.export(discord_id, most_bytes=ALL_BYTES)
    await asyncio.to_thread(output.write_bytes, found.data)
    typer.echo(f"{found.jobs} jobs and {found.pictures} files in {output}.")


async def _delete(settings: "Settings", discord_id: str) -> None:
    async with _opened(settings) as privacy:
        erased = await privacy.delete(discord_id)
    typer.echo(
        f"Erased as account {erased.account_id}: {erased.jobs} open jobs, {erased.files} files."
    )


@asynccontextmanager
async def _opened(settings: "Settings") -> "AsyncIterator[Privacy]":
    from shared.bell import Bell
    from shared.connections import Database, connect_redis
    from shared.events import Events
    from shared.oversight.privacy import Privacy
    from shared.oversight.withdrawals import Withdrawals
    from shared.storage import open_store

    async with AsyncExitStack() as stack:
        database, redis = Database.connect(settings.database), connect_redis(settings.redis)
        bell, store = Bell(settings.redis), open_store(settings.storage)
        for close in (database.close, redis.aclose, bell.close):
            stack.push_async_callback(close)
        withdrawals = Withdrawals(database, bell, Events(redis), store)
        yield Privacy(database, store, withdrawals, settings.safety)
