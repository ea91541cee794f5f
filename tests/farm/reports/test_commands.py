"""`pictor report`, as an operator types it: files, exit codes, sentences."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from typer.testing import CliRunner

from farm.reports import commands
from farm.reports.commands import _close, _page, _reconcile, _sheet, app
from farm.reports.reading import Stretch
from farm.reports.writing import Format
from shared.config import DatabaseSettings, Settings
from shared.connections import Database
from shared.errors import Fault, Refusal
from shared.reports.sheets import By
from tests.shared.reports.ledgers import fill

OCTOBER = Stretch("2026-10-01", "2026-11-01")


@pytest.fixture
async def books(database: Database) -> Database:
    async with database.begin() as session:
        await fill(session, jobs=60, accounts=4, since=datetime(2026, 10, 1, tzinfo=UTC), days=31)
    return database


async def test_a_report_a_page_a_close_and_a_check(
    books: Database, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: dict[str, Any] = {"form": Format.JSON, "output": tmp_path / "x.json"}
    for name, by in (("usage", By.MODEL), ("billing", By.USER), ("revenue", By.PLAN)):
        await _sheet(settings, name, OCTOBER, by=by, **told)
        assert json.loads((tmp_path / "x.json").read_text())["report"] == name
    await _page(settings, OCTOBER, tmp_path / "page.html")
    assert "The books agree" in (tmp_path / "page.html").read_text()
    await _close(settings, "2026-10")
    await _close(settings, "2026-10")
    closed = [line for line in capsys.readouterr().out.splitlines() if "is closed" in line]
    assert len(closed) == 2
    assert closed[0] == closed[1]
    assert await _reconcile(settings, OCTOBER, form=Format.TABLE, output=None) == 0
    assert "everything agrees" in capsys.readouterr().out


async def test_drift_is_an_error_that_names_the_job(
    books: Database, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    await _close(settings, "2026-10")
    async with books.begin() as session:
        await session.execute(text("set local session_replication_role = replica"))
        query = """update jobs set gpu_ms = 2 * gpu_ms + 9 where id = (select job_id from ledger
            where kind = 'settle' and amount_ms > 0 order by id limit 1) returning id"""
        job = (await session.execute(text(query))).scalar_one()
        await session.execute(text("update balances set available_ms = available_ms + 1"))
    for form in Format:
        assert await _reconcile(settings, OCTOBER, form=form, output=None) == 3
        shown = capsys.readouterr()
        assert f"drift: job {job}" in shown.err
        assert "books: account" in shown.err
        assert "months: month 2026-10 was closed and has changed since: gpu_ms" in shown.err
        assert form is Format.TABLE or str(job) in shown.out
    with pytest.raises(Fault, match="has changed since"):
        await _close(settings, "2026-10")


def test_the_command_refuses_in_words_and_exits_with_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the database is asked for anything but the time."""

    class Clock:
        async def now(self) -> datetime:
            return datetime(2026, 11, 2, tzinfo=UTC)

        async def close(self) -> None: ...

    nowhere = Settings(database=DatabaseSettings(url=SecretStr("postgresql://x/y")))
    monkeypatch.setattr(commands, "read_settings", lambda: nowhere)
    monkeypatch.setattr(Database, "connect", lambda _: Clock())
    for words, sentence in (
        ("usage --from noon", "--from 'noon' is no moment. Write 2026-11-30"),
        ("billing --from 2026-11-02 --to 2026-11-01", "--from (2026-11-02) must be before --to"),
        ("reconcile --to 2026-13-01", "--to '2026-13-01' is no moment"),
    ):
        shown = CliRunner().invoke(app, words.split())
        assert (shown.exit_code, sentence in shown.output) == (2, True), shown.output
    shown = CliRunner().invoke(app, ["usage", "--by", "colour"])
    assert shown.exit_code == 2


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(Refusal, match="cannot be written"),
        commands.written_to(tmp_path / "no" / "x"),
    ):
        pass
