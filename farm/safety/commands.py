"""`pictor safety ...`: what the prompt layer would say, has said, and how good it is."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from farm.exits import read_settings, told

app = typer.Typer(
    no_args_is_help=True, help="Look into the safety filters; train and measure them."
)


@app.command()
def replay(
    policy: Annotated[Path, typer.Option(help="The policy file to try.")],
    since: Annotated[str, typer.Option(help="How far back: 7d, 36h, 90m.")] = "7d",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Try a new policy on what was said in the last days: what would it have decided otherwise?"""
    from farm.safety.replay import run_replay
    from farm.simulate.record import span

    window = told(lambda: span(since))
    told(lambda: asyncio.run(run_replay(read_settings(), window, policy, as_json=as_json)))
