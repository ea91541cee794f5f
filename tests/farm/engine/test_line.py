import threading

from farm.engine.line import COURTESY, OLDEST_EVERY, Line


def filled(*ranks: int) -> Line[tuple[int, int]]:
    line: Line[tuple[int, int]] = Line()
    for number, rank in enumerate(ranks):
        line.put((rank, number), rank=rank)
    return line


def test_the_better_rank_goes_first_and_within_a_rank_who_came_first() -> None:
    line = filled(COURTESY, 2, 2, 0, 1, 0)
    taken = [line.take() for _ in range(6)]
    assert taken == [(0, 3), (0, 5), (1, 4), (2, 1), (2, 2), (COURTESY, 0)]


def test_no_rank_waits_for_ever() -> None:
    line = filled(2)
    for number in range(1, OLDEST_EVERY + 1):
        line.put((0, number), rank=0)
        if line.take() == (2, 0):
            return
    raise AssertionError("turbo that never ends held relax up")


def test_who_takes_only_better_ranks_waits_for_one() -> None:
    line, taken = filled(2, 2), list[tuple[int, int] | None]()
    waiting = threading.Thread(target=lambda: taken.append(line.take(worst=0)), daemon=True)
    waiting.start()
    waiting.join(0.05)
    assert taken == []
    line.put((0, 2), rank=0)
    waiting.join(10)
    assert taken == [(0, 2)]
    assert [line.take() for _ in range(2)] == [(2, 0), (2, 1)]
