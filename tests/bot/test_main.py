"""`python -m bot` as a process: its words, its exit codes, its size."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from bot.__main__ import main, serve
from bot.emulator.client import LocalDiscord
from shared.config import ROOT, DiscordSettings, Settings

MEMORY_LIMIT_MB = 200
Process = asyncio.subprocess.Process


@pytest.fixture
def environment(database_url: str, redis_url: str, local: LocalDiscord) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PICTOR_")}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "PICTOR_DATABASE__URL": database_url,
        "PICTOR_REDIS__URL": redis_url,
        "PICTOR_DISCORD__TOKEN": local.token,
        "PICTOR_DISCORD__API_BASE": local.api,
        "PICTOR_DISCORD__GATEWAY_URL": local.gateway,
    }


@asynccontextmanager
async def started(environment: dict[str, str], folder: Path) -> AsyncIterator[Process]:
    pipe = asyncio.subprocess.PIPE
    # An empty folder: no .env of this machine has a say.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", env=environment, cwd=folder, stdout=pipe, stderr=pipe
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def ended(process: Process, seconds: float = 20) -> tuple[int | None, str]:
    said, errors = await asyncio.wait_for(process.communicate(), seconds)
    return process.returncode, (said + errors).decode()


REFUSED = [
    pytest.param({"token": None}, "PICTOR_DISCORD__TOKEN is not set", 2, id="no token"),
    pytest.param({"token": SecretStr("x.y.z")}, "does not accept", 2, id="wrong token"),
    pytest.param({}, "99 of 99 logins are left", 3, id="logins spent"),
]


@pytest.mark.parametrize(("changes", "sentence", "code"), REFUSED)
async def test_a_start_that_cannot_be_ends_in_a_sentence(
    settings: Settings,
    pointed: DiscordSettings,
    local: LocalDiscord,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, SecretStr | None],
    sentence: str,
    code: int,
) -> None:
    await local.bend(identify_total=99)
    known = {"token": SecretStr(local.token)} | changes
    discord = pointed.model_copy(update=known)
    assert await serve(settings.model_copy(update={"discord": discord})) == code
    assert sentence in capsys.readouterr().err


WRONG = [
    pytest.param({"PICTOR_LOG_LEVEL": "LOUD"}, "log_level", id="level"),
    pytest.param({"PICTOR_DISCORD__TOKEN": "x"}, "PICTOR_DATABASE__URL", id="no database"),
]


@pytest.mark.parametrize(("environment", "sentence"), WRONG)
def test_wrong_settings_end_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    environment: dict[str, str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bot.__main__.configure_logging", lambda level: None)
    monkeypatch.delenv("PICTOR_DATABASE__URL", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main() == 2
    assert sentence in capsys.readouterr().err


async def test_it_runs_small_and_stops_when_told(
    environment: dict[str, str], tmp_path: Path, local: LocalDiscord
) -> None:
    async with started(environment, tmp_path) as process:
        await local.wait_bot(timeout=30)
        await asyncio.sleep(1)
        used = psutil.Process(process.pid).memory_info().rss / 2**20
        process.send_signal(signal.SIGTERM)
        code, said = await ended(process, 10)
    assert code == 0, said
    assert used < MEMORY_LIMIT_MB
    assert "Traceback" not in said
    assert local.token not in said


async def test_it_waits_for_a_discord_that_is_away(
    environment: dict[str, str], tmp_path: Path
) -> None:
    away = environment | {"PICTOR_DISCORD__API_BASE": "http://127.0.0.1:1/api/v10"}
    async with started(away, tmp_path) as process:
        assert process.stderr
        line = await asyncio.wait_for(read_until(process, "cannot be reached"), 20)
        assert "again in 5 s" in line
        process.send_signal(signal.SIGTERM)
        code, said = await ended(process, 10)
    assert code == 0, said


async def read_until(process: Process, words: str) -> str:
    assert process.stderr
    while words not in (line := (await process.stderr.readline()).decode()):
        assert line, "the process ended without the words"
    return line
