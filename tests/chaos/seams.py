"""Points and spells put into a process of Pictor from outside: its functions are wrapped before it runs.

The product has no code for any of this. What is wrapped is named here once, by the place that it is.
"""

import errno
import json
import random
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any

from tests.chaos.points import LEADS, NO_HEARTBEAT, STORAGE_ERRORS, Points

Function = Callable[..., Awaitable[Any]]
FAILS_BEFORE, FAILS_AFTER = 0.3, 0.5  # of a store under a spell: not done; done, but told otherwise


def worker(points: Points) -> None:
    """`before_commit`: all is written, nothing is committed; `after_commit`: nobody was told yet."""
    from farm import delivery, endings
    from farm.render import Walk
    from farm.tenure import Tenure
    from shared import ledger

    _before(Tenure, "_start", points, "after_claim")
    _before(Walk, "_deliver", points, "after_filter")
    _after(delivery, "publish", points, "after_put")
    _after(ledger, "settle", points, "before_commit")
    _after(endings, "_persistently", points, "after_commit")
    _silence(Tenure, "beat", points)
    _spoil(points)


def painter(folder: Path) -> None:
    """Every step that the engine told of, as a line in its job's file: {attempt, step, from}."""
    from farm.engine.messages import Stepped
    from farm.render import Walk

    def around(real: Function) -> Function:
        async def wrapped(walk: Any, message: Any) -> Any:
            if isinstance(message, Stepped):
                told = {"attempt": walk.job.attempt, "step": message.step}
                with (folder / f"{message.job_id}.steps").open("a") as lines:
                    lines.write(json.dumps(told | {"from": message.resumed_from}) + "\n")
            return await real(walk, message)

        return wrapped

    _wrap(Walk, "_heed", around)


def dispatcher(points: Points) -> None:
    from farm.dispatcher import Dispatcher
    from shared import jobstore
    from shared.bell import Bell

    _after(jobstore, "dispatched_all", points, "before_commit")
    _before(Bell, "ring_workers", points, "after_commit")
    _noted(Dispatcher, "_lead", points)


def bot(points: Points) -> None:
    from bot.mail import Mail

    _before(Mail, "deliver", points, "before_edit")
    _after(Mail, "deliver", points, "after_edit")


def _before(owner: Any, name: str, points: Points, place: str) -> None:
    def around(real: Function) -> Function:
        async def wrapped(*arguments: Any, **named: Any) -> Any:
            points.passed(place)
            return await real(*arguments, **named)

        return wrapped

    _wrap(owner, name, around)


def _after(owner: Any, name: str, points: Points, place: str) -> None:
    def around(real: Function) -> Function:
        async def wrapped(*arguments: Any, **named: Any) -> Any:
            answer = await real(*arguments, **named)
            points.passed(place)
            return answer

        return wrapped

    _wrap(owner, name, around)


def _noted(owner: Any, name: str, points: Points) -> None:
    def around(real: Function) -> Function:
        async def wrapped(*arguments: Any, **named: Any) -> Any:
            points.note(LEADS)
            return await real(*arguments, **named)

        return wrapped

    _wrap(owner, name, around)


def _silence(owner: Any, name: str, points: Points) -> None:
    """The event loop lives, the engine draws, and no lease is renewed."""

    def around(real: Function) -> Function:
        async def wrapped(*arguments: Any, **named: Any) -> Any:
            if not points.lasts(NO_HEARTBEAT):
                return await real(*arguments, **named)
            return None

        return wrapped

    _wrap(owner, name, around)


def _wrap(owner: Any, name: str, around: Callable[[Function], Function]) -> None:
    real: Function = getattr(owner, name)  # a seam that has moved is an error at once
    setattr(owner, name, wraps(real)(around(real)))


def _spoil(points: Points) -> None:
    """A disk that fails now and then, sometimes only after it has done what it was told."""
    from shared import storage

    write, dice = storage._write_once, random.Random()

    def spoiled(path: Path, data: bytes) -> None:
        fate = dice.random() if points.lasts(STORAGE_ERRORS) else 1.0
        if fate >= FAILS_BEFORE:
            write(path, data)
        if fate < FAILS_AFTER:
            raise OSError(errno.EIO, "the disk was told to fail")

    storage._write_once = spoiled
