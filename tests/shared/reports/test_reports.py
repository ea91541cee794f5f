"""Reports say what the ledger says, whatever they are told by; what disagrees is found and named."""

from datetime import UTC, datetime, timedelta
from random import Random
from uuid import uuid4

import pytest
from sqlalchemy import text

from shared import ledger
from shared.connections import Database
from shared.errors import Fault, Refusal
from shared.moderation.pseudonyms import of_nobody
from shared.reports import billing, closings
from shared.reports.drift import Drift, drift
from shared.reports.sheets import By
from shared.reports.spans import Span, month_of
from shared.reports.usage import usage
from tests.shared.reports.ledgers import fill

FIRST = datetime(2026, 10, 20, tzinfo=UTC)
ALL = Span(FIRST, FIRST + timedelta(days=40))
OCTOBER, NOVEMBER = month_of("2026-10"), month_of("2026-11")
LATER = datetime(2026, 12, 1, 1, tzinfo=UTC)


@pytest.fixture
async def books(database: Database) -> Database:
    async with database.begin() as session:
        await fill(session, jobs=400, accounts=12, since=FIRST, days=40, seed=7)
    return database


async def test_the_books_that_are_reported_are_sound(books: Database) -> None:
    async with books.read() as session:
        assert await ledger.audit_sums(session) == []


async def test_totals_are_the_ledgers_whatever_they_are_told_by(books: Database) -> None:
    """Of the whole, of each month, and of any stretch in between."""
    random = Random(11)
    spans = [ALL, OCTOBER, NOVEMBER]
    for _ in range(3):
        begin = FIRST + timedelta(seconds=random.randrange(40 * 86_400))
        spans.append(Span(begin, begin + timedelta(seconds=random.randrange(1, 10 * 86_400))))
    async with books.read() as session:
        for span in spans:
            sums = await billing.sums(session, span)
            for by in By:
                told = await billing.billing(session, span, by)
                assert dict(zip(told.names, told.totals, strict=True)) == sums, (span, by)
                drawn = await usage(session, span, by)
                assert drawn.total("charged_ms") == sums["settled_ms"]
                ended = [drawn.total(name) for name in drawn.names[1:5]]
                assert drawn.total("jobs") == sum(ended)
                assert len({row.key for row in told.rows}) == len(told.rows)


async def test_months_side_by_side_share_nothing_and_leave_nothing_out(books: Database) -> None:
    async with books.read() as session:
        whole = await billing.sums(session, Span(OCTOBER.since, NOVEMBER.until))
        parts = [await billing.sums(session, month) for month in (OCTOBER, NOVEMBER)]
    assert whole == {name: parts[0][name] + parts[1][name] for name in whole}
    assert all(parts[0].values())


async def test_a_server_is_told_of_its_own_alone(books: Database) -> None:
    async with books.read() as session:
        every = await usage(session, ALL, By.GUILD)
        one = await usage(session, ALL, By.USER, guild_id="100")
        bill = await billing.billing(session, ALL, By.DAY, guild_id="100")
        nobody = await usage(session, ALL, By.PLAN, guild_id="999")
    (own,) = [row for row in every.rows if row.key == "100"]
    assert one.totals == own.values
    assert bill.total("settled_ms") == one.total("charged_ms")
    assert bill.total("granted_ms") == 0
    assert nobody.rows == ()


async def test_who_had_themselves_erased_is_a_number_that_leads_nowhere(books: Database) -> None:
    gone = uuid4()
    async with books.begin() as session:
        named = {"id": of_nobody(gone)}
        statement = "update accounts set discord_id = :id, name = 'erased' where name = 'person 3'"
        await session.execute(text(statement), named)
    async with books.read() as session:
        told = await billing.billing(session, ALL, By.USER)
    labels = {row.label for row in told.rows}
    assert f"erased {str(gone)[:8]}" in labels
    assert "person 3" not in labels
    assert len(told.rows) == 12


async def tamper(books: Database, statement: str) -> None:
    """As only a bug, or a hand in the database, could."""
    async with books.begin() as session:
        await session.execute(text("set local session_replication_role = replica"))
        await session.execute(text(statement))


async def test_what_was_settled_is_what_was_measured(books: Database) -> None:
    async with books.read() as session:
        found = await drift(session, ALL)
    assert found.agrees
    assert found.wrong == ()
    assert found.settled_ms == found.measured_ms > 0
    assert found.capped_ms > 0, "some took longer than their hold, and that was given away"


