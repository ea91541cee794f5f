"""What people read is rounded at the edge; what programs and spreadsheets read is whole, and harmless."""

import csv
import json
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.reports import plots, units, writing
from farm.reports.page import page
from farm.reports.reading import Findings
from farm.reports.writing import Format
from shared.reports import billing, usage
from shared.reports.drift import Drift
from shared.reports.sheets import By, Column, Row, Sheet, Unit
from shared.reports.spans import month_of

NOVEMBER = month_of("2026-11")
NAME = '<script>alert(1)</script>[bold]=cmd()"&\x1b[31m'
PEOPLE = (
    Row("77", NAME, (0, 0, 0, 900, 600, 300)),
    Row("78", "=HYPERLINK()", (60_000, 0, 0, 0, 0, 0)),
)
BILL = Sheet("billing", By.USER, NOVEMBER, billing.COLUMNS, PEOPLE)
DAYS = (
    Row("2026-11-02", "2026-11-02", (3, 1, 1, 1, 0, 4, 9000, 600)),
    Row("2026-11-30", "2026-11-30", (1, 1, 0, 0, 0, 4, 60_000, 60_000)),
)
SOUND = Findings(NOVEMBER, Drift(1, 600, 600, 0, (), 0), (), ())


@pytest.mark.parametrize(
    ("milliseconds", "told"),
    [(0, "0.00"), (299, "0.00"), (300, "0.01"), (60_000, "1.00"), (-90_000, "-1.50"), (-1, "0.00")],
)
def test_gpu_time_is_rounded_once(milliseconds: int, told: str) -> None:
    assert units.minutes(milliseconds) == told


@given(st.integers(-(10**18), 10**18))
def test_no_cent_is_lost_on_the_way(minor: int) -> None:
    assert int(units.money(minor, "USD").replace(",", "").replace(".", "")) == minor


def test_a_currency_without_cents_has_none() -> None:
    assert units.money(1_500, "JPY") == "1,500"
    assert units.told(1_234, Column("EUR", Unit.MINOR)) == "12.34"
    assert units.title(Column("gpu_ms", Unit.MS)) == "gpu (min)"


def test_a_csv_has_whole_numbers_and_no_formula() -> None:
    heads, first, second = csv.reader(StringIO(writing.as_csv(BILL), newline=""))
    assert heads[:3] == ["user", "name", "granted_ms"]
    assert first == ["77", NAME, "0", "0", "0", "900", "600", "300"]
    assert second[1] == "'=HYPERLINK()"


def test_json_holds_its_totals() -> None:
    stream = StringIO()
    writing.write(BILL, stream, Format.JSON)
    told = json.loads(stream.getvalue())
    assert (told["from"], told["to"]) == ("2026-11-01T00:00:00+00:00", "2026-12-01T00:00:00+00:00")
    assert told["total"]["settled_ms"] == 600
    assert told["rows"][1]["granted_ms"] == 60_000


def test_a_table_shows_names_as_they_are_and_nothing_runs() -> None:
    stream = StringIO()
    writing.write(BILL, stream, Format.TABLE)
    assert "[bold]" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
    assert "0.01" in stream.getvalue()


def sheets(*, rows: tuple[Row, ...] = DAYS, people: tuple[Row, ...] = PEOPLE) -> list[Sheet]:
    used = [Sheet("usage", by, NOVEMBER, usage.COLUMNS, rows) for by in By]
    paid = [Sheet("billing", by, NOVEMBER, billing.COLUMNS, people) for by in By]
    return [*used, *paid]


def test_the_page_needs_nothing_else_and_escapes_what_people_wrote() -> None:
    told = page(sheets(), SOUND)
    assert told.count("<svg") == 4
    assert "<script" not in told
    assert "&lt;script&gt;" in told
    assert "The books agree" in told
    for reference in ("src=", "@import", "url(http", 'href="http'):
        assert reference not in told
    assert page(sheets(), SOUND) == told, "the same books give the same page"


def test_the_page_of_a_month_in_which_nothing_was_says_so() -> None:
    told = page(sheets(rows=(), people=()), SOUND)
    assert "Nothing was drawn in this time." in told
    assert "<svg" not in told


def test_the_page_says_what_disagrees() -> None:
    found = Findings(NOVEMBER, Drift(1, 600, 500, 0, ("job <1>: wrong",), 1), ("account 2",), ())
    told = page(sheets(), found)
    assert "2 things disagree" in told
    assert "drift: job &lt;1&gt;: wrong" in told
    assert "books: account 2" in told


def test_a_long_table_ends_in_a_row_that_keeps_its_sum() -> None:
    many = tuple(Row(str(n), f"person {n}", (0, 0, 0, 0, 60_000, 0)) for n in range(40))
    told = page(sheets(people=many), SOUND)
    assert "28 others" in told
    bars = plots.heaviest(Sheet("billing", By.USER, NOVEMBER, billing.COLUMNS, many), "settled_ms")
    assert sum(bars.values()) == 40 * 60_000
    assert list(bars)[-1] == "32 others"
