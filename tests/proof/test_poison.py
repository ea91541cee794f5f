"""Prompts that kill the process that draws them: five times each, alone from the third on, and refunded."""

import json
import random
from collections import defaultdict
from typing import Any

import pytest

from shared.jobstore import WORKER_LOST
from shared.plans import ALONE_FROM
from tests.chaos.stub import KRAKEN
from tests.proof.farm import Farm

MAX_CRASHES, SLOTS = 5, 6
ENDS = """
select id, prompt, state, crashes, attempt, error_code, charged_ms from jobs order by submitted_at
"""


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("poisons", "innocents"), [(1, 40), pytest.param(15, 1500, marks=pytest.mark.slow)]
)
async def test_poison_dies_alone(farm: Farm, poisons: int, innocents: int) -> None:
    seed = random.randrange(2**32)
    wishes = [KRAKEN] * poisons + ["boat"] * innocents
    random.Random(seed).shuffle(wishes)
    await farm.dispatcher()
    for name in ("w1", "w2"):
        await farm.worker(name, step_ms=2, more={"PICTOR_WORKER__SLOTS": str(SLOTS)})
    account = await farm.account()
    ids = [id for wish in wishes for id in await farm.submit(account, word=wish)]
    await farm.ended(ids, within_s=800)
    rows, deaths = await farm.rows(ENDS), deaths_of(farm)
    poisoned = [row for row in rows if KRAKEN in row.prompt]
    innocent = [row for row in rows if KRAKEN not in row.prompt]
    assert {row.state for row in innocent} == {"succeeded"}
    for row in poisoned:
        ended = (row.state, row.error_code, row.crashes, row.attempt, row.charged_ms)
        assert ended == ("failed", WORKER_LOST, MAX_CRASHES, MAX_CRASHES, 0)
        died_with = deaths.pop(str(row.id))
        assert len(died_with) == MAX_CRASHES
        assert all(beside == [str(row.id)] for beside in died_with[ALONE_FROM:])
    assert deaths == {}
    assert farm.ended_by_itself() == {}
    print(
        f"invariant 5: n = {poisons} poison in {innocents} innocent, seed {seed}: {MAX_CRASHES} attempts"
        f" and as many new children each, most crashes of an innocent one"
        f" {max(row.crashes for row in innocent)}, innocent failures 0"
    )


def deaths_of(farm: Farm) -> dict[str, list[Any]]:
    """By poison, who was in the same process each time that one died of it."""
    found: dict[str, list[Any]] = defaultdict(list)
    for line in (farm.orders / "deaths.jsonl").read_text().splitlines():
        told = json.loads(line)
        found[told["job"]].append(told["with"])
    return found
