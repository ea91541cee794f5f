"""A report's plots as SVG for the page. matplotlib is an extra. No text in them was written by people."""

from collections.abc import Mapping, Sequence
from datetime import date
from io import StringIO
from typing import TYPE_CHECKING, Any

from farm.reports.units import MINUTE_MS
from shared.errors import Refusal
from shared.reports.sheets import Sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, which colour-blind people can tell apart.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#8A8F98"
ENDS = {"succeeded": BLUE, "failed": RED, "blocked": ORANGE, "cancelled": GREY}
INK, FAINT = "#3a3f47", "#e3e6ea"
WIDE, HALF = (9.4, 2.7), (4.5, 2.5)
MOST_BARS = 8
MOST_LABELS, LONG_SPAN_DAYS = 9, 300
LOOK: dict[Any, Any] = {
    "svg.hashsalt": "pictor",  # the same books give the same file
    "svg.fonttype": "path",
    "font.size": 8.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "grid.color": FAINT,
    "axes.axisbelow": True,
    "text.parse_math": False,
}


def need_matplotlib() -> None:
    try:
        import matplotlib
    except ImportError:
        sentence = "The page's plots need matplotlib: pip install 'pictor[simulate]'."
        raise Refusal("no_matplotlib", sentence, field="--html") from None
    matplotlib.use("Agg")


def jobs_by_day(usage: Sheet) -> str:
    def draw(axes: "Axes") -> None:
        days, below = usage.span.days(), [0.0] * len(usage.span.days())
        for end, colour in ENDS.items():
            values = _by_day(usage, end)
            if any(values):
                axes.bar(range(len(days)), values, bottom=below, color=colour, label=end, width=0.8)
            below = [low + value for low, value in zip(below, values, strict=True)]
        _dated(axes, days)
        axes.set_ylabel("jobs")
        _legend(axes)

    return _drawn(draw, WIDE)


def time_by_day(usage: Sheet) -> str:
    """Measured on the GPUs, and charged."""

    def draw(axes: "Axes") -> None:
        days = usage.span.days()
        measured, charged = (
            [value / MINUTE_MS for value in _by_day(usage, name)]
            for name in ("gpu_ms", "charged_ms")
        )
        axes.bar(range(len(days)), measured, color=GREEN, label="measured", width=0.8)
        axes.plot(
            range(len(days)), charged, color=INK, label="charged", marker="o", ms=3, clip_on=False
        )
        _dated(axes, days)
        axes.set_ylabel("GPU-minutes")
        _legend(axes)

    return _drawn(draw, WIDE)


def sales_by_day(revenue: Sheet, currency: str, places: int) -> str:
    def draw(axes: "Axes") -> None:
        days = revenue.span.days()
        values = [value / 10**places for value in _by_day(revenue, currency)]
        axes.bar(range(len(days)), values, color=BLUE, width=0.8)
        _dated(axes, days)
        axes.set_ylabel(currency)

    return _drawn(draw, WIDE)


def shares(sheet: Sheet, column: str) -> str:
    """The weightiest rows as bars of GPU-minutes, the rest in one."""

    def draw(axes: "Axes") -> None:
        bars = heaviest(sheet, column)
        labels = list(reversed(bars))
        values = [bars[label] / MINUTE_MS for label in labels]
        axes.barh(range(len(labels)), values, color=BLUE, height=0.62)
        axes.set_yticks(range(len(labels)), [label[:24] for label in labels])
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        axes.set_xlim(left=0)
        axes.set_xlabel("GPU-minutes")

    return _drawn(draw, HALF)


def heaviest(sheet: Sheet, column: str) -> dict[str, int]:
    at = sheet.names.index(column)
    rows = sorted(sheet.rows, key=lambda row: (-row.values[at], row.key))
    bars = {row.label: row.values[at] for row in rows[:MOST_BARS]}
    rest = sum(row.values[at] for row in rows[MOST_BARS:])
    return bars | ({f"{len(rows) - MOST_BARS} others": rest} if len(rows) > MOST_BARS else {})


def _by_day(sheet: Sheet, column: str) -> list[int]:
    """Days on which nothing was are 0."""
    at = sheet.names.index(column)
    found: Mapping[str, int] = {row.key: row.values[at] for row in sheet.rows}
    return [found.get(day.isoformat(), 0) for day in sheet.span.days()]


def _dated(axes: "Axes", days: Sequence[date]) -> None:
    """As many labels as there is room for, each below its day."""
    ticks = range(0, len(days), -(-len(days) // MOST_LABELS))
    form = "%d %b" if len(days) <= LONG_SPAN_DAYS else "%d %b %Y"
    axes.set_xticks(list(ticks), [f"{days[at]:{form}}" for at in ticks])
    axes.set_xlim(-0.6, len(days) - 0.4)
    axes.set_ylim(bottom=0)
    axes.grid(axis="x", visible=False)


def _legend(axes: "Axes") -> None:
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, ncols=4, loc="lower right", bbox_to_anchor=(1, 1), borderpad=0)


def _drawn(draw: Any, size: tuple[float, float]) -> str:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(LOOK):
        figure: Figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        stream = StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    return stream.getvalue()[stream.getvalue().index("<svg") :]
