"""Visits what a stranger's link names, without becoming the stranger's hand inside our network.

The name is resolved once, every address that it has is checked, and the connection goes to an address
that was: a name that answers otherwise a moment later changes nothing. Only https, only port 443, no
redirect, no proxy, five seconds and ten megabytes in all.
"""

import asyncio
import http.client
import socket
import ssl
from collections.abc import AsyncIterator, Collection, Mapping
from concurrent.futures import Executor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from shared.errors import Refusal

SECONDS = 5.0
MOST_BYTES = 10 * 2**20
LONGEST = 2_048
PORTS = {"https": 443, "http": 80}
CHUNK = 2**16

# What Python 3.11 calls global although it leads inside, or nowhere: translated and tunnelled addresses
# that hold another, shared and benchmark nets, groups.
DENIED = tuple(
    ip_network(net)
    for net in (
        *("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15"),
        *("224.0.0.0/4", "240.0.0.0/4", "::/96", "::ffff:0:0/96", "64:ff9b::/96"),
        *("64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16"),
        *("3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
    )
)


@dataclass(frozen=True, slots=True)
class _Place:
    scheme: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == PORTS[self.scheme]
        return f"{self.scheme}://{host}" + ("" if usual else f":{self.port}")


@dataclass(frozen=True, slots=True)
class Reply:
    """To what was posted: the status, and the `Retry-After` as it was written."""

    status: int
    retry_after: str | None = None


async def fetch(
    link: str,
    *,
    allowed: Collection[str] = (),
    seconds: float = SECONDS,
    most: int = MOST_BYTES,
    tls: ssl.SSLContext | None = None,
) -> bytes:
    """The body. `allowed` are origins (`http://127.0.0.1:8701`) of our own that need not be public.

    Refusal `bad_link` for what is not fetched at all, `link_failed` for what did not answer as it should.
    """
    said = "The link did not answer as a picture should."
    ways = _reached(link, allowed=allowed, seconds=seconds, tls=tls, said=said)
    async with ways as (connection, place):
        return await asyncio.to_thread(_get, connection, place, most)


async def post(
    link: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allowed: Collection[str] = (),
    seconds: float = SECONDS,
    tls: ssl.SSLContext | None = None,
    threads: Executor | None = None,
) -> Reply:
    """Sends it, under the same rules. What the answer says beside its status is not read.

    `threads` do the waiting, for names too: whoever sends a lot has a pool of its own. Refusals as of `fetch`.
    """
    said = "The address did not answer."
    loop = asyncio.get_running_loop()
    ways = _reached(link, allowed=allowed, seconds=seconds, tls=tls, said=said, threads=threads)
    async with ways as (connection, place):
        return await loop.run_in_executor(threads, _post, connection, place, body, headers)


async def check(link: str, *, allowed: Collection[str] = (), seconds: float = SECONDS) -> None:
    """Whether it would be visited now, without visiting it. Refusals as of `fetch`."""
    place, trusted = _permitted(link, allowed)
    try:
        async with asyncio.timeout(seconds):
            await _address(place, trusted=trusted)
    except (OSError, ValueError) as error:
        raise _failed("The name of that link is not known anywhere.") from error


@asynccontextmanager
async def _reached(
    link: str,
    *,
    allowed: Collection[str],
    seconds: float,
    tls: ssl.SSLContext | None,
    said: str,
    threads: Executor | None = None,
) -> AsyncIterator[tuple["_Plain", _Place]]:
    """A connection to an address that was checked, for so long; `said` of what breaks on the way."""
    place, trusted = _permitted(link, allowed)
    connection: _Plain | None = None
    try:
        async with asyncio.timeout(seconds):
            address = await _address(place, trusted=trusted, threads=threads)
            connection = _connection(place, address, seconds, tls)
            yield connection, place
    except (OSError, http.client.HTTPException, ssl.SSLError, ValueError) as error:
        raise _failed(said) from error
    finally:
        if connection is not None:
            connection.hang_up()


def _permitted(link: str, allowed: Collection[str]) -> tuple[_Place, bool]:
    """Where it leads, and whether that is an origin that need not be public."""
    place = _read(link)
    trusted = place.origin in {origin.rstrip("/").lower() for origin in allowed}
    if not trusted and (place.scheme, place.port) != ("https", 443):
        raise _bad("Only https links can be looked at.")
    return place, trusted


def is_public(address: str) -> bool:
    """Whether this address leads out of here, whatever it is wrapped in."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return ip.is_global and not ip.is_multicast and not _denied(ip)


def _denied(ip: IPv4Address | IPv6Address) -> bool:
    return any(ip in net for net in DENIED if net.version == ip.version)


def _read(link: str) -> _Place:
    if len(link) > LONGEST or not link.isascii() or not link.isprintable() or " " in link:
        raise _bad("That is no link that I understand.")
    try:
        parts = urlsplit(link)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise _bad("That is no link that I understand.") from error
    if not host or parts.scheme not in PORTS or "@" in parts.netloc or "\\" in link:
        raise _bad("Only https links can be looked at.")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Place(parts.scheme, host, PORTS[parts.scheme] if port is None else port, target)


async def _address(place: _Place, *, trusted: bool, threads: Executor | None = None) -> str:
    """One that the connection goes to. All must be public: which one a name means is its owner's choice."""
    found = await _resolved(place, threads)
    addresses = [str(entry[4][0]) for entry in found]
    if not addresses or not (trusted or all(map(is_public, addresses))):
        raise _bad("That link leads to a place that I may not visit.")
    return addresses[0]


async def _resolved(place: _Place, threads: Executor | None) -> list[Any]:
    loop = asyncio.get_running_loop()
    if threads is None:
        return await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    ask = partial(socket.getaddrinfo, place.host, place.port, type=socket.SOCK_STREAM)
    return await loop.run_in_executor(threads, ask)


def _connection(
    place: _Place, address: str, seconds: float, tls: ssl.SSLContext | None
) -> "_Plain":
    if place.scheme == "http":
        return _Plain(address, place, seconds)
    return _Secured(address, place, seconds, tls or ssl.create_default_context())


class _Plain(http.client.HTTPConnection):
    """To the address that was checked; the name goes into the request alone."""

    line: socket.socket | None

    def __init__(self, address: str, place: _Place, seconds: float) -> None:
        super().__init__(place.host, place.port, timeout=seconds)
        self.address, self.line = address, None

    def connect(self) -> None:
        self.sock = self.line = socket.create_connection((self.address, self.port), self.timeout)

    def hang_up(self) -> None:
        """Also wakes the thread that still waits for a server that trickles: the library lets go of its
        own socket as soon as the answer begins."""
        if self.line is not None:
            with suppress(OSError):
                self.line.shutdown(socket.SHUT_RDWR)
        self.close()


class _Secured(_Plain):
    def __init__(
        self, address: str, place: _Place, seconds: float, context: ssl.SSLContext
    ) -> None:
        super().__init__(address, place, seconds)
        self.default_port, self._context = PORTS["https"], context

    def connect(self) -> None:
        super().connect()
        self.sock = self.line = self._context.wrap_socket(self.sock, server_hostname=self.host)


def _get(connection: _Plain, place: _Place, most: int) -> bytes:
    asked = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": "Pictor"}
    connection.request("GET", place.target, headers=asked | {"Connection": "close"})
    with connection.getresponse() as answer:
        return _picture(answer, most)


def _post(connection: _Plain, place: _Place, body: bytes, headers: Mapping[str, str]) -> Reply:
    asked = {"User-Agent": "Pictor", "Connection": "close"} | dict(headers)
    connection.request("POST", place.target, body=body, headers=asked)
    with connection.getresponse() as answer:
        return Reply(answer.status, answer.headers.get("Retry-After"))


def _picture(answer: http.client.HTTPResponse, most: int) -> bytes:
    if answer.status != 200:
        raise _failed(f"The link answers {answer.status}. Redirects are not followed.")
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise _failed("The link answers in a packed form that I do not open.")
    length = answer.headers.get("Content-Length")
    if length is not None and int(length) > most:
        raise _large(most)
    data = _body(answer, most)
    if length is not None and len(data) != int(length):
        raise _failed("The link broke off in the middle.")
    return data


def _body(answer: http.client.HTTPResponse, most: int) -> bytes:
    data = bytearray()
    while chunk := answer.read(CHUNK):
        data += chunk
        if len(data) > most:
            raise _large(most)
    return bytes(data)


def _bad(sentence: str) -> Refusal:
    return Refusal("bad_link", sentence, field="link")


def _failed(sentence: str) -> Refusal:
    return Refusal("link_failed", sentence, field="link")


def _large(most: int) -> Refusal:
    return _failed(f"What lies there is larger than {most >> 20} MB.")
