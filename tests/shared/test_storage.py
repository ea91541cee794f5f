"""One contract for every store: the same tests on a folder and on a server that speaks S3."""

import asyncio
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from shared.config import StorageSettings
from shared.errors import Fault
from shared.storage import LocalStore, ObjectStore, S3Store, Stored, open_store

KEY = "0198c/1/ab12-grid.webp"
BAD_KEYS = (
    "",
    "/etc/passwd",
    "../up.png",
    "a/../../up.png",
    "a/./b",
    "a//b",
    "a/",
    ".hidden",
    "a/.tmp",
    "a\\b",
    "a b",
    "a\x00b",
    "ä.png",
    "a\n",
    "%2e%2e/up",
    "x" * 600,
)


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def s3_settings(endpoint: str, bucket: str) -> StorageSettings:
    return StorageSettings(
        kind="s3",
        bucket=bucket,
        endpoint_url=endpoint,
        access_key=SecretStr("someone"),
        secret_key=SecretStr("something"),
        public_url="https://cdn.example.org/pictures/",
    )


def make_bucket(endpoint: str, bucket: str) -> Any:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="someone",
        aws_secret_access_key="something",
    )
    client.create_bucket(Bucket=bucket)
    return client


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "local":
        return LocalStore(tmp_path / "assets", "https://cdn.example.org/pictures/")
    endpoint = request.getfixturevalue("s3_server")
    bucket = f"bucket-{abs(hash(request.node.name)) % 10**9}"
    make_bucket(endpoint, bucket)
    return S3Store(s3_settings(endpoint, bucket))


async def test_what_is_put_is_got(store: ObjectStore) -> None:
    data = os.urandom(100_000)
    assert not await store.exists(KEY)
    await store.put(KEY, data, mime="image/webp")
    assert await store.exists(KEY)
    assert await store.get(KEY) == data


async def test_a_key_is_written_once(store: ObjectStore) -> None:
    await store.put(KEY, b"first", mime="image/webp")
    with pytest.raises(Fault) as fault:
        await store.put(KEY, b"second", mime="image/webp")
    assert (fault.value.code, fault.value.retryable) == ("asset_exists", False)
    assert await store.get(KEY) == b"first"


async def test_of_many_at_once_one_writes(store: ObjectStore) -> None:
    puts = [store.put(KEY, bytes([number]) * 1000, mime="image/webp") for number in range(8)]
    faults = await asyncio.gather(*puts, return_exceptions=True)
    assert faults.count(None) == 1
    data = await store.get(KEY)
    assert data == data[:1] * 1000


async def test_what_is_not_there_is_missing(store: ObjectStore) -> None:
    with pytest.raises(Fault) as fault:
        await store.get(KEY)
    assert (fault.value.code, fault.value.retryable) == ("asset_missing", False)
    await store.delete(KEY)
    await store.put(KEY, b"data", mime="image/webp")
    await store.delete(KEY)
    assert not await store.exists(KEY)


@pytest.mark.parametrize("key", BAD_KEYS)
async def test_no_key_leads_elsewhere(store: ObjectStore, key: str) -> None:
    for refused in (
        lambda: store.put(key, b"x", mime="image/png"),
        lambda: store.get(key),
        lambda: store.delete(key),
        lambda: store.exists(key),
    ):
        with pytest.raises(Fault) as fault:
            await refused()
        assert fault.value.code == "asset_key"
    with pytest.raises(Fault):
        store.url(key)


async def test_a_url_is_the_public_one(store: ObjectStore) -> None:
    assert store.url(KEY) == f"https://cdn.example.org/pictures/{KEY}"


async def test_a_ping_is_answered_and_leaves_nothing(store: ObjectStore, tmp_path: Path) -> None:
    await store.ping()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


async def listed(store: ObjectStore) -> list[Stored]:
    return [one async for page in store.list() for one in page]


