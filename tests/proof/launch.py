"""As `tests.chaos.launch`, with two more troubles: an event loop that hangs, and a clock that is wrong.

`python -m tests.proof.launch worker --clock 90 --name N --orders FOLDER`
"""

import sys
import time

BLOCKED_LOOP = "blocked_loop"  # a spell
LOOK_S = 0.02


def main() -> int:
    arguments = sys.argv[1:]
    if "--clock" in arguments:
        at = arguments.index("--clock")
        _set_clock(float(arguments[at + 1]))
        del arguments[at : at + 2]
    from tests.chaos import launch  # after the clock was set: some modules take its functions along

    if arguments[0] == "worker":
        _may_block(arguments[1:])
    return launch.main(arguments)


def _set_clock(ahead_s: float) -> None:
    """Of this process alone. The monotonic clock is right: only a human can set the other one wrong."""
    right = time.time
    time.time = lambda: right() + ahead_s


def _may_block(arguments: list[str]) -> None:
    """Nothing of this process moves while the spell lasts, but its child and its sockets live."""
    from pathlib import Path

    from farm.tenure import Tenure
    from tests.chaos.points import Points

    told = dict(zip(arguments[::2], arguments[1::2], strict=True))
    points, real = Points(Path(told["--orders"]), told["--name"]), Tenure.expire

    async def expire(self: Tenure) -> None:
        while points.lasts(BLOCKED_LOOP):
            time.sleep(LOOK_S)
        await real(self)

    Tenure.expire = expire  # type: ignore[method-assign]


if __name__ == "__main__":
    sys.exit(main())
