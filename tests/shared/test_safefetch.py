"""Strangers' links: what is never fetched, and that what was checked is what is connected to."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.errors import Refusal
from shared.safefetch import fetch, is_public

INSIDE = [
    "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1",
    "169.254.169.254", "0.0.0.0", "0.1.2.3", "100.64.0.1", "100.127.255.255", "192.0.0.1",
    "192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8",
    "64:ff9b::a9fe:a9fe", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1",
    "2002:7f00:1::", "2002:a9fe:a9fe::", "3fff::1", "5f00::1", "fc00::1", "fd00::1", "fe80::1",
    "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip
OUTSIDE = ["1.1.1.1", "8.8.8.8", "162.159.135.232", "2606:4700:4700::1111", "2a00:1450:4001::1"]

# Of what a resolver makes 127.0.0.1, or a parser something else than a browser would.
LINKS = [
    "https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f000001/",
    "https://0177.0.0.1/", "https://0x7f.0.0.1/", "https://0/", "https://localhost/",
    "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/",
    "https://169.254.169.254/latest/meta-data/", "https://10.0.0.1/", "https://[fe80::1]/",
    "http://1.1.1.1/", "http://127.0.0.1/", "ftp://1.1.1.1/", "file:///etc/passwd", "gopher://1.1.1.1/",
    "data:image/png;base64,AAAA", "//1.1.1.1/", "1.1.1.1", "", "https://", "https:///a.png",
    "https://1.1.1.1:8443/", "https://1.1.1.1:22/", "https://1.1.1.1:0/", "https://1.1.1.1:99999/",
    "https://user@1.1.1.1/", "https://user:word@1.1.1.1/", "https://1.1.1.1@127.0.0.1/",
    "https://1.1.1.1\\@127.0.0.1/", "https://1.1.1.1/a b", "https://1.1.1.1/\r\nHost: x",
    "https://1.1.1.1/\x00", "https://１２７.0.0.1/", "https://ⓛocalhost/", "https://[::1",
    "https://" + "a" * 3000 + ".example/",
]  # fmt: skip


def test_the_corpus_is_as_large_as_it_should_be() -> None:
    assert len(INSIDE) + len(LINKS) >= 60
    for address in (*INSIDE, *OUTSIDE):
        ip_address(address.partition("%")[0])


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_that_leads_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


def test_what_is_no_address_is_not_public() -> None:
    assert not is_public("localhost")


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever connects has failed the test."""

    def connect(*_: object, **__: object) -> None:
        raise AssertionError("it was connected to")

    monkeypatch.setattr(socket, "create_connection", connect)


@pytest.mark.parametrize("link", LINKS)
async def test_a_link_that_leads_inside_is_not_followed(link: str, never: None) -> None:
    with pytest.raises(Refusal) as caught:
        await fetch(link)
    assert caught.value.code in ("bad_link", "link_failed")
    assert caught.value.field == "link"


