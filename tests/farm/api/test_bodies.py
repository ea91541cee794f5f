"""What is too large, too deep or too slow is refused before anything reads it; the rest passes as it is."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, UploadFile

from farm.api import bodies, problems
from farm.api.bodies import BodyLimits, check_depth
from shared.config import ApiSettings
from shared.errors import Refusal

SETTINGS = ApiSettings(max_body_bytes=2**10, max_upload_bytes=2**20)


async def nobody(_: Any) -> bool:
    return False


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    problems.install(app)
    app.add_middleware(BodyLimits, settings=SETTINGS, may_bring=nobody)

    @app.post("/plain")
    @app.post("/v1/jobs")
    async def echo(request: Request) -> Any:
        return len(await request.body())

    @app.post("/parsed")
    async def parsed(what: dict[str, Any]) -> Any:
        return what

    @app.post("/file")
    async def file(picture: UploadFile) -> int:
        return len(await picture.read())

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as made:
        yield made


async def pieces(total: int, size: int = 500) -> AsyncIterator[bytes]:
    for at in range(0, total, size):
        yield b" " * min(size, total - at)


@pytest.mark.parametrize(
    ("path", "size", "status"),
    [
        ("/plain", 2**10, 200),
        ("/plain", 2**10 + 1, 413),
        ("/v1/jobs", 2**10 + 1, 200),
        ("/v1/jobs", 2**20 + 1, 413),
    ],
)
@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
async def test_a_body_has_an_end(
    client: httpx.AsyncClient, path: str, size: int, status: int, *, chunked: bool
) -> None:
    content = pieces(size, 2**16) if chunked else b" " * size
    answer = await client.post(path, content=content)
    assert answer.status_code == status
    if status == 413:
        assert (answer.json()["code"], answer.json()["field"]) == ("too_large", "body")
        assert answer.headers["content-type"] == "application/problem+json"
    else:
        assert answer.json() == size


@pytest.mark.parametrize(("size", "status"), [(2**19, 200), (2**20, 413)])
@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
async def test_a_file_has_an_end(
    client: httpx.AsyncClient, size: int, status: int, *, chunked: bool
) -> None:
    """The parser's own answer to what is raised in its middle is not the one that is sent."""
    form = httpx.Request("POST", "http://api/file", files={"picture": b"x" * size})
    whole, kind = form.read(), form.headers["content-type"]

    async def slices() -> AsyncIterator[bytes]:
        for at in range(0, len(whole), 2**16):
            yield whole[at : at + 2**16]

    content = slices() if chunked else whole
    answer = await client.post("/file", content=content, headers={"content-type": kind})
    assert answer.status_code == status
    assert answer.json() == size if status == 200 else answer.json()["code"] == "too_large"


async def test_what_is_sent_comes_through_unchanged(client: httpx.AsyncClient) -> None:
    told = {"a": [1, {"b": 'a "quoted" [[[[ \\ word'}]}
    assert (await client.post("/parsed", json=told)).json() == told


async def test_what_comes_too_slowly_is_not_waited_for(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "WITHIN_S", 0.05)

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(5)

    answer = await client.post("/parsed", content=slow())
    assert (answer.status_code, answer.json()["code"]) == (408, "too_slow")


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


@pytest.mark.parametrize(
    "body",
    [
        nested(32),
        json.dumps({"words": "[" * 100}).encode(),
        rb'{"words": "\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["}',
        b"[]," * 20_000,
        b"",
        b"\xff\xfe\x00",
    ],
    ids=["32", "in a string", "after a quote", "many", "none", "bytes"],
)
def test_what_is_flat_enough_passes(body: bytes) -> None:
    check_depth(body)


@pytest.mark.parametrize(
    "body",
    [
        nested(33),
        b"[" * 1_000_000,
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b'"' + rb"\"" * 300_000 + b"[" * 5 + b'",' + b"[" * 40,
        b"[]," * 20_001,
        b'{"a": "\\\\"' + b"," + b"[" * 40,
    ],
    ids=["33", "a million", "objects", "a hostile string", "too many", "a backslash"],
)
def test_what_is_too_deep_is_refused_at_once(body: bytes) -> None:
    with pytest.raises(Refusal, match="levels"):
        check_depth(body)


def hostile() -> Iterable[bytes]:
    """Texts that make a careless expression look at every byte again and again."""
    for unit in (b'"', b"\\", rb"\"", b'"\\', b'\\\\"', b'"a', b'["', b"\x00"):
        for end in (b"", b"[", b'"', b"]" * 50):
            yield unit * 50_000 + end


def test_no_text_is_looked_at_twice() -> None:
    """With a squared time this would take hours, not be a little late."""
    for body in hostile():
        try:
            check_depth(body)
        except Refusal as refusal:
            assert refusal.code == "too_deep"  # noqa: PT017
