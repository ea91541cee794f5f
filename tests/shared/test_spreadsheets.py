"""No cell begins a formula, and no number of ours is hurt by it."""

import csv
from io import StringIO

import pytest

from shared.spreadsheets import harmless, written


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1", "-1", "@sum", "\tx", "\rx", "\nx", "＝1", "＠x", "  =1", "\u00a0-x"]
)
def test_a_cell_that_begins_like_a_formula_is_text(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"


def test_everything_else_is_as_it_was() -> None:
    cells = ["plain", None, 7, -7, "a=b", "", " x"]
    assert [harmless(cell) for cell in cells] == ["plain", "", "7", "-7", "a=b", "", " x"]


def test_a_table_is_read_back_as_it_was_written() -> None:
    rows = [["a,b", 'say "x"', -1], ["two\nlines", "=cmd()", 2]]
    told = list(csv.reader(StringIO(written(["@head", "b", "c"], rows), newline="")))
    assert told == [
        ["'@head", "b", "c"],
        ["a,b", 'say "x"', "-1"],
        ["two\nlines", "'=cmd()", "2"],
    ]
