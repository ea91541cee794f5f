"""`pictor key`: API keys from the operator's shell, of anybody and with any scope."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from farm.exits import read_settings, run

if TYPE_CHECKING:
    from shared.config import Settings
    from shared.keychain import Keychain, Made, Standing, Wanted
    from shared.keyrows import ApiKey

app = typer.Typer(
    no_args_is_help=True,
    help="Keys that open the API. (`pictor keys` are those that sign pictures.)",
)
OPERATOR = "operator"  # the account of keys that are nobody's on Discord
Person = Annotated[
    str, typer.Option("--for", help="Whose: a Discord id, hf:<id>, or any name for a machine.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
KeyId = Annotated[UUID, typer.Argument(help="The key's id, as `pictor key list` tells it.")]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What you will know it by.")],
    owner: Person = OPERATOR,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="read, draw, text, upload, hooks, keys, moderate, admin; may be repeated."
        ),
    ] = None,
    admin: Annotated[bool, typer.Option("--admin", help="Every scope.")] = False,
    days: Annotated[
        int | None, typer.Option(help="How long it is good; PICTOR_API__KEY_DAYS if left out.")
    ] = None,
    plan: Annotated[str, typer.Option(help="A plan that it has, whatever its owner has.")] = "",
    server: Annotated[
        str | None, typer.Option(help="A Discord server's id: its rules hold for this key.")
    ] = None,
    rank: Annotated[str, typer.Option(help="viewer, moderator or admin, on that server.")] = "none",
    as_json: AsJson = False,
) -> None:
    """Make a key and show it this once."""
    from shared.apikeys import USUAL, Scope
    from shared.keychain import Wanted

    wanted = Wanted(name, tuple(Scope) if admin else tuple(scope or USUAL), days)
    standing = {"guild_id": server, "plan": plan, "rank": rank}
    run(_create(read_settings(), owner, wanted, standing, as_json=as_json))


@app.command("list")
def show(owner: Person = OPERATOR, as_json: AsJson = False) -> None:
    """List somebody's keys that are good, the newest first."""
    run(_show(read_settings(), owner, as_json=as_json))


@app.command()
def rotate(
    id: KeyId,
    owner: Person = OPERATOR,
    overlap: Annotated[int, typer.Option(help="Seconds that the old one still opens.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Put another key in the place of one, and show it this once."""
    run(_rotate(read_settings(), owner, id, overlap_s=overlap, as_json=as_json))


@app.command()
def revoke(id: KeyId, owner: Person = OPERATOR) -> None:
    """Revoke a key. It opens nothing from then on."""
    run(_revoke(read_settings(), owner, id))


async def _create(
    settings: "Settings",
    owner: str,
    wanted: "Wanted",
    standing: dict[str, Any],
    *,
    as_json: bool,
) -> None:
    async with _opened(settings) as chain:
        worth = _standing(chain, **standing)
        account = await chain.account(owner, owner)
        _say(await chain.make(account.id, wanted, worth), as_json=as_json)


async def _show(settings: "Settings", owner: str, *, as_json: bool) -> None:
    async with _opened(settings) as chain:
        keys = await chain.keys((await chain.known(owner)).id)
    if as_json:
        typer.echo(json.dumps([_told(key) for key in keys]))
    elif not keys:
        typer.echo(f"{owner} has no keys. Make one: pictor key create NAME --for {owner}")
    for key in () if as_json else keys:
        ends, used = _day(key.expires_at), _day(key.last_used_at)
        where = f", server {key.guild_id}" if key.guild_id else ""
        typer.echo(f"{key.id}  {key.prefix}...  {key.name}{where}")
        typer.echo(f"    {', '.join(key.scopes)}; until {ends}; last used {used}")


async def _rotate(
    settings: "Settings", owner: str, key_id: UUID, *, overlap_s: int, as_json: bool
) -> None:
    async with _opened(settings) as chain:
        account = await chain.known(owner)
        made = await chain.rotate(account.id, key_id, _standing(chain), overlap_s=overlap_s)
        _say(made, as_json=as_json)


async def _revoke(settings: "Settings", owner: str, key_id: UUID) -> None:
    async with _opened(settings) as chain:
        key = await chain.revoke((await chain.known(owner)).id, key_id)
    typer.echo(f"{key.prefix}... ({key.name}) opens nothing any more.")


def _standing(
    chain: "Keychain", guild_id: str | None = None, plan: str = "", rank: str = "none"
) -> "Standing":
    """Whoever has the shell may give everything. Refusals `unknown_plan`, `unknown_rank`, `no_server`."""
    from shared.apikeys import Scope
    from shared.errors import Refusal
    from shared.keychain import Standing
    from shared.moderation.ranks import Rank

    if plan and plan not in chain.book.plans:
        known = ", ".join(chain.book.plans)
        raise Refusal("unknown_plan", f"The plans are: {known}.", field="plan")
    ranks = {one.name.lower(): one for one in Rank}
    if rank not in ranks:
        raise Refusal("unknown_rank", f"The ranks are: {', '.join(ranks)}.", field="rank")
    if ranks[rank] and guild_id is None:
        sentence = "A rank is one's on a server: name it with --server, or make a key with --admin."
        raise Refusal("no_server", sentence, field="server")
    return Standing(frozenset(Scope), guild_id, plan, rank=ranks[rank])


def _say(made: "Made", *, as_json: bool) -> None:
    """The key alone on stdout, for `key=$(pictor key create ...)`."""
    if as_json:
        typer.echo(json.dumps(_told(made.key) | {"key": made.secret}))
        return
    typer.echo(made.secret)
    told = f"{made.key.name} ({made.key.id}): {', '.join(made.key.scopes)}"
    typer.echo(f"{told}; until {_day(made.key.expires_at)}. Shown this once.", err=True)


def _told(key: "ApiKey") -> dict[str, Any]:
    ends, used = key.expires_at, key.last_used_at
    return {
        "id": str(key.id),
        "name": key.name,
        "prefix": key.prefix,
        "scopes": list(key.scopes),
        "server": key.guild_id,
        "plan": key.plan or None,
        "expires_at": ends.isoformat() if ends else None,
        "last_used_at": used.isoformat() if used else None,
    }


def _day(moment: datetime | None) -> str:
    return f"{moment:%d %B %Y}" if moment else "never"


@asynccontextmanager
async def _opened(settings: "Settings") -> "AsyncIterator[Keychain]":
    from shared.connections import Database
    from shared.keychain import Keychain
    from shared.plans import read_plans

    database = Database.connect(settings.database)
    api = settings.api
    try:
        yield Keychain(database, read_plans(settings.plans_file), api.pepper, api.key_days)
    finally:
        await database.close()
