"""Every request of this process to Discord: when it may go, and what came back."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import aiohttp

from shared.pace import Pace, Urgency

REFUSED = frozenset({401, 403, 429})
_urgency: ContextVar[Urgency] = ContextVar("urgency", default=Urgency.OTHER)
_tries: ContextVar[list[str] | None] = ContextVar("tries", default=None)


class Spent(Exception):
    """The request was to be tried once; the library would have tried it again."""


@contextmanager
def urgent(urgency: Urgency, *, once: bool = False) -> Iterator[None]:
    """How the requests inside stand among others. `once`: no second try, whatever comes back."""
    named, counted = _urgency.set(urgency), _tries.set([] if once else None)
    try:
        yield
    finally:
        _urgency.reset(named)
        _tries.reset(counted)


def traced(pace: Pace) -> aiohttp.TraceConfig:
    """For discord.py's sessions. Answers to interactions wait for nothing."""

    async def start(_: object, __: object, request: aiohttp.TraceRequestStartParams) -> None:
        path = request.url.path
        if "/api/v" not in path or "/interactions/" in path:
            return
        _count_try(path)
        # Discord counts what goes through an interaction's token in buckets of its own.
        if "/webhooks/" in path:
            pace.check(_urgency.get())
        else:
            await pace.take(_urgency.get())

    async def end(_: object, __: object, request: aiohttp.TraceRequestEndParams) -> None:
        answer = request.response
        if answer.status in REFUSED and answer.headers.get("X-RateLimit-Scope") != "shared":
            await pace.note_refused()

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(start)
    trace.on_request_end.append(end)
    return trace


def _count_try(path: str) -> None:
    tries = _tries.get()
    if tries is None:
        return
    if tries:
        raise Spent(path.rpartition("/")[2])
    tries.append(path)
