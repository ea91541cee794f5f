"""docker-compose.yml against the Compose schema: no Docker engine is needed to know that it is valid."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"


def schema_check(path: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        str(path),
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(yaml.safe_load(COMPOSE.read_text())["services"])


def test_the_file_follows_the_compose_schema() -> None:
    result = schema_check(COMPOSE)
    assert result.returncode == 0, result.stdout


def test_the_schema_check_can_fail(tmp_path: Path) -> None:
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(COMPOSE.read_text().replace("stop_grace_period: 30s", "stop_grace_perio: 30s"))
    assert schema_check(wrong).returncode != 0


def test_every_part_is_there_and_is_watched(services: dict[str, Any]) -> None:
    assert set(services) == {
        "postgres",
        "redis",
        "minio",
        "keys",
        "migrate",
        "bot",
        "dispatcher",
        "api",
        "worker",
    }
    assert [name for name, service in services.items() if "healthcheck" not in service] == [
        "migrate",
        "keys",
    ]


def test_redis_keeps_what_it_is_told_and_asks_for_a_password(services: dict[str, Any]) -> None:
    command = services["redis"]["command"]
    for promise in ("--appendonly yes", "--maxmemory-policy noeviction", "--requirepass"):
        assert promise in command


def test_only_what_must_be_reached_from_outside_is_published(services: dict[str, Any]) -> None:
    assert {name for name, service in services.items() if "ports" in service} == {"api", "minio"}


def test_the_worker_asks_for_an_nvidia_gpu_and_has_time_to_give_its_jobs_back(
    services: dict[str, Any],
) -> None:
    worker = services["worker"]
    assert worker["deploy"]["resources"]["reservations"]["devices"][0]["driver"] == "nvidia"
    assert worker["stop_grace_period"] == "30s"


def test_data_lives_in_named_volumes(services: dict[str, Any]) -> None:
    for name in ("postgres", "redis", "minio", "worker"):
        assert services[name]["volumes"], name


def test_every_setting_of_the_example_exists() -> None:
    from shared.config import Settings

    names = [
        line.split("=")[0]
        for line in (ROOT / ".env.example").read_text().splitlines()
        if "=" in line
    ]
    for name in (name for name in names if name.startswith("PICTOR_")):
        part, _, field = name.removeprefix("PICTOR_").lower().partition("__")
        model = Settings.model_fields[part].annotation
        assert model is not None
        assert field in model.model_fields, name
