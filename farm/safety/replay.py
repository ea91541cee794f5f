"""`pictor safety replay`: what another policy would have said to the prompts of the last days. No text."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from shared import replays
from shared.config import Settings
from shared.connections import Database
from shared.replays import Judged
from shared.safety.policy import Policy, decide_scores, read_policy
from shared.safety.verdict import MINOR, Decision

SHOWN_IDS = 10


@dataclass(slots=True)
class Replay:
    """`moves` counts (category, before, after); `judged_by_people` (outcome, after) of decided cases."""

    prompts: int = 0
    moves: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    ids: dict[tuple[str, str, str], list[int]] = field(default_factory=dict)
    judged_by_people: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, one: Judged, policy: Policy) -> None:
        self.prompts += 1
        decision, category = redecide(one, policy)
        if one.outcome is not None:
            self.judged_by_people[one.outcome, decision.value] += 1
        if decision.value == one.decision:
            return
        named = category if decision is not Decision.ALLOW else one.category
        move = named, one.decision, decision.value
        self.moves[move] += 1
        self.ids.setdefault(move, []).append(one.id)

    def as_dict(self) -> dict[str, object]:
        return {
            "prompts": self.prompts,
            "changed": sum(self.moves.values()),
            "moves": [
                {
                    "category": c,
                    "before": b,
                    "after": a,
                    "prompts": n,
                    "verdicts": self.ids[c, b, a],
                }
                for (c, b, a), n in sorted(self.moves.items())
            ],
            "people": [
                {"outcome": outcome, "now": now, "prompts": n}
                for (outcome, now), n in sorted(self.judged_by_people.items())
            ],
        }


def redecide(one: Judged, policy: Policy) -> tuple[Decision, str]:
    """The hard rule stays what it is, whatever the policy."""
    if one.category == MINOR:
        return Decision.BLOCK, MINOR
    return decide_scores(one.scores, policy)


def replay(prompts: Iterable[Judged], policy: Policy) -> Replay:
    told = Replay()
    for one in prompts:
        told.add(one, policy)
    return told


async def run_replay(settings: Settings, window: timedelta, path: Path, *, as_json: bool) -> None:
    policy = read_policy(path).policy
    database = Database.connect(settings.database)
    try:
        async with database.read() as session:
            told = replay([one async for one in replays.judged(session, window)], policy)
    finally:
        await database.close()
    if as_json:
        print(json.dumps(told.as_dict()))
    else:
        _show(told, Console())


def _show(told: Replay, console: Console) -> None:
    changed = sum(told.moves.values())
    console.print(f"{told.prompts} prompts; this policy decides {changed} of them otherwise.")
    if changed:
        console.print(_moves(told))
    if told.judged_by_people:
        console.print(_people(told))


def _moves(told: Replay) -> Table:
    table = Table("category", "before", "with this policy", "prompts", "verdicts")
    for move, count in sorted(told.moves.items()):
        ids = told.ids[move]
        more = f" and {len(ids) - SHOWN_IDS} more" if len(ids) > SHOWN_IDS else ""
        table.add_row(*move, str(count), ", ".join(map(str, ids[:SHOWN_IDS])) + more)
    return table


def _people(told: Replay) -> Table:
    """Lifted and blocked again is a false positive that stays; upheld and allowed is one that slips in."""
    table = Table("people said", "this policy says", "prompts", title="Cases that people decided")
    for (outcome, now), count in sorted(told.judged_by_people.items()):
        table.add_row(outcome, now, str(count))
    return table
