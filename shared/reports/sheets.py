"""A report as rows: whole numbers with their units, and the totals that they add up to. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.reports.spans import Span

NONE = "-"  # the key of what belongs to no server, plan or checkpoint


class By(StrEnum):
    USER = "user"
    GUILD = "guild"
    PLAN = "plan"
    MODEL = "model"
    DAY = "day"


class Unit(StrEnum):
    COUNT = "count"
    MS = "ms"  # GPU-milliseconds
    MINOR = "minor"  # of a currency, whose code is the column's name


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    unit: Unit = Unit.COUNT


@dataclass(frozen=True, slots=True)
class Row:
    """`key` is unique in its sheet; `label` is for people, and may be what a person called themselves."""

    key: str
    label: str
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    name: str
    by: By
    span: Span
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def totals(self) -> tuple[int, ...]:
        return tuple(sum(row.values[at] for row in self.rows) for at in range(len(self.columns)))

    def total(self, column: str) -> int:
        return self.totals[self.names.index(column)]

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]


def counts(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name) for name in names)


def times(*names: str) -> tuple[Column, ...]:
    return tuple(Column(name, Unit.MS) for name in names)


def sorted_rows(rows: Iterable[Row], by: By, *, weight: int) -> tuple[Row, ...]:
    """Days in their order; of the rest, what weighs most in column `weight` first."""
    found: Sequence[Row] = list(rows)
    if by is By.DAY:
        return tuple(sorted(found, key=lambda row: row.key))
    return tuple(sorted(found, key=lambda row: (-row.values[weight], row.key)))
