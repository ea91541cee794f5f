"""The lines between processes and their servers, with troubles that no process can see coming.

`python -m tests.chaos.lines --folder F --names w1 w2`: a socket of each name for Postgres and for Redis.
A cut line has carried the request out and never tells; a frozen one delivers everything, but too late.
"""

import argparse
import asyncio
import contextlib
import signal
from collections.abc import Callable
from pathlib import Path

from tests.chaos.points import CUT_COMMIT, CUT_REDIS, FROZEN_LINE, Points

CHUNK = 65_536
POSTGRES, REDIS = ".s.PGSQL.5432", "redis.sock"
FROZEN_LOOK_S = 0.05


class Line:
    """One connection, two directions. Once `doomed`, the next answer ends both ways untold."""

    def __init__(self, points: Points, dooms: Callable[[bytes], bool]) -> None:
        self._points = points
        self._dooms = dooms
        self._doomed = False

    async def carry(
        self,
        ours: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        theirs: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        ways = [self._ask(ours[0], theirs[1]), self._answer(theirs[0], ours[1])]
        tasks = [asyncio.create_task(way) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for _, writer in (ours, theirs):
                writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK):
            await self._thaw()
            self._doomed = self._doomed or self._dooms(chunk)
            writer.write(chunk)
            await writer.drain()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (chunk := await reader.read(CHUNK)) and not self._doomed:
            await self._thaw()
            writer.write(chunk)
            await writer.drain()

    async def _thaw(self) -> None:
        while self._points.lasts(FROZEN_LINE):
            await asyncio.sleep(FROZEN_LOOK_S)


async def serve(folder: Path, name: str) -> list[asyncio.Server]:
    """Sockets in `folder/lines/<name>/`; the servers themselves are at `folder/postgres|redis`."""
    points = Points(folder / "orders", name)
    place = folder / "lines" / name
    place.mkdir(parents=True, exist_ok=True)
    cuts = {
        POSTGRES: lambda chunk: b"COMMIT" in chunk and points.due(CUT_COMMIT),
        REDIS: lambda _: points.due(CUT_REDIS),
    }
    return [
        await _listen(place / POSTGRES, folder / "postgres" / POSTGRES, points, cuts[POSTGRES]),
        await _listen(place / REDIS, folder / "redis" / REDIS, points, cuts[REDIS]),
    ]


async def _listen(
    socket: Path, server: Path, points: Points, dooms: Callable[[bytes], bool]
) -> asyncio.Server:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            theirs = await asyncio.open_unix_connection(str(server))
            await Line(points, dooms).carry((reader, writer), theirs)
        writer.close()

    socket.unlink(missing_ok=True)
    return await asyncio.start_unix_server(accept, str(socket))


async def _run(folder: Path, names: list[str]) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    servers = [server for name in names for server in await serve(folder, name)]
    await stop.wait()
    for server in servers:
        server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--names", nargs="+", required=True)
    options = parser.parse_args()
    asyncio.run(_run(options.folder, options.names))


if __name__ == "__main__":
    main()
