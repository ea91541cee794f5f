"""A step that hangs ends the process; a slow one, or none, does not."""

import subprocess
import sys

from farm.engine.watchdog import HUNG, Heart, Patience

PATIENT = Patience(times=10, least_s=5)


def test_no_step_is_no_hang() -> None:
    heart = Heart(PATIENT)
    assert not heart.hangs(1e9)
    heart.begins(0)
    heart.ends(1)
    assert not heart.hangs(1e9)


def test_a_step_far_beyond_the_usual_is_one() -> None:
    heart = Heart(PATIENT)
    for second in range(100):
        heart.begins(second)
        heart.ends(second + 1)
    heart.begins(100)
    assert not heart.hangs(109)
    assert heart.hangs(111)


def test_the_first_steps_may_be_slow() -> None:
    heart = Heart(PATIENT)
    heart.begins(0)
    assert not heart.hangs(4.9)
    assert heart.hangs(5.1)


def test_a_process_whose_step_hangs_ends_by_itself() -> None:
    code = """
import time
from farm.engine import watchdog
watchdog.LOOK_EVERY_S = 0.01
dog = watchdog.Watchdog(watchdog.Patience(times=1, least_s=0.05))
dog.start()
dog.begins(time.monotonic())
while True:
    pass
"""
    ended = subprocess.run([sys.executable, "-c", code], timeout=30, capture_output=True)
    assert ended.returncode == HUNG