@pytest.mark.parametrize(
    "addresses", [["127.0.0.1"], ["1.1.1.1", "127.0.0.1"], ["1.1.1.1", "::1"], []]
)
async def test_a_name_with_one_address_inside_is_not_followed(
    addresses: list[str], never: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve(monkeypatch, [addresses])
    with pytest.raises(Refusal, match="may not visit"):
        await fetch("https://pictures.example/a.png")


def resolve(monkeypatch: pytest.MonkeyPatch, answers: list[list[str]]) -> list[str]:
    """A resolver that tells the answers in turn, then the last for ever; returns who was asked for."""
    asked: list[str] = []

    async def getaddrinfo(host: str, port: int, **_: object) -> list[Any]:
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    return asked


# --- a server of ours in the place of the internet ---------------------------------------------------

Speak = Callable[[asyncio.StreamWriter], Any]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"


@asynccontextmanager
async def server(
    answer: bytes, *, tls: ssl.SSLContext | None = None, after: bytes = b""
) -> AsyncIterator[int]:
    """Says `answer` to every request, and `after` a byte at a time, for ever."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            while after:
                await writer.drain()
                await asyncio.sleep(0.02)
                writer.write(after)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(speak, "127.0.0.1", 0, ssl=tls)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


async def ask(port: int, **options: Any) -> bytes:
    origin = f"http://127.0.0.1:{port}"
    return await fetch(f"{origin}/a.png?x=1", allowed=[origin], **options)


async def test_an_origin_of_ours_may_be_near() -> None:
    async with server(OK + b"\r\npicture") as port:
        assert await ask(port) == b"picture"
        with pytest.raises(Refusal, match="Only https"):
            await fetch(f"http://127.0.0.1:{port}/a.png", allowed=[f"http://127.0.0.1:{port + 1}"])


BAD_ANSWERS = {
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\n\r\n",
    "not found": b"HTTP/1.1 404 Not Found\r\n\r\n",
    "a length too large": OK + b"Content-Length: 99999999\r\n\r\n",
    "a length of words": OK + b"Content-Length: many\r\n\r\nx",
    "a body too large": OK + b"\r\n" + bytes(5000),
    "packed": OK + b"Content-Encoding: gzip\r\n\r\nx",
    "cut short": OK + b"Content-Length: 100\r\n\r\nx",
    "no http": b"SSH-2.0-OpenSSH_9.6\r\n",
    "endless headers": OK + b"X: y\r\n" * 200 + b"\r\nx",
    "nothing": b"",
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
async def test_an_answer_that_is_no_picture_is_refused(name: str) -> None:
    async with server(BAD_ANSWERS[name]) as port:
        with pytest.raises(Refusal) as caught:
            await ask(port, most=4000)
    assert caught.value.code == "link_failed"


@pytest.mark.parametrize("start", [b"", OK, OK + b"Content-Length: 4000\r\n\r\n"])
async def test_a_server_that_trickles_does_not_hold_us(start: bytes) -> None:
    async with server(start, after=b"x") as port:
        with pytest.raises(Refusal):
            await ask(port, seconds=0.2)
        # The thread that fetched is free again: the pool counts those that have nothing to do.
        pool: Any = vars(asyncio.get_running_loop())["_default_executor"]
        async with asyncio.timeout(5):
            while not pool._idle_semaphore.acquire(blocking=False):
                await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for pictures.example, and a client's that trusts it."""
    folder, key = tmp_path_factory.mktemp("tls"), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pictures.example")])
    now = datetime.now(UTC)
    draft = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    draft = draft.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.DNSName("pictures.example")])
    pem = draft.add_extension(names, critical=False).sign(key, hashes.SHA256())
    certificate = folder / "server.pem"
    certificate.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + pem.public_bytes(serialization.Encoding.PEM)
    )
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate)
    return serving, ssl.create_default_context(cafile=str(Path(certificate)))


async def test_the_connection_goes_to_the_address_that_was_checked(
    certified: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that means another place a moment later: it is asked for once, and the first answer is used."""
    serving, trusting = certified
    connected: list[Any] = []
    real = socket.create_connection

    async with server(OK + b"\r\npicture", tls=serving) as port:

        def connect(address: tuple[str, int], timeout: float) -> socket.socket:
            connected.append(address)
            return real(("127.0.0.1", port), timeout)

        monkeypatch.setattr(socket, "create_connection", connect)
        asked = resolve(monkeypatch, [["1.1.1.1"], ["127.0.0.1"]])
        data = await fetch("https://pictures.example/a.png", tls=trusting)
    assert (data, asked) == (b"picture", ["pictures.example"])
    assert connected == [("1.1.1.1", 443)]


async def test_a_server_with_another_name_is_not_believed(
    certified: tuple[ssl.SSLContext, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    serving, trusting = certified
    real = socket.create_connection
    async with server(OK + b"\r\npicture", tls=serving) as port:
        monkeypatch.setattr(
            socket,
            "create_connection",
            lambda _, timeout: real(("127.0.0.1", port), timeout),
        )
        resolve(monkeypatch, [["1.1.1.1"]])
        with pytest.raises(Refusal, match="did not answer"):
            await fetch("https://other.example/a.png", tls=trusting)


async def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    async with server(OK + b"\r\npicture") as port:
        assert await ask(port) == b"picture"
