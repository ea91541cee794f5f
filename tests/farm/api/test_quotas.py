"""Who asks too often waits, is told for how long, and holds up nobody else; with Redis or without."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from redis.asyncio import Redis

from farm.api.quotas import Left, Quotas, address_of, fields
from shared.config import ApiSettings, Settings
from shared.connections import connect_redis
from tests.farm.api.conftest import PEPPER, NewKey, Open

Away = Callable[[], AbstractAsyncContextManager[int]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    few = ApiSettings(
        pepper=PEPPER,
        requests_per_minute=3,
        account_requests_per_minute=5,
        address_requests_per_minute=2,
    )
    return settings.model_copy(update={"api": few})


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator["Redis"]:
    client = connect_redis(settings.redis)
    yield client
    await client.aclose()


async def test_a_key_then_an_account_is_used_up(client_of: Open, new_key: NewKey) -> None:
    one, two = await client_of(await new_key("7")), await client_of(await new_key("7"))
    first = await one.get("/v1/me")
    assert first.headers["ratelimit-policy"] == '"key";q=3;w=60, "account";q=5;w=60'
    assert first.headers["ratelimit"].startswith('"key";r=2;t=')
    assert [(await one.get("/v1/me")).status_code for _ in range(3)] == [200, 200, 429]
    assert (await two.get("/v1/me")).status_code == 200
    last = await two.get("/v1/me")
    assert (last.status_code, last.json()["code"]) == (429, "too_many_requests")
    assert 1 <= int(last.headers["retry-after"]) <= 60
    assert '"account";r=0' in last.headers["ratelimit"]
    other = await client_of(await new_key("8"))
    assert (await other.get("/v1/me")).status_code == 200


async def test_who_has_no_good_key_is_counted_by_address(client_of: Open, new_key: NewKey) -> None:
    told = [await (await client_of("pk_live_" + "x" * 43)).get("/v1/me") for _ in range(3)]
    assert [answer.status_code for answer in told] == [401, 401, 429]
    good = await client_of(await new_key())  # from the same house
    assert (await good.get("/v1/me")).status_code == 200


async def test_processes_count_together(redis: "Redis", settings: Settings) -> None:
    processes = [Quotas(redis, settings.api) for _ in range(2)]
    passed = [(await processes[turn % 2].spend(key="k"))[0].passed for turn in range(4)]
    assert passed == [True, True, True, False]


@asynccontextmanager
async def frozen() -> AsyncIterator[int]:
    """The port of something that takes a call and never answers."""
    gone = asyncio.Event()

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(hang, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        gone.set()


@asynccontextmanager
async def closed() -> AsyncIterator[int]:
    yield 9


@pytest.mark.parametrize("away", [frozen, closed])
async def test_without_redis_it_is_counted_here_and_soon(away: Away, settings: Settings) -> None:
    async with away() as port:
        redis = Redis(host="127.0.0.1", port=port)
        quotas = Quotas(redis, settings.api)
        async with asyncio.timeout(5):
            passed = [(await quotas.spend(key="k"))[0].passed for _ in range(4)]
        assert passed == [True, True, True, False]
        await redis.aclose()


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::"),
        ("2001:db8:1:2:bbbb::2", "2001:db8:1:2::"),
        ("testclient", "testclient"),
        (None, "unknown"),
    ],
)
def test_an_address_is_a_house(host: str | None, address: str) -> None:
    assert address_of(host) == address


def test_one_waits_for_the_longest() -> None:
    left = [Left("key", 3, 0, 7, False), Left("account", 5, 0, 20, False)]
    assert fields(left)["Retry-After"] == "20"
    assert "Retry-After" not in fields([Left("key", 3, 1, 7, True)])
