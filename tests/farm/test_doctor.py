"""Each check says yes on a healthy stack, and no with a remedy when its part is broken."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.emulator.client import LocalDiscord
from farm.doctor import CHECKS, Check, _checked, examine
from migrations.run import downgrade
from shared.config import (
    ApiSettings,
    DatabaseSettings,
    DiscordSettings,
    RedisSettings,
    Settings,
    StorageSettings,
    WorkerSettings,
)
from shared.errors import Fault
from tests.farm.safety import tiny


@pytest.fixture
async def discord() -> AsyncIterator[LocalDiscord]:
    async with LocalDiscord.start() as local:
        yield local


def with_discord(settings: Settings, discord: LocalDiscord, token: str) -> Settings:
    part = DiscordSettings(token=SecretStr(token), api_base=discord.api)
    return settings.model_copy(update={"discord": part})


async def check(name: str, settings: Settings) -> Check:
    return await _checked(name, settings)


async def test_a_healthy_stack_passes_every_check(
    settings: Settings, discord: LocalDiscord, capsys: pytest.CaptureFixture[str]
) -> None:
    healthy = with_discord(settings, discord, discord.token)
    assert await examine(healthy, only=(), quiet=False, as_json=False) == 0
    said = capsys.readouterr().out
    assert "fail" not in said
    for name in CHECKS:
        assert name in said


async def test_quiet_says_nothing_when_all_is_well(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await examine(settings, only=("postgres", "redis"), quiet=True, as_json=False) == 0
    assert capsys.readouterr().out == ""


async def test_postgres_that_is_not_there(settings: Settings) -> None:
    away = DatabaseSettings(url=SecretStr("postgresql+asyncpg://nobody@127.0.0.1:9/none"))
    found = await check("postgres", settings.model_copy(update={"database": away}))
    assert not found.ok
    assert "PICTOR_DATABASE__URL" in found.fix


async def test_an_old_schema_is_told_to_migrate(settings: Settings, database_url: str) -> None:
    import asyncio

    await asyncio.to_thread(downgrade, database_url, "base")
    found = await check("postgres", settings)
    assert not found.ok
    assert "pictor migrate" in found.fix


async def test_redis_that_is_not_there(settings: Settings) -> None:
    away = RedisSettings(url=SecretStr("redis://127.0.0.1:9/0"), socket_timeout_s=0.5)
    found = await check("redis", settings.model_copy(update={"redis": away}))
    assert not found.ok
    assert "PICTOR_REDIS__URL" in found.fix


async def test_a_redis_that_evicts_is_refused(settings: Settings) -> None:
    from shared.connections import connect_redis

    redis = connect_redis(settings.redis)
    await redis.config_set("maxmemory-policy", "volatile-lru")
    try:
        found = await check("redis", settings)
    finally:
        await redis.config_set("maxmemory-policy", "noeviction")
        await redis.aclose()
    assert not found.ok
    assert "noeviction" in found.fix


async def test_a_store_that_cannot_be_written(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    broken = settings.model_copy(update={"storage": StorageSettings(folder=tmp_path / "file")})
    found = await check("storage", broken)
    assert not found.ok
    assert "PICTOR_STORAGE__" in found.fix


async def test_a_token_that_discord_does_not_know(
    settings: Settings, discord: LocalDiscord
) -> None:
    found = await check("discord", with_discord(settings, discord, "wrong"))
    assert not found.ok
    assert "401" in found.words
    assert "PICTOR_DISCORD__TOKEN" in found.fix


async def test_a_gpu_that_is_not_there(settings: Settings) -> None:
    absent = settings.model_copy(update={"worker": WorkerSettings(device="cuda:63")})
    found = await check("gpu", absent)
    assert not found.ok
    assert "PICTOR_WORKER__DEVICE" in found.fix


async def test_a_changed_model_file(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "manifest.json").write_text('{"unet.safetensors": "00"}')
    catalog = tmp_path / "catalog.toml"
    shipped = settings.catalog_file.read_text()
    catalog.write_text(shipped.replace("farm/postcards/weights/base", str(folder)))
    found = await check("models", settings.model_copy(update={"catalog_file": catalog}))
    assert not found.ok
    assert str(folder) in found.words


async def test_the_clock_is_compared_with_the_database(settings: Settings) -> None:
    found = await check("clock", settings)
    assert found.ok
    assert "ms of Postgres" in found.words


async def test_an_unknown_check_is_named(settings: Settings) -> None:
    with pytest.raises(Fault, match="moon"):
        await examine(settings, only=("moon",), quiet=True, as_json=False)


async def test_an_example_s_password_is_refused(settings: Settings) -> None:
    example = RedisSettings(url=SecretStr("redis://:change-me@redis:6379/0"))
    found = await check("secrets", settings.model_copy(update={"redis": example}))
    assert not found.ok
    assert "PICTOR_REDIS__URL" in found.words
    assert "change-me" not in found.words


async def test_a_category_that_no_detector_looks_for_is_named(
    settings: Settings, tmp_path: Path
) -> None:
    shipped = settings.catalog_file.read_text()
    catalog, declared = tmp_path / "catalog.toml", tmp_path / "detectors.toml"
    catalog.write_text(shipped.replace('detectors = ["world"]', 'detectors = ["red", "rde"]'))
    manifest = tiny.redness(tmp_path)
    declared.write_text(f'[detectors.red]\nkind = "onnx"\nmanifest = "{manifest}"\n')
    worker = settings.worker.model_copy(update={"detectors": declared})
    lacking = settings.model_copy(update={"catalog_file": catalog, "worker": worker})
    found = await check("detectors", lacking)
    assert not found.ok
    assert found.words == (
        "postcards has none for adversarial, hate, illegal, minor, public_figure, self_harm, 'rde'"
    )
    (tmp_path / "redness.onnx").write_bytes(b"")
    assert "SHA-256" in (await check("detectors", lacking)).words


async def test_who_has_no_pepper_is_told_that_nobody_has_a_key(settings: Settings) -> None:
    assert "PICTOR_API__PEPPER" in (await check("api", settings)).words
    pepper = {"pepper": "thirty-two characters at the least"}
    peppered = settings.model_copy(update={"api": ApiSettings.model_validate(pepper)})
    assert "PICTOR_API__PEPPER" not in (await check("api", peppered)).words