TAMPERED = {
    "a charge that is too high": """update ledger set amount_ms = amount_ms + 30 + amount_ms / 100
        where id = (select min(id) from ledger where kind = 'settle' and amount_ms > 0)""",
    "a job that was measured anew": """update jobs set gpu_ms = gpu_ms / 2 where id =
        (select job_id from ledger where kind = 'settle' and amount_ms > 0 limit 1)""",
    "a job that nobody measured": """update jobs set gpu_ms = null where id =
        (select job_id from ledger where kind = 'settle' and amount_ms > 0 limit 1)""",
    "a job whose row says another charge": """update jobs set charged_ms = charged_ms + 1 where id =
        (select job_id from ledger where kind = 'settle' and amount_ms > 0 limit 1)""",
    "a hold that is gone": """delete from ledger where kind = 'hold' and job_id =
        (select job_id from ledger where kind = 'settle' and amount_ms > 0 limit 1)""",
}


@pytest.mark.parametrize("what", TAMPERED)
async def test_one_job_that_drifts_is_named(books: Database, what: str) -> None:
    await tamper(books, TAMPERED[what])
    async with books.read() as session:
        found = await drift(session, ALL)
    assert not found.agrees
    assert found.wrong_count == len(found.wrong) == 1
    assert found.wrong[0].startswith("job ")


@pytest.mark.parametrize(("settled", "agrees"), [(10_000, True), (10_011, True), (10_012, False)])
def test_roundings_that_add_up_to_more_than_a_permille_are_drift(
    settled: int, agrees: bool
) -> None:
    """None of a thousand small jobs is wrong by more than its rounding, and one millisecond is free."""
    assert Drift(1000, settled, 10_000, 0, (), 0).agrees is agrees


async def test_a_month_is_closed_once_and_the_second_time_says_the_same(books: Database) -> None:
    async with books.begin() as session:
        first = await closings.close(session, "2026-11", now=LATER)
    async with books.begin() as session:
        second = await closings.close(session, "2026-11", now=LATER + timedelta(days=99))
        rows = (await session.execute(text("select count(*) from closings"))).scalar_one()
        assert await closings.changed(session) == []
    assert second == first
    assert rows == 1
    async with books.read() as session:
        sums = await billing.sums(session, NOVEMBER)
        last = await session.execute(
            text("select max(id) from ledger where at >= '2026-11-01Z' and at < '2026-12-01Z'")
        )
    assert {name: first.totals[name] for name in sums} == sums
    assert first.last_entry == last.scalar_one()


@pytest.mark.parametrize(
    "now", [NOVEMBER.until - timedelta(seconds=1), NOVEMBER.until + timedelta(minutes=9)]
)
async def test_a_month_that_is_not_over_stays_open(books: Database, now: datetime) -> None:
    """Some minutes longer, for an entry has its moment before its transaction ends."""
    async with books.begin() as session:
        with pytest.raises(Refusal, match="2026-12-01 00:10") as refused:
            await closings.close(session, "2026-11", now=now)
    assert refused.value.code == "month_open"


CHANGED = {
    "a changed amount": "update ledger set amount_ms = amount_ms + 1 where {one}",
    "an entry that is gone": "delete from ledger where {one}",
    "two that changed places": """update ledger set amount_ms = case when id = {low} then amount_ms + 1
        else amount_ms - 1 end where id in ({low}, (select max(id) from ledger where kind = 'release'
            and amount_ms > 1 and at >= '2026-11-02Z'))""",
    "a late one": """insert into ledger (account_id, kind, debit, credit, amount_ms, entry_key, at)
        select id, 'grant', 'issued', 'available:' || id, 1, 'late', '2026-11-30T23:59:59Z'
        from accounts limit 1""",
}
LOW = (
    "(select min(id) from ledger where kind = 'release' and amount_ms > 1 and at >= '2026-11-02Z')"
)


@pytest.mark.parametrize("what", CHANGED)
async def test_a_closed_month_that_changes_is_found(books: Database, what: str) -> None:
    async with books.begin() as session:
        await closings.close(session, "2026-11", now=LATER)
    await tamper(books, CHANGED[what].format(low=LOW, one=f"id = {LOW}"))
    async with books.begin() as session:
        (line,) = await closings.changed(session)
        assert line.startswith("month 2026-11 was closed and has changed since")
        with pytest.raises(Fault) as broken:
            await closings.close(session, "2026-11", now=LATER)
    assert broken.value.code == "month_changed"


async def test_a_month_that_drifts_is_not_closed(books: Database) -> None:
    await tamper(books, "update jobs set gpu_ms = gpu_ms / 2 where state = 'succeeded'")
    async with books.begin() as session:
        with pytest.raises(Fault, match="do not agree with what was measured: job "):
            await closings.close(session, "2026-11", now=LATER)
        assert await closings.of_month(session, "2026-11") is None


async def test_a_month_in_which_nothing_was_can_be_closed(database: Database) -> None:
    async with database.begin() as session:
        closed = await closings.close(session, "2026-02", now=LATER)
    assert closed.last_entry == 0
    assert set(closed.totals.values()) == {0}
