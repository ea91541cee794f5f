"""A line to a server that a test can cut, freeze or slow down: whoever talks over it sees just that."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
CHUNK = 65_536


class Line:
    """`reach` opens a connection to the server itself."""

    def __init__(self, reach: Callable[[], Awaitable[Ends]]) -> None:
        self._reach = reach
        self._open = True
        self._moving = asyncio.Event()
        self._moving.set()
        self._calls: set[asyncio.Task[None]] = set()
        self.pause_s = 0.0  # before each chunk

    def cut(self) -> None:
        """Every call ends now, and nobody gets through."""
        self._open = False
        for call in self._calls:
            call.cancel()

    def freeze(self) -> None:
        """Calls stay open and nothing moves: the half-open connection of a lost cable."""
        self._moving.clear()

    def mend(self) -> None:
        self._open, self.pause_s = True, 0.0
        self._moving.set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = asyncio.current_task()
        assert call is not None
        self._calls.add(call)
        try:
            if self._open:
                with contextlib.suppress(OSError):
                    await self._carry((reader, writer), await self._reach())
        except asyncio.CancelledError:
            pass
        finally:
            self._calls.discard(call)
            writer.close()

    async def _carry(self, ours: Ends, theirs: Ends) -> None:
        ways = [
            asyncio.create_task(self._move(ours[0], theirs[1])),
            asyncio.create_task(self._move(theirs[0], ours[1])),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            theirs[1].close()

    async def _move(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK):
            await self._moving.wait()
            if self.pause_s:
                await asyncio.sleep(self.pause_s)
            writer.write(chunk)
            await writer.drain()


@asynccontextmanager
async def socket_line(server: Path, place: Path) -> AsyncIterator[Line]:
    """From the Unix socket `place` to the Unix socket `server`."""
    line = Line(lambda: asyncio.open_unix_connection(str(server)))
    place.parent.mkdir(parents=True, exist_ok=True)
    listening = await asyncio.start_unix_server(line.take, str(place))
    async with _served(line, listening):
        yield line


@asynccontextmanager
async def port_line(port: int) -> AsyncIterator[tuple[Line, int]]:
    """From a free local port, which comes with it, to `port`."""
    line = Line(lambda: asyncio.open_connection("127.0.0.1", port))
    listening = await asyncio.start_server(line.take, "127.0.0.1", 0)
    async with _served(line, listening):
        yield line, listening.sockets[0].getsockname()[1]


@asynccontextmanager
async def _served(line: Line, listening: asyncio.Server) -> AsyncIterator[None]:
    try:
        yield
    finally:
        listening.close()
        line.cut()
        line.mend()
