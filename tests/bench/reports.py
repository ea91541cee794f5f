"""How long a report takes on a ledger of a million entries, on a Postgres of its own with its defaults."""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from farm.embedded import EmbeddedServers
from migrations.run import upgrade
from shared import ledger
from shared.config import DatabaseSettings
from shared.connections import Database, Session
from shared.reports import closings
from shared.reports.billing import billing
from shared.reports.drift import drift
from shared.reports.sheets import By
from shared.reports.spans import Span, month_of
from shared.reports.usage import usage
from tests.shared.reports.ledgers import fill

JOBS, ACCOUNTS, DAYS = 440_000, 5_000, 360
SINCE = datetime(2025, 12, 1, tzinfo=UTC)
YEAR, MONTH = Span(SINCE, SINCE + timedelta(days=DAYS)), month_of("2026-06")
PATIENCE_MS = 600_000


async def measure(url: str, *, jobs: int) -> None:
    settings = DatabaseSettings(url=SecretStr(url), statement_timeout_ms=PATIENCE_MS)
    database = Database.connect(settings)
    try:
        async with database.begin() as session:
            await fill(session, jobs=jobs, accounts=ACCOUNTS, since=SINCE, days=DAYS)
        await _analyze(url)
        async with database.read() as session:
            entries = (await session.execute(text("select count(*) from ledger"))).scalar_one()
        print(f"{entries:,} entries of {jobs:,} jobs and {ACCOUNTS:,} accounts over {DAYS} days")
        for name, question in QUESTIONS.items():
            await _timed(database, name, question)
        began = perf_counter()
        async with database.begin() as session:
            await closings.close(session, "2026-06", now=datetime(2026, 12, 1, tzinfo=UTC))
        print(f"{'close a month':32} {perf_counter() - began:6.2f} s")
    finally:
        await database.close()


async def _analyze(url: str) -> None:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text("vacuum analyze"))
    await engine.dispose()


async def _timed(
    database: Database, name: str, question: Callable[[Session], Awaitable[Any]]
) -> None:
    """The best of two: the first one warms the cache."""
    took = []
    for _ in range(2):
        async with database.read() as session:
            began = perf_counter()
            await question(session)
            took.append(perf_counter() - began)
    print(f"{name:32} {min(took):6.2f} s   (first {took[0]:.2f} s)")


def _questions() -> dict[str, Callable[[Session], Awaitable[Any]]]:
    found: dict[str, Callable[[Session], Awaitable[Any]]] = {}
    for span, title in ((MONTH, "a month"), (YEAR, "a year")):
        for by in By:
            found[f"usage by {by}, {title}"] = partial(usage, span=span, by=by)
            found[f"billing by {by}, {title}"] = partial(billing, span=span, by=by)
        found[f"drift, {title}"] = partial(drift, span=span)
    return found | {"balances and jobs, all of them": ledger.audit_sums}


QUESTIONS = _questions()


def main() -> None:
    jobs = int(sys.argv[1]) if sys.argv[1:] and sys.argv[1].isdecimal() else JOBS
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedServers(Path(folder), durable=True) as servers,
    ):
        upgrade(servers.database_url)
        asyncio.run(measure(servers.database_url, jobs=jobs))


if __name__ == "__main__":
    main()
