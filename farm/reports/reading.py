"""The database as a report reads it: one connection, one moment, and patience."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from shared import ledger
from shared.config import Settings
from shared.connections import Database, Session
from shared.plans import PlanBook, read_plans
from shared.reports import closings
from shared.reports.billing import billing
from shared.reports.drift import Drift, drift
from shared.reports.revenue import revenue
from shared.reports.sheets import By, Sheet
from shared.reports.spans import Span, span_of
from shared.reports.usage import usage

PATIENCE_MS = 300_000  # a year of a busy farm is millions of rows


@dataclass(frozen=True, slots=True)
class Stretch:
    """What --from and --to say; they are understood by the database's clock."""

    since: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """`books` are accounts and jobs that disagree with their entries, of all time."""

    span: Span
    drift: Drift
    books: tuple[str, ...]
    months: tuple[str, ...]

    @property
    def lines(self) -> list[tuple[str, str]]:
        """By check, one line for each thing that is wrong."""
        wrong = list(self.drift.wrong)
        if not self.drift.agrees and not wrong:
            off = self.drift.settled_ms - self.drift.measured_ms
            wrong = [f"all jobs together are {off} ms off, more than 0.1 percent"]
        checks = (("drift", wrong), ("books", self.books), ("months", self.months))
        return [(check, line) for check, lines in checks for line in lines]


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    changes = {"statement_timeout_ms": PATIENCE_MS, "pool_size": 1}
    database = Database.connect(settings.database.model_copy(update=changes))
    try:
        yield database
    finally:
        await database.close()


async def read_sheet(settings: Settings, name: str, stretch: Stretch, by: By) -> Sheet:
    async with opened(settings) as database:
        now = await database.now()
        span = span_of(stretch.since, stretch.until, now=now)
        async with database.read() as session:
            match name:
                case "usage":
                    return await usage(session, span, by)
                case "billing":
                    return await billing(session, span, by)
            return await revenue(session, span, by, read_plans(settings.plans_file).skus, now=now)


async def read_all(settings: Settings, stretch: Stretch) -> tuple[list[Sheet], Findings]:
    """Every sheet of one moment, and whether the books agree."""
    book = read_plans(settings.plans_file)
    async with opened(settings) as database:
        now = await database.now()
        span = span_of(stretch.since, stretch.until, now=now)
        async with database.read() as session:
            sheets = [await report(session, span, by) for report in (usage, billing) for by in By]
            sheets += await _sold(session, span, book, now=now)
            return sheets, await findings(session, span)


async def read_findings(settings: Settings, stretch: Stretch) -> Findings:
    async with opened(settings) as database:
        span = span_of(stretch.since, stretch.until, now=await database.now())
        async with database.read() as session:
            return await findings(session, span)


async def findings(session: Session, span: Span) -> Findings:
    books = await ledger.audit_sums(session)
    months = await closings.changed(session)
    return Findings(span, await drift(session, span), tuple(books), tuple(months))


async def close_month(settings: Settings, month: str) -> closings.Closing:
    async with opened(settings) as database:
        now = await database.now()
        async with database.begin() as session:
            return await closings.close(session, month, now=now)


async def _sold(session: Session, span: Span, book: PlanBook, *, now: datetime) -> list[Sheet]:
    ways = (By.DAY, By.USER, By.GUILD, By.PLAN)
    return [await revenue(session, span, by, book.skus, now=now) for by in ways]
