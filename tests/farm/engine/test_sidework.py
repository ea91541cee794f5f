"""Work beside the loop: its end is told once, in the loop's thread, and never lost."""

import threading
from collections.abc import Callable

import torch

from farm.engine.line import COURTESY
from farm.engine.sidework import Sidework


def test_an_end_is_told_when_the_loop_looks_and_in_its_thread() -> None:
    woken, told = threading.Event(), list[object]()
    side = Sidework("test", wake=woken.set)
    side.ask(
        lambda: threading.current_thread().name,
        then=lambda name: told.extend([name, threading.current_thread()]),
        fails=told.append,
    )
    assert woken.wait(10)
    assert (told, side.pending) == ([], 1)
    side.collect()
    assert told == ["test-0", threading.current_thread()]
    assert side.pending == 0


def test_a_failure_is_told_too_and_the_thread_goes_on() -> None:
    woken, told = threading.Event(), list[object]()
    side = Sidework("test", wake=woken.set)
    problem = ValueError("no")

    def fail() -> None:
        raise problem

    for work in (fail, torch.is_inference_mode_enabled):
        woken.clear()
        side.ask(work, then=told.append, fails=told.append)
        assert woken.wait(10)
        side.collect()
    assert told == [problem, True]


def test_a_better_rank_does_not_wait_until_long_work_of_a_worse_has_ended() -> None:
    """Two threads for anybody, both at relax work that takes long; turbo has one of its own."""
    gate, told = threading.Event(), list[int]()
    ended = threading.Semaphore(0)
    side = Sidework("test", wake=ended.release, threads=(COURTESY, COURTESY, 0))

    def ask(rank: int, work: Callable[[], bool]) -> None:
        side.ask(work, then=lambda _: told.append(rank), fails=print, rank=rank)

    for _ in range(3):
        ask(2, lambda: gate.wait(20))
    ask(0, lambda: True)
    assert ended.acquire(timeout=10)
    side.collect()
    assert told == [0]
    gate.set()
    for _ in range(3):
        assert ended.acquire(timeout=10)
    side.collect()
    assert told == [0, 2, 2, 2]


def test_the_threads_end_with_the_last_who_holds_it() -> None:
    side = Sidework("mortal", wake=lambda: None, threads=(COURTESY, 0))
    threads = [one for one in threading.enumerate() if one.name.startswith("mortal")]
    assert len(threads) == 2
    del side
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
