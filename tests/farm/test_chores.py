"""A chore is done again whatever happens, and Prometheus is told what it did."""

import asyncio

import pytest
from prometheus_client import generate_latest

from farm import chores
from farm.chores import Chore, Tally
from shared.errors import Fault


@pytest.mark.parametrize("error", [Fault("database_down", "...", retryable=True), KeyError("x")])
async def test_a_chore_that_fails_is_done_again_and_counted(error: Exception) -> None:
    done = asyncio.Event()
    failures = iter([error, error])

    async def work() -> int:
        for failure in failures:
            raise failure
        done.set()
        return 3

    tally = Tally()
    chore = asyncio.create_task(Chore("sweep", 0.01, work).for_ever(tally))
    async with asyncio.timeout(2.0):
        await done.wait()
        while not number(tally, "runs_total"):
            await asyncio.sleep(0)
    chore.cancel()
    assert number(tally, "failures_total") == 2
    assert number(tally, "rows_total") == 3
    assert number(tally, "last_success") > 1e9
    assert number(tally, "seconds_total") > 0


def test_prometheus_finds_every_line_after_one_run() -> None:
    tally = Tally()
    tally.done("sweep", rows=0)
    text = generate_latest(tally.registry).decode()
    for line in ("rows_total", "runs_total", "failures_total", "seconds_total", "last_success"):
        assert f'pictor_sweep_{line}{{sweep="sweep"}}' in text


def number(tally: Tally, line: str) -> float:
    return tally.registry.get_sample_value(f"pictor_sweep_{line}", {"sweep": "sweep"}) or 0.0


async def test_they_begin_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once they would hold every connection that dispatching has."""
    began: list[str] = []

    def noted(name: str) -> Chore:
        async def work() -> int:
            began.append(name)
            return 0

        return Chore(name, 60.0, work)

    monkeypatch.setattr(chores, "APART_S", 60.0)
    starts = chores.one_by_one(map(noted, ["rescue", "expire", "purge"]), Tally())
    running = [asyncio.ensure_future(start()) for start in starts.values()]
    await asyncio.sleep(0.1)
    assert began == ["rescue"]
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
