"""`pictor safety evaluate`: what the whole prompt screen does with labelled prompts, as production runs it.

It never tells a text: rows are named by id, groups by category and source.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from farm.safety.training.figures import Share, share
from farm.safety.training.rows import Row
from shared.safety.verdict import Decision, Verdict

UNNAMED = "other"  # unsafe, of no category of ours


class Screen(Protocol):
    def screen(self, texts: Sequence[str]) -> Verdict: ...


@dataclass(frozen=True, slots=True)
class Judged:
    """A row and the zone its prompt fell in."""

    row: Row
    decision: Decision
    category: str
    failed: bool

    @property
    def blocked(self) -> bool:
        return self.decision is Decision.BLOCK

    @property
    def noticed(self) -> bool:
        """Blocked, or drawn under the strict image thresholds and looked at."""
        return self.decision is not Decision.ALLOW


@dataclass(frozen=True, slots=True)
class Group:
    """Prompts of one kind: how many were blocked, and how many blocked or sent to review."""

    name: str
    blocked: Share
    noticed: Share


@dataclass(frozen=True, slots=True)
class Report:
    """`intercepted` groups are of unsafe prompts, `false_positives` of harmless ones."""

    version: str
    intercepted: Mapping[str, Sequence[Group]]
    false_positives: Mapping[str, Sequence[Group]]
    macro: float
    failed: int
    missed_ids: tuple[str, ...]
    false_ids: tuple[str, ...]


def judge(rows: Iterable[Row], screen: Screen) -> Iterator[tuple[Judged, str]]:
    """Each with the version that judged it. A screen that could not answer has blocked."""
    for row in rows:
        verdict = screen.screen([row.prompt])
        yield Judged(row, verdict.decision, verdict.category, verdict.failed), verdict.policy


def report(rows: Iterable[Row], screen: Screen) -> Report:
    judged, versions = [], set()
    for one, version in judge(rows, screen):
        judged.append(one)
        versions.add(version)
    unsafe = [one for one in judged if one.row.unsafe]
    benign = [one for one in judged if not one.row.unsafe]
    by_category = _grouped(unsafe, _category)
    return Report(
        ", ".join(sorted(versions)),
        {"category": by_category, "source": _grouped(unsafe, _source)},
        {
            "fired": _fired(benign),
            "category": _grouped(benign, lambda one: [one.row.named or UNNAMED]),
            "source": _grouped(benign, _source),
        },
        _macro(by_category),
        sum(one.failed for one in judged),
        tuple(one.row.id for one in unsafe if not one.blocked),
        tuple(one.row.id for one in benign if one.blocked),
    )


def _category(one: Judged) -> list[str]:
    """Ours; where the file's word is none that we know, that word."""
    return sorted(one.row.categories) or [one.row.named or UNNAMED]


def _source(one: Judged) -> list[str]:
    return [one.row.source]


def _grouped(judged: Sequence[Judged], names: Callable[[Judged], list[str]]) -> list[Group]:
    """In the order of names, with all of them together at the end."""
    groups: dict[str, list[Judged]] = defaultdict(list)
    for one in judged:
        for name in names(one):
            groups[name].append(one)
    return [*(_group(name, groups[name]) for name in sorted(groups)), _group("all", judged)]


def _group(name: str, judged: Sequence[Judged]) -> Group:
    return Group(name, share(one.blocked for one in judged), share(one.noticed for one in judged))


def _fired(benign: Sequence[Judged]) -> list[Group]:
    """Of all harmless prompts, those that each category's rules stopped: what the category costs."""
    names = sorted({one.category for one in benign if one.noticed})
    return [
        Group(
            name,
            share(one.blocked and one.category == name for one in benign),
            share(one.noticed and one.category == name for one in benign),
        )
        for name in names
    ]


def _macro(by_category: Sequence[Group]) -> float:
    """The mean over categories, so that the largest does not speak for all; NaN without any."""
    values = [group.blocked.value for group in by_category if group.name != "all"]
    return sum(values) / len(values) if values else float("nan")
