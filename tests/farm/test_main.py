"""The command as a newcomer meets it."""

import subprocess
import sys

import pytest

HEAVY = (
    "torch",
    "diffusers",
    "sqlalchemy",
    "redis",
    "arq",
    "boto3",
    "fastapi",
    "discord",
    "PIL",
    "matplotlib",
    "rich.table",
    "farm.scheduler",
)


def pictor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    import os

    command = [sys.executable, "-m", "farm", *arguments]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PICTOR_")}
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env=clean | environment, timeout=60
    )


def test_help_lists_every_command_and_the_exit_codes() -> None:
    answer = pictor("--help")
    assert answer.returncode == 0
    for command in (
        "demo",
        "bot",
        "dispatch",
        "work",
        "api",
        "imagine",
        "queue",
        "migrate",
        "doctor",
        "audit",
        "privacy",
    ):
        assert f" {command} " in answer.stdout
    assert "Exit codes" in answer.stdout


def test_help_is_instant_because_nothing_heavy_is_imported() -> None:
    script = f"import farm.__main__, sys; print([name for name in {HEAVY} if name in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "value"), [("PICTOR_WORKER__SLOTS", "none"), ("PICTOR_STORAGE__KIND", "tape")]
)
def test_a_wrong_setting_is_named(name: str, value: str) -> None:
    answer = pictor("doctor", **{name: value})
    assert answer.returncode == 2
    assert name in answer.stderr


def test_migrate_without_a_database_says_what_to_set() -> None:
    answer = pictor("migrate")
    assert answer.returncode == 3
    assert "PICTOR_DATABASE__URL" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_imagine_refuses_an_output_it_cannot_write_before_it_starts_anything() -> None:
    answer = pictor("imagine", "a red house", "--output", "house.gif")
    assert answer.returncode == 2
    assert ".webp or .png" in answer.stderr
