"""Sales: once for what is bought once, monthly for what goes on; whole minor units, tests apart."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from shared.connections import Database
from shared.errors import Refusal
from shared.reports.revenue import Entitlement, revenue, sales, sheet
from shared.reports.sheets import By
from shared.reports.spans import Span, month_of


@dataclass(frozen=True)
class Item:
    title: str
    plan: str | None
    price: int
    currency: str = "USD"


SKUS = {
    "1": Item("Paid, a month", "paid", 3000),
    "2": Item("An hour", None, 400),
    "3": Item("Eine Stunde", None, 399, "EUR"),
}
BEGAN = datetime(2026, 1, 31, 12, tzinfo=UTC)
NOW = datetime(2026, 12, 1, tzinfo=UTC)
YEAR = Span(datetime(2026, 1, 1, tzinfo=UTC), NOW)
MONTHLY = Entitlement("1", "77", "Ada", "", False, BEGAN, None, None)
ONCE = replace(MONTHLY, sku_id="2", user="78", name="=Bob", guild="9")


def test_a_subscription_is_sold_each_month_that_it_goes_on() -> None:
    days = [f"{sale.at:%m-%d}" for sale in sales([MONTHLY], YEAR, SKUS, now=NOW)]
    assert days[:4] == ["01-31", "02-28", "03-31", "04-30"]
    assert len(days) == 11
    ended = replace(MONTHLY, ends=BEGAN + timedelta(days=59))
    assert len(sales([ended], YEAR, SKUS, now=NOW)) == 2
    gone = replace(MONTHLY, gone=BEGAN + timedelta(hours=1))
    assert len(sales([gone], YEAR, SKUS, now=NOW)) == 1


def test_a_month_holds_the_sales_that_begin_in_it() -> None:
    found = [len(sales([MONTHLY, ONCE], month_of(f"2026-{n:02}"), SKUS, now=NOW)) for n in (1, 2)]
    assert found == [2, 1]


def test_what_was_bought_once_and_taken_back_gave_its_money_back_then() -> None:
    back = replace(ONCE, gone=datetime(2026, 3, 2, tzinfo=UTC))
    january, march = (
        sheet(sales([back], span, SKUS, now=NOW), span, By.DAY, SKUS).totals
        for span in (month_of("2026-01"), month_of("2026-03"))
    )
    assert (january, march) == ((1, 0, 0, 0, 0, 400), (0, 1, 0, 0, 0, -400))
    test = replace(back, test=True)
    assert sheet(sales([test], YEAR, SKUS, now=NOW), YEAR, By.DAY, SKUS).totals[-1] == 0


@pytest.mark.parametrize("by", [By.USER, By.GUILD, By.PLAN, By.DAY])
def test_it_comes_to_the_same_whatever_it_is_told_by(by: By) -> None:
    test = replace(ONCE, test=True)
    euro = replace(ONCE, sku_id="3")
    unknown = replace(ONCE, sku_id="404")
    sold = sales([MONTHLY, ONCE, ONCE, test, euro, unknown], YEAR, SKUS, now=NOW)
    told = sheet(sold, YEAR, by, SKUS)
    assert told.names == ["sales", "refunds", "tests", "unpriced", "EUR", "USD"]
    assert told.totals == (15, 0, 1, 1, 399, 11 * 3000 + 2 * 400)


async def test_rows_are_read_with_their_owners_and_what_has_no_model_is_refused(
    database: Database,
) -> None:
    async with database.begin() as session:
        await session.execute(text("insert into accounts (discord_id, name) values ('77', 'Ada')"))
        await session.execute(
            text("""insert into entitlements (id, account_id, sku_id, test, starts_at, seen_at)
            select v.id, a.id, v.sku, v.test, cast(v.at as timestamptz), '2026-02-01Z'
            from accounts a, (values ('e1', '1', false, '2026-02-10Z'), ('e2', '2', true, null),
                ('e3', '2', false, null), ('e4', '2', false, '2026-12-01Z')) as v (id, sku, test, at)""")
        )
    async with database.read() as session:
        told = await revenue(session, month_of("2026-02"), By.USER, SKUS, now=NOW)
        with pytest.raises(Refusal, match="has no model"):
            await revenue(session, YEAR, By.MODEL, SKUS, now=NOW)
    (row,) = told.rows
    assert (row.key, row.label, row.values) == ("77", "Ada", (2, 0, 1, 0, 0, 3400))
