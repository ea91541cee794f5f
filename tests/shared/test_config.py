"""Settings come from the environment by name, nested, checked, frozen, and keep their secrets."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from shared.config import Settings


def read(**options: Any) -> Settings:
    return Settings(**{"_env_file": None, **options})


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("PICTOR_")]:
        monkeypatch.delenv(name)


def test_without_an_environment_everything_has_a_default() -> None:
    settings = read()
    assert settings.database.url is None
    assert settings.discord.api_base == "https://discord.com/api/v10"
    for file in (settings.plans_file, settings.catalog_file, settings.blocklist_file):
        assert file.is_file(), file


def test_the_environment_names_each_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICTOR_DATABASE__URL", "postgresql://db/pictor")
    monkeypatch.setenv("PICTOR_WORKER__DEVICE", "cuda:1")
    monkeypatch.setenv("PICTOR_WORKER__SLOTS", "8")
    monkeypatch.setenv("PICTOR_DISCORD__PLAN_ROLES", '{"Patron": "pro"}')
    settings = read()
    assert settings.database.url is not None
    assert settings.database.url.get_secret_value() == "postgresql://db/pictor"
    assert (settings.worker.device, settings.worker.slots) == ("cuda:1", 8)
    assert settings.discord.plan_roles == {"Patron": "pro"}


def test_a_file_serves_as_environment(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("PICTOR_STORAGE__KIND=s3\nPOSTGRES_PASSWORD=another program's\n")
    assert read(_env_file=file).storage.kind == "s3"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PICTOR_WORKER__SLOTS", "0"),
        ("PICTOR_WORKER__SLOTS", "many"),
        ("PICTOR_STORAGE__KIND", "ftp"),
        ("PICTOR_LOG_LEVEL", "LOUD"),
        ("PICTOR_DATABASE__POOL_SIZE", "-1"),
        ("PICTOR_REDIS__SOCKET_TIMEOUT_S", "0"),
        ("PICTOR_WORKER__SLOTZ", "4"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as error:
        read()
    assert name.lower().removeprefix("pictor_").split("__")[-1] in str(error.value)


def test_settings_are_frozen_and_show_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE__URL", "REDIS__URL", "DISCORD__TOKEN", "STORAGE__SECRET_KEY"):
        monkeypatch.setenv(f"PICTOR_{name}", "canary")
    settings = read()
    assert "canary" not in repr(settings)
    assert "canary" not in settings.model_dump_json()
    with pytest.raises(ValidationError):
        settings.worker.slots = 9
