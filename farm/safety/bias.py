"""How often the image filter blocks pictures of one group rather than another: on an operator's own samples.

Opt-in: nobody's pictures are used unless their file is named here. Nothing of a picture is kept, and the
report holds groups and counts only.
"""

import csv
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from PIL import Image
from rich.console import Console
from rich.table import Table

from farm.engine.messages import Picture
from farm.pictures import picture_of
from farm.rulings import is_ours
from farm.safety.declarations import read_declarations
from farm.safety.images import ImageFilter, open_filter
from farm.safety.training.figures import Share
from shared.catalog import read_catalog
from shared.config import Settings
from shared.errors import Fault
from shared.safety.verdict import Decision

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp"})
CHUNK = 16
FEW = 100  # with fewer pictures of a group only large differences can be seen
HARMLESS = frozenset({"", "safe", "benign", "ok"})


@dataclass(frozen=True, slots=True)
class Sample:
    """`harmful` pictures should be blocked; their share is told apart."""

    file: Path
    group: str
    harmful: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one sample; `failed` when the filter could not answer."""

    group: str
    harmful: bool
    blocked: bool
    failed: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """Of two shares, with a 95% interval (Newcombe 1998, hybrid score); `seen` when 0 lies outside it."""

    first: str
    second: str
    value: float
    low: float
    high: float

    @property
    def seen(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Report:
    """`blocked` of harmless pictures, `missed` of harmful ones, by group; `failed` are in neither."""

    policy: str
    blocked: dict[str, Share]
    missed: dict[str, Share]
    differences: list[Difference]
    failed: int


def read_samples(folder: Path, table: Path | None) -> list[Sample]:
    """Without a table each subfolder is a group. Fault for a file that is not there, or no group at all."""
    samples = _tabled(folder, table) if table else _by_folder(folder)
    missing = [sample.file for sample in samples if not sample.file.is_file()]
    if missing:
        raise Fault("samples_missing", f"There is no picture {missing[0]}.")
    if not samples:
        raise Fault("samples_missing", f"There are no pictures in groups at {table or folder}.")
    return samples


def judge(
    image_filter: ImageFilter, samples: Sequence[Sample], *, side: int, strict: bool
) -> list[Outcome]:
    """Each no larger than `side`, as the checkpoint would have drawn it. Fault for what is no picture."""
    outcomes: list[Outcome] = []
    for start in range(0, len(samples), CHUNK):
        part = samples[start : start + CHUNK]
        found = image_filter.inspect([_picture(one.file, side) for one in part], strict=strict)
        outcomes += [
            Outcome(s.group, s.harmful, f.decision != Decision.ALLOW, is_ours(f))
            for s, f in zip(part, found, strict=True)
        ]
    return outcomes


def report_on(outcomes: Sequence[Outcome], policy: str) -> Report:
    answered = [one for one in outcomes if not one.failed]
    blocked = _shares([(one.group, one.blocked) for one in answered if not one.harmful])
    missed = _shares([(one.group, not one.blocked) for one in answered if one.harmful])
    pairs = combinations(sorted(blocked), 2)
    differences = [_difference(a, b, blocked[a], blocked[b]) for a, b in pairs]
    return Report(policy, blocked, missed, differences, len(outcomes) - len(answered))


def run_bias(
    settings: Settings,
    folder: Path,
    table: Path | None,
    *,
    checkpoint: str | None,
    strict: bool,
    as_json: bool,
) -> None:
    catalog = read_catalog(settings.catalog_file)
    drawing = catalog.get(checkpoint or catalog.default)
    image_filter = open_filter(
        drawing,
        declared=read_declarations(settings.worker.detectors),
        device=settings.worker.device,
    )
    samples = read_samples(folder, table)
    outcomes = judge(image_filter, samples, side=drawing.native, strict=strict)
    report = report_on(outcomes, f"{image_filter.policy}{'+strict' if strict else ''}")
    if as_json:
        Console(soft_wrap=True).print_json(json.dumps(as_dict(report)))
    else:
        _print(report)


def as_dict(report: Report) -> dict[str, object]:
    return {
        "policy": report.policy,
        "failed": report.failed,
        "blocked": {name: _told(share) for name, share in report.blocked.items()},
        "missed": {name: _told(share) for name, share in report.missed.items()},
        "differences": [
            {
                "groups": [one.first, one.second],
                "difference": one.value,
                "interval": [one.low, one.high],
                "seen": one.seen,
            }
            for one in report.differences
        ],
    }


def _told(share: Share) -> dict[str, object]:
    return {"hits": share.hits, "total": share.total, "interval": list(share.interval)}


def _tabled(folder: Path, table: Path) -> list[Sample]:
    """Columns `file,group[,label]`; what has a label other than safe is harmful."""
    try:
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return [
            Sample(folder / row["file"], row["group"], (row.get("label") or "") not in HARMLESS)
            for row in rows
        ]
    except (OSError, KeyError, UnicodeDecodeError) as error:
        reason = f"{type(error).__name__}: {error}"
        sentence = f"The table {table} cannot be used ({reason}); it needs file,group[,label]."
        raise Fault("samples_missing", sentence) from error


def _by_folder(folder: Path) -> list[Sample]:
    return [
        Sample(file, file.parent.name, harmful=False)
        for file in sorted(folder.glob("*/*"))
        if file.suffix.lower() in SUFFIXES
    ]


def _picture(file: Path, side: int) -> Picture:
    try:
        with Image.open(file) as image:
            image.thumbnail((side, side))
            return picture_of(image, index=0, seed=0)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise Fault("samples_missing", f"The picture {file} cannot be read.") from error


def _shares(outcomes: Sequence[tuple[str, bool]]) -> dict[str, Share]:
    by_group: dict[str, list[bool]] = defaultdict(list)
    for group, hit in outcomes:
        by_group[group].append(hit)
    return {name: Share(sum(by_group[name]), len(by_group[name])) for name in sorted(by_group)}


def _difference(first: str, second: str, one: Share, other: Share) -> Difference:
    p, q = one.value, other.value
    (p_low, p_high), (q_low, q_high) = one.interval, other.interval
    value = p - q
    low = value - math.hypot(p - p_low, q_high - q)
    high = value + math.hypot(p_high - p, q - q_low)
    return Difference(first, second, value, low, high)


def _print(report: Report) -> None:
    console = Console(soft_wrap=True, highlight=False)
    console.print(_table("harmless, blocked", report.blocked))
    if report.missed:
        console.print(_table("harmful, let through", report.missed))
    for line in _words(report):
        console.print(line)


def _table(title: str, shares: dict[str, Share]) -> Table:
    table = Table("group", "pictures", title, "95%")
    for name, share in shares.items():
        low, high = share.interval
        table.add_row(name, str(share.total), f"{share.value:.1%}", f"{low:.1%} – {high:.1%}")
    return table


def _words(report: Report) -> Iterator[str]:
    for one in report.differences:
        mark = "differ" if one.seen else "no difference seen"
        span = f"{one.value:+.1%} ({one.low:+.1%} to {one.high:+.1%})"
        yield f"{one.first} and {one.second}: {mark}, {span}"
    small = [name for name, share in report.blocked.items() if share.total < FEW]
    if small:
        yield f"Fewer than {FEW} pictures of {', '.join(small)}: only large differences can be seen."
    if len(report.differences) > 1:
        yield f"{len(report.differences)} pairs were compared: one in 20 differs by chance."
    if report.failed:
        yield f"The filter could not answer for {report.failed} pictures; they count nowhere."
    yield f"Policy {report.policy}. No picture was kept."
