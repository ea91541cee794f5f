"""How many interactions are worked on at once."""

import asyncio
from typing import cast

import pytest

from bot import workload
from bot.workload import AT_WORK, Interaction, Workload


class Asked:
    """An interaction, as far as its first answer goes."""

    def __init__(self) -> None:
        self.done = False

    @property
    def response(self) -> "Asked":
        return self

    def is_done(self) -> bool:
        return self.done


async def test_a_few_are_at_work_and_the_next_comes_in_as_one_leaves() -> None:
    office, working, leave = Workload(), [0], asyncio.Event()

    async def work() -> None:
        await office.begin()
        working[0] += 1
        await leave.wait()

    tasks = [asyncio.create_task(work()) for _ in range(AT_WORK + 3)]
    await asyncio.sleep(0.01)
    assert working == [AT_WORK]
    tasks[0].cancel()
    await asyncio.sleep(0.01)
    assert working == [AT_WORK + 1]
    leave.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert working == [AT_WORK + 3]


async def test_who_takes_long_or_only_waits_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(workload, "LONGEST_S", 0.02)
    office = Workload()
    turns = [await office.begin() for _ in range(AT_WORK)]
    async with asyncio.timeout(2):
        await office.begin()
    turns[0].end()
    turns[0].end()  # once is enough


async def test_work_waits_until_new_ones_have_their_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    office, new = Workload(), Asked()
    office.arrived(cast(Interaction, new))
    work = asyncio.create_task(office.begin())
    await asyncio.sleep(0.03)
    assert not work.done()
    new.done = True
    async with asyncio.timeout(2):
        await work
    monkeypatch.setattr(workload, "PATIENCE_S", 0.02)
    office.arrived(cast(Interaction, Asked()))
    async with asyncio.timeout(2):
        await office.begin()  # somebody who is never answered stops nobody
