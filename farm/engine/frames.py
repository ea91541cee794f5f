"""Frames on the pipe between a worker's parent and its GPU child: 4-byte big-endian length, payload."""

import asyncio
import socket
import struct

HEADER = struct.Struct(">I")
LARGEST = 256 * 2**20  # a length above this is a broken peer, not a message


class BrokenFrame(Exception):
    """The peer announced a frame that no message of ours can have."""


def pack(payload: bytes) -> bytes:
    return HEADER.pack(len(payload)) + payload


def receive(pipe: socket.socket) -> bytes | None:
    """The next payload, or None once the peer closed the pipe."""
    header = _receive_exactly(pipe, HEADER.size)
    return None if header is None else _receive_exactly(pipe, _length(header))


async def read(stream: asyncio.StreamReader) -> bytes | None:
    try:
        header = await stream.readexactly(HEADER.size)
        return await stream.readexactly(_length(header))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def _receive_exactly(pipe: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = pipe.recv(min(size - len(parts), 2**20))
        if not part:
            return None
        parts += part
    return bytes(parts)


def _length(header: bytes) -> int:
    length: int = HEADER.unpack(header)[0]
    if length > LARGEST:
        raise BrokenFrame(f"a frame of {length} bytes was announced")
    return length
