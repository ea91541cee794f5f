"""The evaluation report as tables in a terminal and as one JSON object. No text of a prompt is in it."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group as Together
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from farm.safety.training.evaluation import Group, Report
from farm.safety.training.figures import Share

TITLES = {
    "category": "Unsafe prompts by category",
    "source": "by source",
    "fired": "Harmless prompts by the category that stopped them",
}


def tables(report: Report, *, ids: bool) -> RenderableType:
    shown: list[RenderableType] = [Text(report.version, style="dim")]
    for kind, groups in report.intercepted.items():
        shown += [Text(), _table(TITLES[kind], groups)]
    shown.append(Text(f"Mean over categories: {_percent(report.macro)} blocked.", style="bold"))
    for kind, groups in report.false_positives.items():
        title = TITLES[kind] if kind == "fired" else f"Harmless prompts by {kind}"
        shown += [Text(), _table(title, groups)]
    if report.failed:
        shown.append(Text(f"The screen failed on {report.failed} of them (blocked).", style="red"))
    if ids:
        shown += [Text(), _listed("Missed", report.missed_ids)]
        shown.append(_listed("Blocked though harmless", report.false_ids))
    return Together(*shown)


def _table(title: str, groups: Sequence[Group]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", title=title, title_justify="left")
    table.add_column("")
    for name in ("prompts", "blocked", "95%", "or reviewed", "95%"):
        table.add_column(name, justify="right", no_wrap=True)
    for group in groups:
        cells = [*_cells(group.blocked), *_cells(group.noticed)]
        style = "bold" if group.name == "all" else ""
        table.add_row(group.name, str(group.blocked.total), *cells, style=style)
    return table


def _cells(share: Share) -> tuple[str, str]:
    low, high = share.interval
    return _percent(share.value), f"{low:.1%}–{high:.1%}"


def _percent(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1%}"


def _listed(title: str, ids: Sequence[str]) -> Text:
    return Text(f"{title} ({len(ids)}): {' '.join(ids) or 'none'}")


def as_json(report: Report, *, ids: bool) -> str:
    """NaN, of a group without prompts, is null."""
    facts: dict[str, Any] = {
        "version": report.version,
        "intercepted": {kind: _facts(groups) for kind, groups in report.intercepted.items()},
        "false_positives": {
            kind: _facts(groups) for kind, groups in report.false_positives.items()
        },
        "macro": _number(report.macro),
        "failed": report.failed,
    }
    if ids:
        facts |= {"missed_ids": report.missed_ids, "false_ids": report.false_ids}
    return json.dumps(facts)


def _facts(groups: Sequence[Group]) -> dict[str, Any]:
    return {
        group.name: {"blocked": _share(group.blocked), "noticed": _share(group.noticed)}
        for group in groups
    }


def _share(share: Share) -> dict[str, Any]:
    return {**asdict(share), "value": _number(share.value), "interval": share.interval}


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
