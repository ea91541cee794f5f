"""`python -m bot.emulator`: the local Discord as a process of its own."""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from bot.emulator.emulator import Options
from bot.emulator.openapi import Description
from bot.emulator.server import addresses, serve


def main(arguments: Sequence[str] | None = None) -> int:
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    chosen = _parser().parse_args(arguments)
    try:
        description = Description.load(Path(chosen.openapi)) if chosen.openapi else None
        asyncio.run(
            _run(
                Options(
                    token=chosen.token,
                    host=chosen.host,
                    port=chosen.port,
                    public_url=chosen.public_url,
                    description=description,
                )
            )
        )
    except ValueError as error:
        print(f"local Discord: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(
            f"local Discord: cannot listen on {chosen.host}:{chosen.port}: {error}", file=sys.stderr
        )
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bot.emulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8700, help="0 takes any free port")
    parser.add_argument("--token", required=True, help="the bot token that bots must present")
    parser.add_argument(
        "--public-url", default="", help="how browsers reach this server, if not directly"
    )
    parser.add_argument(
        "--openapi",
        default=os.environ.get("PICTOR_DISCORD_OPENAPI", ""),
        help="Discord's OpenAPI description, to judge every body by",
    )
    return parser


async def _run(options: Options) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stop.set)
    async with serve(options) as emulator:
        print(json.dumps(addresses(emulator)), flush=True)
        await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