async def test_everything_that_lies_here_is_listed_by_the_page(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.storage.PAGE", 3)
    assert await listed(store) == []
    keys = {f"job-{number % 3}/1/{number}.png" for number in range(8)} | {"top.txt"}
    for key in keys:
        await store.put(key, b"x", mime="image/png")
    pages = [page async for page in store.list()]
    assert [len(page) for page in pages] == [3, 3, 3]
    assert sorted(one.key for page in pages for one in page) == sorted(keys)


async def test_a_files_age_is_told(store: ObjectStore) -> None:
    await store.put(KEY, b"x", mime="image/png")
    await asyncio.sleep(1.1)
    assert [0.05 < one.age_s < 60 for one in await listed(store)] == [True]


async def test_what_is_deleted_while_we_list_is_no_trouble(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.storage.PAGE", 1)
    for number in range(4):
        await store.put(f"job/1/{number}.png", b"x", mime="image/png")
    seen = 0
    async for page in store.list():
        seen += len(page)
        for number in range(4):
            await store.delete(f"job/1/{number}.png")
    assert 1 <= seen <= 4


async def test_a_put_that_was_killed_leaves_nothing_for_long(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, "http://x")
    await store.put(KEY, b"x", mime="image/png")
    killed, busy = [(tmp_path / KEY).with_name(f".{name}.tmp") for name in ("dead", "busy")]
    for draft in (killed, busy):
        draft.write_bytes(b"half of a pic")
    os.utime(killed, (1e9, 1e9))
    assert [one.key for one in await listed(store)] == [KEY]
    assert await store.tidy() == 1
    assert (killed.exists(), busy.exists(), await store.exists(KEY)) == (False, True, True)


async def test_a_store_that_is_away_cannot_be_listed(tmp_path: Path, s3_server: str) -> None:
    for away in ("http://127.0.0.1:9", s3_server):
        with pytest.raises(Fault) as fault:
            await listed(S3Store(s3_settings(away, "no-such-bucket")))
        assert fault.value.code == "storage_down"
    assert await listed(LocalStore(tmp_path / "not-yet", "http://x")) == []


async def test_s3_is_told_what_browsers_need(s3_server: str) -> None:
    client = make_bucket(s3_server, "headers")
    await S3Store(s3_settings(s3_server, "headers")).put(KEY, b"x", mime="image/webp")
    head = client.head_object(Bucket="headers", Key=KEY)
    assert head["ContentType"] == "image/webp"
    assert "immutable" in head["CacheControl"]


async def test_a_store_that_is_away_is_down(
    tmp_path: Path, s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("a file where the folder should be")
    away = (
        LocalStore(blocked / "assets", "http://x"),
        S3Store(s3_settings("http://127.0.0.1:9", "pictor")),
        S3Store(s3_settings(s3_server, "no-such-bucket")),
    )
    for store in away:
        asked = (store.put(KEY, b"x", mime="image/png"), store.ping())
        for fault in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(fault, Fault)
            assert (fault.code, fault.retryable) == ("storage_down", True)
            assert "Nothing was charged" in fault.sentence


async def test_a_full_disk_leaves_no_half_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(tmp_path, "http://x")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shared.storage.os.fsync", full)
    with pytest.raises(Fault) as fault:
        await store.put(KEY, b"x" * 1000, mime="image/png")
    assert fault.value.code == "storage_down"
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_settings_choose_the_store(tmp_path: Path) -> None:
    local = open_store(StorageSettings(folder=tmp_path))
    assert isinstance(local, LocalStore)
    assert local.path(KEY) == tmp_path / KEY
    assert isinstance(open_store(s3_settings("http://127.0.0.1:9", "x")), S3Store)


async def test_a_store_that_never_answers_is_down_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.storage.READ_TIMEOUT_S", 1)
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes connections and says nothing
        store = S3Store(s3_settings(f"http://127.0.0.1:{deaf.getsockname()[1]}", "pictor"))
        began = time.monotonic()
        with pytest.raises(Fault, match="cannot be reached"):
            await store.get(KEY)
    assert time.monotonic() - began < 1.9, "it is asked once: whoever needs it asks again"


async def test_a_disk_that_hangs_is_down_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.storage.CALL_WITHIN_S", 0.2)
    monkeypatch.setattr("shared.storage.os.fsync", lambda _: time.sleep(1.0))
    began = time.monotonic()
    with pytest.raises(Fault, match="cannot be reached"):
        await LocalStore(tmp_path, "http://x").put(KEY, b"x", mime="image/png")
    assert time.monotonic() - began < 0.9
