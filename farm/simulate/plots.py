"""Waits over time, queue depth and the spread of waits, as PNG and SVG. matplotlib is an extra."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm.simulate.device import Life
from farm.simulate.figures import percentile, wait_s
from farm.simulate.play import Played
from farm.simulate.world import Past
from shared.errors import Refusal
from shared.plans import Speed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind people can tell apart; the dashes say it again.
STYLES = {"fair": ("#0072B2", "-"), "fifo": ("#D55E00", "--"), "strict": ("#009E73", ":")}
NAMES = {"fair": "fair (Pictor)", "fifo": "first come, first served", "strict": "strict priority"}
BINS = 60
FORMATS = ("png", "svg")
SIZE = (10.0, 3.6)
LOOK: dict[Any, Any] = {
    "svg.hashsalt": "pictor",  # the same run gives the same file
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def write_plots(played: Played, folder: Path) -> list[Path]:
    """Two files of each plot, named after the scenario."""
    _need_matplotlib()
    from matplotlib import rc_context

    paths = []
    with rc_context(LOOK):
        for name, draw in PLOTS.items():
            figure = draw(played)
            paths += _save(figure, folder, f"{played.scenario.name}-{name}")
    return paths


def _need_matplotlib() -> None:
    try:
        import matplotlib
    except ImportError:
        sentence = "Plots need matplotlib: pip install 'pictor[simulate]'."
        raise Refusal("no_matplotlib", sentence, field="plots") from None
    matplotlib.use("Agg")


def _save(figure: "Figure", folder: Path, name: str) -> list[Path]:
    paths = [folder / f"{name}.{kind}" for kind in FORMATS]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            nothing = {"Date": None} if path.suffix == ".svg" else {"Software": None}
            figure.savefig(path, dpi=110, metadata=nothing)
    except OSError as error:
        sentence = f"{folder} cannot be written: {error.strerror}."
        raise Refusal("unwritable", sentence, field="plots") from error
    return paths


# --- the three plots -------------------------------------------------------------------------


def _waits_over_time(played: Played) -> "Figure":
    def line(axes: "Axes", past: Past, lives: Sequence[Life]) -> None:
        minutes, waits = waits_by_bin(lives, past.until)
        _plot(axes, past.policy, minutes, waits)

    figure = _panels(played, "95th percentile of waits", line)
    _label(figure, "submitted at minute", "wait (s)")
    return figure


def _queue_depth(played: Played) -> "Figure":
    def line(axes: "Axes", past: Past, lives: Sequence[Life]) -> None:
        minutes, depths = depth_over_time(lives, past.until)
        _plot(axes, past.policy, minutes, depths)

    figure = _panels(played, "Jobs that wait", line)
    _label(figure, "minute", "jobs waiting")
    return figure


def _spread(played: Played) -> "Figure":
    def line(axes: "Axes", past: Past, lives: Sequence[Life]) -> None:
        waits = sorted(wait_s(life, past.until) for life in lives if not life.refused)
        parts = [100 * (number + 1) / len(waits) for number in range(len(waits))]
        axes.set_xscale("symlog", linthresh=1.0)
        axes.set_xlim(0, 4000)
        axes.set_xticks([0, 1, 10, 60, 600, 3600], ["0", "1", "10", "60", "600", "3600"])
        _plot(axes, past.policy, waits, parts)

    figure = _panels(played, "How many start within a wait", line, timed=False)
    _label(figure, "wait (s), logarithmic above 1", "started within it (%)")
    return figure


PLOTS: dict[str, "Callable[[Played], Figure]"] = {
    "waits": _waits_over_time,
    "queue": _queue_depth,
    "spread": _spread,
}


def waits_by_bin(lives: Sequence[Life], until: float) -> tuple[list[float], list[float]]:
    """Minutes, and the 95th percentile of the waits of those who submitted around then."""
    bins: dict[int, list[float]] = {}
    for life in lives:
        if not life.refused:
            bins.setdefault(int(life.arrival.at / until * BINS), []).append(wait_s(life, until))
    ordered = sorted(bins.items())
    minutes = [(number + 0.5) * until / BINS / 60 for number, _ in ordered]
    return minutes, [percentile(sorted(waits), 95) for _, waits in ordered]


def depth_over_time(lives: Sequence[Life], until: float) -> tuple[list[float], list[float]]:
    """Minutes, and how many had been submitted by then and had not begun."""
    moments = [number * until / (4 * BINS) for number in range(4 * BINS + 1)]
    changes = sorted(
        [(life.arrival.at, 1) for life in lives if not life.refused]
        + [(life.drawn_at, -1) for life in lives if life.drawn_at is not None]
    )
    depths, depth, place = [], 0, 0
    for moment in moments:
        while place < len(changes) and changes[place][0] <= moment:
            depth += changes[place][1]
            place += 1
        depths.append(float(depth))
    return [moment / 60 for moment in moments], depths


# --- how they look ---------------------------------------------------------------------------


def _panels(
    played: Played,
    title: str,
    line: "Callable[[Axes, Past, Sequence[Life]], None]",
    *,
    timed: bool = True,
) -> "Figure":
    """One panel for each lane, one line for each order."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE, layout="constrained")
    panels = figure.subplots(1, len(Speed), sharey=not timed)
    for axes, speed in zip(panels, Speed, strict=True):
        axes.set_title(speed.value)
        axes.grid(visible=True, alpha=0.3)
        for past in played.pasts:
            lives = [life for life in past.lives if life.arrival.speed is speed]
            if lives:
                line(axes, past, lives)
        if timed:
            _mark_outages(axes, played)
        axes.set_ylim(bottom=0)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(f"{title}: {played.scenario.title}", fontsize=11)
    return figure


def _plot(axes: "Axes", policy: str, xs: Sequence[float], ys: Sequence[float]) -> None:
    colour, dashes = STYLES[policy]
    axes.plot(xs, ys, color=colour, linestyle=dashes, linewidth=1.8, label=NAMES[policy])


def _mark_outages(axes: "Axes", played: Played) -> None:
    axes.set_xlim(0, played.scenario.minutes)
    for outage in played.scenario.farm.outages:
        axes.axvspan(outage.at / 60, outage.until / 60, color="0.9", label="GPUs lost", zorder=0)


def _label(figure: "Figure", below: str, beside: str) -> None:
    for axes in figure.axes:
        axes.set_xlabel(below)
    figure.axes[0].set_ylabel(beside)
