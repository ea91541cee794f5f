"""What Discord sold: entitlements times the prices of the plans file, by currency, in whole minor units.

Discord charges and pays out; this is what the sales come to before its share and taxes.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import text

from shared.connections import Session
from shared.errors import Refusal
from shared.reports.keys import label_of
from shared.reports.sheets import NONE, By, Column, Row, Sheet, Unit, counts, sorted_rows
from shared.reports.spans import Span, month_after

MOST_MONTHS = 600  # of one subscription


class Priced(Protocol):
    """A SKU: `price` in minor units of `currency`; `plan` None for GPU time that is bought once."""

    @property
    def title(self) -> str: ...
    @property
    def plan(self) -> str | None: ...
    @property
    def price(self) -> int: ...
    @property
    def currency(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Entitlement:
    """`user` and `guild` are Discord's ids; `began` is when it was bought, as far as anybody knows."""

    sku_id: str
    user: str
    name: str
    guild: str
    test: bool
    began: datetime
    ends: datetime | None
    gone: datetime | None


@dataclass(frozen=True, slots=True)
class Sale:
    """Or, `refund`, its money given back."""

    at: datetime
    of: Entitlement
    refund: bool = False


async def revenue(
    session: Session, span: Span, by: By, skus: Mapping[str, Priced], *, now: datetime
) -> Sheet:
    """Test entitlements are counted apart and bring nothing; so does a SKU that has no price."""
    if by is By.MODEL:
        raise Refusal("no_model", "What is sold has no model. Use user, guild, plan or day.")
    found = (await session.execute(text(_ENTITLEMENTS), {"until": span.until})).all()
    entitlements = [Entitlement(*row) for row in found]
    return sheet(sales(entitlements, span, skus, now=now), span, by, skus)


def sales(
    entitlements: Iterable[Entitlement], span: Span, skus: Mapping[str, Priced], *, now: datetime
) -> list[Sale]:
    """A subscription is sold again each month that it goes on; what is bought once, once. When Discord
    takes that back, it has given the money back."""
    every = (sale for one in entitlements for sale in _sales(one, skus.get(one.sku_id), now))
    return [sale for sale in every if span.since <= sale.at < span.until]


def _sales(one: Entitlement, sku: Priced | None, now: datetime) -> Iterator[Sale]:
    if sku is not None and sku.plan is not None:
        yield from (Sale(at, one) for at in _months(one, now))
        return
    yield Sale(one.began, one)
    if one.gone is not None:
        yield Sale(one.gone, one, refund=True)


def sheet(sold: Sequence[Sale], span: Span, by: By, skus: Mapping[str, Priced]) -> Sheet:
    currencies = sorted({sku.currency for sku in skus.values()})
    columns = (
        *counts("sales", "refunds", "tests", "unpriced"),
        *(Column(currency, Unit.MINOR) for currency in currencies),
    )
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * len(columns))
    for sale in sold:
        row = sums[_key(sale, by, skus)]
        for at, value in enumerate(_values(sale, skus, currencies)):
            row[at] += value
    rows = [Row(key, label, tuple(values)) for (key, label), values in sums.items()]
    return Sheet("revenue", by, span, columns, sorted_rows(rows, by, weight=0))


def _months(one: Entitlement, now: datetime) -> Iterator[datetime]:
    """When each of its months began. It goes on until it ends, is gone, or is now."""
    end = min(moment for moment in (one.ends, one.gone, now) if moment is not None)
    for number in range(MOST_MONTHS):
        day = month_after(one.began.date(), number)
        at = datetime.combine(day, one.began.timetz())
        if number and at >= end:
            return
        yield at


def _values(sale: Sale, skus: Mapping[str, Priced], currencies: Sequence[str]) -> Iterator[int]:
    sku = skus.get(sale.of.sku_id)
    real, sold = not sale.of.test, not sale.refund
    yield int(real and sold)
    yield int(real and sale.refund)
    yield int(sale.of.test and sold)
    yield int(real and sold and sku is None)
    for currency in currencies:
        counts_here = real and sku is not None and sku.currency == currency
        yield (sku.price if sold else -sku.price) if counts_here and sku is not None else 0


def _key(sale: Sale, by: By, skus: Mapping[str, Priced]) -> tuple[str, str]:
    one, sku = sale.of, skus.get(sale.of.sku_id)
    key = {
        By.USER: one.user or NONE,
        By.GUILD: one.guild or NONE,
        By.PLAN: f"sku:{one.sku_id}",
        By.DAY: f"{sale.at:%Y-%m-%d}",
    }[by]
    if by is By.PLAN:
        return key, sku.title if sku else f"SKU {one.sku_id}, not in the plans file"
    return key, label_of(by, key, one.name) if key != NONE else "nobody known"


_ENTITLEMENTS = """
select e.sku_id, coalesce(a.discord_id, e.user_id, ''), coalesce(a.name, ''), coalesce(e.guild_id, ''),
    e.test, coalesce(e.starts_at, e.credited_at, e.seen_at) as began, e.ends_at, e.gone_at
from entitlements e left join accounts a on a.id = e.account_id
where coalesce(e.starts_at, e.credited_at, e.seen_at) < :until
order by e.id
"""
