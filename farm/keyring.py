"""The `pictor keys` commands: make the farm's keys, renew the leaf, say what to publish."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farm.exits import read_settings, told

if TYPE_CHECKING:
    from shared.config import ProvenanceSettings

app = typer.Typer(
    no_args_is_help=True,
    help="Keys that pictures are marked and signed with.",
)
Folder = Annotated[
    Path | None, typer.Option(help="Where they lie; PICTOR_PROVENANCE__KEYS if left out.")
]


@app.command()
def init(
    folder: Folder = None,
    name: Annotated[
        str | None, typer.Option(help="Whose keys they are, as certificates tell.")
    ] = None,
    if_missing: Annotated[bool, typer.Option(help="Say nothing when there are keys.")] = False,
) -> None:
    """Make a root, a leaf and a watermark key. Nothing is ever written over."""
    from farm.safety import keys

    settings = _provenance()
    place = folder or settings.keys
    if if_missing and keys.present(place):
        return
    owner = name or settings.claim_generator
    told(lambda: keys.make_keys(place, now=datetime.now(UTC), name=owner))
    _say(place)
    typer.echo(
        f"Move {place / keys.ROOT_KEY} to a safe place: only `pictor keys renew` ever needs it.\n"
        f"Keep copies of everything else: without {keys.MARK} no mark can be read."
    )


@app.command()
def renew(
    folder: Folder = None,
    root_key: Annotated[
        Path | None, typer.Option(help="The root's key, if it was moved to a safe place.")
    ] = None,
) -> None:
    """Make a new leaf under the same root. Pictures that the old one signed stay ours."""
    from farm.safety import keys

    place = folder or _provenance().keys
    key = root_key or place / keys.ROOT_KEY
    told(lambda: keys.renew_leaf(place, root_key=key, now=datetime.now(UTC)))
    _say(place)
    typer.echo("Restart the workers: each reads its keys when it starts.")


@app.command()
def show(folder: Folder = None) -> None:
    """Say where the root certificate lies, and the fingerprints of what there is."""
    _say(folder or _provenance().keys)


def _provenance() -> "ProvenanceSettings":
    return read_settings().provenance


def _say(folder: Path) -> None:
    from farm.safety import keys

    found = told(lambda: keys.read_keys(folder))
    typer.echo(
        f"Publish {folder / keys.ROOT}: with it anybody can check your pictures.\n"
        f"root  SHA-256 {keys.fingerprint(found.root)}\n"
        f"leaf  SHA-256 {keys.fingerprint(found.chain)}, until {keys.end_of(found.chain):%d %B %Y}"
    )
