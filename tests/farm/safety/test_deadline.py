import threading

import pytest

from farm.safety.deadline import Deadline


def test_a_late_call_is_told_and_its_thread_ends_when_it_returns() -> None:
    gate, before = threading.Event(), set(threading.enumerate())
    deadline = Deadline(0.05)
    with pytest.raises(TimeoutError, match=r"no answer in 0\.05 s"):
        deadline.call(lambda: gate.wait(20))
    [late] = set(threading.enumerate()) - before
    assert deadline.call(lambda: threading.current_thread()) is not late
    gate.set()
    late.join(10)
    assert not late.is_alive()


def test_a_thread_ends_with_its_deadline() -> None:
    deadline = Deadline(10)
    thread = deadline.call(threading.current_thread)
    assert deadline.call(threading.current_thread) is thread
    del deadline
    thread.join(10)
    assert not thread.is_alive()
