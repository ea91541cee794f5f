"""Everything of one stretch of time on one page that needs nothing else: figures, plots, tables.

Names are what people call themselves: every text is escaped, and the page may run no script.
"""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

from farm.reports import plots, units
from farm.reports.reading import Findings
from shared.reports.sheets import By, Column, Row, Sheet, Unit

MOST_ROWS = 12
_TITLES = {
    By.USER: "by person",
    By.GUILD: "by server",
    By.PLAN: "by plan",
    By.MODEL: "by model",
    By.DAY: "by day",
}


def page(sheets: Sequence[Sheet], found: Findings) -> str:
    told = {(sheet.name, sheet.by): sheet for sheet in sheets}
    usage, billing = told["usage", By.DAY], told["billing", By.DAY]
    sold = told.get(("revenue", By.DAY))
    parts = [_drawn(told), *([_sold(sold)] if sold and any(sold.totals) else [])]
    parts += [_section(sheet) for sheet in sheets if sheet.by is not By.DAY and any(sheet.totals)]
    parts += [_section(sheet) for sheet in (usage, billing)]
    template = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))
    return template.substitute(
        span=escape(str(found.span)),
        tiles="".join(_tiles(usage, billing, sold)),
        wrong=" wrong" if found.lines else "",
        verdict=_verdict(found),
        sections="\n".join(parts),
    )


def _tiles(usage: Sheet, billing: Sheet, sold: Sheet | None) -> list[str]:
    jobs, done = usage.total("jobs"), usage.total("succeeded")
    tiles = [
        ("jobs", f"{jobs:,}"),
        ("pictures", f"{usage.total('pictures'):,}"),
        ("succeeded", f"{done / jobs:.1%}" if jobs else "–"),
        ("GPU-minutes measured", units.minutes(usage.total("gpu_ms"))),
        ("GPU-minutes settled", units.minutes(billing.total("settled_ms"))),
    ]
    for column, total in zip(sold.columns, sold.totals, strict=True) if sold else ():
        if column.unit is Unit.MINOR and total:
            tiles.append((f"{column.name} sold", units.money(total, column.name)))
    return [
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(name)}</span></div>'
        for name, value in tiles
    ]


def _verdict(found: Findings) -> str:
    drift = found.drift
    if not found.lines:
        return (
            f"<p><strong>The books agree.</strong> {drift.jobs:,} jobs were charged"
            f" {units.minutes(drift.settled_ms)} GPU-minutes: what their workers measured, at the prices they"
            " were sold at. Every balance is the sum of its entries, and every closed month is as it was.</p>"
        )
    lines = "".join(f"<li>{escape(f'{check}: {line}')}</li>" for check, line in found.lines[:20])
    return f"<p><strong>{len(found.lines)} things disagree.</strong></p><ul>{lines}</ul>"


def _drawn(told: dict[tuple[str, By], Sheet]) -> str:
    usage = told["usage", By.DAY]
    if not usage.total("jobs"):
        return "<section><p>Nothing was drawn in this time.</p></section>"
    wide = _figure("Jobs by day", plots.jobs_by_day(usage)) + _figure(
        "GPU time by day", plots.time_by_day(usage)
    )
    halves = [
        _figure(title, plots.shares(told["usage", by], "gpu_ms"))
        for by, title in ((By.MODEL, "GPU time by model"), (By.PLAN, "GPU time by plan"))
    ]
    return f'<section>{wide}<div class="pair">{"".join(halves)}</div></section>'


def _sold(sold: Sheet) -> str:
    figures = [
        _figure(
            f"Sold by day, {column.name}", plots.sales_by_day(sold, column.name, _places(column))
        )
        for column, total in zip(sold.columns, sold.totals, strict=True)
        if column.unit is Unit.MINOR and total
    ]
    return f"<section>{''.join(figures)}</section>" if figures else ""


def _places(column: Column) -> int:
    return 0 if column.name in units.WHOLE else 2


def _figure(title: str, svg: str) -> str:
    label = escape(title, quote=True)
    return f'<figure role="img" aria-label="{label}"><figcaption>{label}</figcaption>{svg}</figure>'


def _section(sheet: Sheet) -> str:
    title = f"{sheet.name.title()} {_TITLES[sheet.by]}"
    heads = "".join(f"<th>{escape(units.title(one))}</th>" for one in sheet.columns)
    rows = "".join(_row(sheet, row) for row in _shown(sheet))
    total = _row(sheet, Row("", "Total", sheet.totals))
    opened = "" if sheet.by is By.DAY else " open"
    return (
        f"<section><details{opened}><summary><h2>{escape(title)}</h2></summary>"
        f'<div class="wide"><table><thead><tr><th></th>{heads}</tr></thead>'
        f"<tbody>{rows}</tbody><tfoot>{total}</tfoot></table></div></details></section>"
    )


def _shown(sheet: Sheet) -> list[Row]:
    """The first ones, and all the others as one, so that a column still adds up. Days are all shown."""
    if sheet.by is By.DAY or len(sheet.rows) <= MOST_ROWS:
        return list(sheet.rows)
    rest = sheet.rows[MOST_ROWS:]
    sums = tuple(sum(row.values[at] for row in rest) for at in range(len(sheet.columns)))
    return [*sheet.rows[:MOST_ROWS], Row("", f"{len(rest):,} others", sums)]


def _row(sheet: Sheet, row: Row) -> str:
    values = zip(row.values, sheet.columns, strict=True)
    cells = "".join(f"<td>{escape(units.told(value, column))}</td>" for value, column in values)
    aside = row.key if sheet.by is By.USER and row.key and row.key != row.label else ""
    known = f"<small>{escape(aside)}</small>" if aside else ""
    return f"<tr><td>{escape(row.label)}{known}</td>{cells}</tr>"
