"""Strangers' links: what is never fetched, and that what was checked is what is connected to."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
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
from shared.safefetch import check, fetch, is_public, post
from tests.shared.strangers import ABROAD, INSIDE, LINKS, OUTSIDE


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


@pytest.mark.parametrize("link", LINKS)
async def test_a_link_that_leads_inside_is_not_followed(link: str, never: None) -> None:
    with pytest.raises(Refusal) as caught:
        await fetch(link)
    assert caught.value.code in ("bad_link", "link_failed")
    assert caught.value.field == "link"


@pytest.mark.parametrize("link", ABROAD)
async def test_nothing_is_posted_to_where_a_link_leads_inside(link: str, never: None) -> None:
    with pytest.raises(Refusal):
        await check(link)
    with ThreadPoolExecutor(1) as threads:
        for pool in (None, threads):
            with pytest.raises(Refusal) as caught:
                await post(link, b"{}", {}, threads=pool)
            assert caught.value.code in ("bad_link", "link_failed")


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


async def test_what_is_posted_arrives_and_only_the_status_comes_back() -> None:
    said = b"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 99999\r\n\r\nwords"
    async with server(said) as port:
        origin = f"http://127.0.0.1:{port}"
        reply = await post(f"{origin}/told", b"{}", {"webhook-id": "1"}, allowed=[origin])
        await check(f"{origin}/told", allowed=[origin])
        with pytest.raises(Refusal, match="Only https"):
            await post(f"{origin}/told", b"{}", {})
    assert (reply.status, reply.retry_after) == (429, "7")


async def test_a_name_that_leads_inside_by_the_time_of_posting_is_not_followed(
    never: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Public when it was checked, ours when it is used; also where a pool asks for names."""
    resolve(monkeypatch, [["1.1.1.1"], ["127.0.0.1"]])
    await check("https://hooks.example/told")
    with pytest.raises(Refusal, match="may not visit"):
        await post("https://hooks.example/told", b"{}", {})
    inside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: inside)
    with ThreadPoolExecutor(1) as threads, pytest.raises(Refusal, match="may not visit"):
        await post("https://hooks.example/told", b"{}", {}, threads=threads)


async def test_a_receiver_that_trickles_does_not_hold_the_sender() -> None:
    async with server(b"", after=b"x") as port:
        origin = f"http://127.0.0.1:{port}"
        with ThreadPoolExecutor(1) as threads:
            with pytest.raises(Refusal):
                await post(f"{origin}/", b"{}", {}, allowed=[origin], seconds=0.2, threads=threads)
            assert await asyncio.get_running_loop().run_in_executor(threads, bool) is False


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
