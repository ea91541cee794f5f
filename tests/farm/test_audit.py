"""`pictor audit`, as an operator runs it."""

import asyncio
import csv
import io
import json
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from typer.testing import CliRunner

from farm.__main__ import app

WRITE = "insert into audit (actor, action, subject) values ('=cmd', 'warn', 'account:1')"
TAMPER = "set session_replication_role = replica"


def execute(url: str, *statements: str) -> None:
    async def work() -> None:
        engine = create_async_engine(url)
        async with engine.begin() as connection:
            for statement in statements:
                await connection.execute(text(statement))
        await engine.dispose()

    asyncio.run(work())


def test_the_book_is_verified_and_exported(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        answer = CliRunner().invoke(app, ["audit", *arguments])
        return answer.exit_code, answer.output

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PICTOR_DATABASE__URL", database_url)
    execute(database_url, WRITE, WRITE, WRITE)
    code, told = run("verify", "--json")
    whole = json.loads(told)
    assert (code, whole["rows"], whole["broken"]) == (0, 3, None)
    assert run("verify", "--head", whole["head"]) == (
        0,
        f"3 rows, all as they were written. Head: {whole['head']}\n",
    )
    assert run("export", "--format", "csv", "-o", "book.csv")[0] == 0
    rows = list(csv.DictReader(io.StringIO((tmp_path / "book.csv").read_text())))
    assert {row["actor"] for row in rows} == {"'=cmd"}
    assert run("export", "--to", "2020-01-01") == (0, "")
    assert run("export", "--from", "soon")[0] == 2
    execute(database_url, TAMPER, "update audit set action = 'ban' where id = 2")
    code, told = run("verify")
    assert code == 1
    assert "Row 2" in told
    assert run("verify", "--head", "0" * 64)[0] == 1


def test_somebody_without_discord_is_exported_and_erased(
    database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        answer = CliRunner().invoke(app, ["privacy", *arguments], input="n\n")
        return answer.exit_code, answer.output

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PICTOR_DATABASE__URL", database_url)
    monkeypatch.setenv("PICTOR_REDIS__URL", redis_url)
    execute(
        database_url,
        "insert into accounts (discord_id, name) values ('774411', 'Zoe')",
        "insert into balances (account_id) select id from accounts",
        "insert into plans_in_force (account_id, plan) select id, 'free' from accounts",
    )
    assert run("export", "774411") == (0, "0 jobs and 0 files in pictor-export.zip.\n")
    assert (tmp_path / "pictor-export.zip").read_bytes()[:2] == b"PK"
    assert run("delete", "774411")[0] == 1  # asked, and answered no
    assert run("delete", "774411", "--yes")[0] == 0
    assert run("delete", "774411", "--yes") == (2, "This person has never used Pictor.\n")
