"""Embedded servers are real, start fast, and end with their owner however it ends."""

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from farm.embedded import (
    EmbeddedServers,
    postgres_server,
    redis_server,
    start_postgres,
    start_redis,
    stop_postgres,
    stop_redis,
)
from shared.errors import Fault

OWNER = """
import sys, time
from pathlib import Path
from farm.embedded import EmbeddedServers
servers = EmbeddedServers(Path(sys.argv[1]), durable=False)
print(servers.postgres.pid, servers.redis.pid, servers.postgres.guardian.pid,
      servers.redis_url.removeprefix("unix://"), flush=True)
time.sleep(60)
"""


def wait_until(true: Callable[[], bool], *, within_s: float = 15.0) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Ended, or a zombie that nobody has collected yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def ask(url: str, query: str) -> object:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        answer = await connection.execute(text(query))
        value: object = answer.scalar() if answer.returns_rows else None
    await engine.dispose()
    return value


async def test_they_answer_and_keep_what_they_should(fast_path: Path) -> None:
    with EmbeddedServers(fast_path) as servers:
        assert await ask(servers.database_url, "select current_user") == "postgres"
        assert await ask(servers.database_url, "show listen_addresses") == ""
        await ask(servers.database_url, "create table kept (id int)")
        with redis.Redis.from_url(servers.redis_url) as client:
            client.set("gone", 1)
            assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
            assert client.config_get("appendonly")["appendonly"] == "no"
    assert is_gone(servers.postgres.pid)
    assert is_gone(servers.redis.pid)
    with EmbeddedServers(fast_path) as again:
        assert await ask(again.database_url, "select count(*) from kept") == 0
        with redis.Redis.from_url(again.redis_url) as client:
            assert client.get("gone") is None


def test_a_deep_folder_serves_as_well_as_a_short_one(fast_path: Path) -> None:
    """A socket's path may hold 107 bytes; a home may be deeper, and closed to other users."""
    deep = fast_path / ("a" * 90) / ("b" * 90)
    deep.mkdir(parents=True)
    (fast_path / ("a" * 90)).chmod(0o700)
    with EmbeddedServers(deep, durable=False) as servers:
        socket = Path(servers.redis_url.removeprefix("unix://"))
        assert len(str(socket)) < 100
        assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    assert not socket.parent.exists()
    assert stat.S_IMODE((fast_path / ("a" * 90)).stat().st_mode) == 0o700


def test_a_second_start_on_the_same_folder_says_so(fast_path: Path) -> None:
    server = postgres_server(fast_path / "postgres")
    with pytest.raises(Fault) as fault:
        postgres_server(fast_path / "postgres")
    assert fault.value.code == "already_running"
    assert str(fast_path) in fault.value.sentence
    server.stop()
    server.stop()
    postgres_server(fast_path / "postgres").stop()


def test_a_server_that_cannot_start_shows_its_log(fast_path: Path) -> None:
    data = fast_path / "postgres"
    data.mkdir()
    (data / "PG_VERSION").write_text("9\n")
    with pytest.raises(Fault, match="Postgres did not start") as fault:
        postgres_server(data)
    assert fault.value.code == "not_started"


def test_no_program_is_a_fault_that_names_the_way_out(
    fast_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm.embedded._package_folder", lambda name: None)
    monkeypatch.setenv("PATH", str(fast_path))
    with pytest.raises(Fault, match=r"pictor\[demo\].*PICTOR_DATABASE__URL"):
        postgres_server(fast_path / "postgres")
    with pytest.raises(Fault, match=r"pictor\[demo\].*PICTOR_REDIS__URL"):
        redis_server(fast_path / "redis")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_server_outlives_its_owner(fast_path: Path, number: signal.Signals) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(fast_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert owner.stdout is not None
    *numbers, socket = owner.stdout.readline().split()
    pids = [int(number) for number in numbers]
    assert not any(is_gone(pid) for pid in pids)
    owner.send_signal(number)
    owner.wait()
    owner.stdout.close()
    wait_until(lambda: all(is_gone(pid) for pid in pids))
    wait_until(lambda: not Path(socket).parent.exists())


def test_no_server_outlives_its_guardian(fast_path: Path) -> None:
    server = redis_server(fast_path / "redis")
    server.guardian.kill()
    wait_until(lambda: is_gone(server.pid))
    server.stop()


def test_a_frozen_server_stops_too(fast_path: Path) -> None:
    server = redis_server(fast_path / "redis")
    os.kill(server.pid, signal.SIGSTOP)
    began = time.monotonic()
    server.stop()
    assert time.monotonic() - began < 5
    assert is_gone(server.pid)


def test_what_was_started_by_folder_stops_by_folder(fast_path: Path) -> None:
    assert start_postgres(fast_path / "postgres", durable=False).startswith("postgresql+asyncpg://")
    assert start_redis(fast_path / "redis").startswith("unix://")
    stop_redis(fast_path / "redis")
    stop_postgres(fast_path / "postgres")
    stop_postgres(fast_path / "postgres")
