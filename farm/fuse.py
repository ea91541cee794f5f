"""What a worker does about a filter that cannot answer: pause the farm, test itself, and resume.

The pause is a row, so that admission, the dispatcher and every moderator see it; it outlives this
process, which then goes on testing. A moderator may resume at any time and answers for it.
"""

import asyncio
import contextlib
import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from random import Random

from farm import delivery
from farm.child import Child, EngineGone
from farm.engine.messages import Finding, Inspect, Inspected, Picture
from farm.rulings import breaks_trust
from farm.safety.breaker import Breaker, Limits
from farm.safety.watchlist import Watchlist
from shared.connections import Database
from shared.errors import Fault
from shared.moderation import pauses
from shared.moderation.pauses import SAFETY, Pause

log = logging.getLogger(__name__)

TEND_EVERY_S = 2.0
ANSWER_WITHIN_S = 30.0  # the filter's own limit is stricter
SIDE = 64
# Without which no picture may leave either.
FAULTS = frozenset({"not_marked", "not_signed", "unchecked_picture"})
REASON = "The image filter of {worker} cannot answer: {rule}."
TEST_ID = "self-test"


class Fuse:
    """`worker` is its name. `heard` and `faulted` are told of every job, `tend` is called for ever."""

    def __init__(
        self,
        worker: str = "",
        limits: Limits | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._worker, self._clock = worker, clock
        self._breaker = Breaker(limits)
        self._blown = asyncio.Event()
        self._rule = "it has failed before"
        self._shown: tuple[str, Picture] | None = None
        self._told = False  # whether the pause was written

    @property
    def actor(self) -> str:
        return f"filter:{self._worker}"

    @property
    def open(self) -> bool:
        return self._breaker.open

    def heard(self, checkpoint: str, drawn: Sequence[Picture], findings: Sequence[Finding]) -> None:
        """The findings that decide a job. One picture that passed is kept, in memory, to test with."""
        broken = next((finding for finding in findings if breaks_trust(finding)), None)
        if broken is None and delivery.all_allowed(drawn, findings):
            self._shown = checkpoint, drawn[0]
        self._judged(broken.rule if broken else None)

    def faulted(self, fault: Fault) -> None:
        """A job that ended by a Fault: only those count without which no picture may leave."""
        if fault.code in FAULTS:
            self._judged(fault.code)

    async def awake(self) -> None:
        """Until it blows, or it is time to look after it."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._blown.wait(), TEND_EVERY_S)
        self._blown.clear()

    async def tend(self, database: Database, child: Child, watch: Watchlist) -> None:
        """Pause when it has blown, test while we are the reason for the pause, resume when it is well."""
        paused = await _pause(database)
        if self._breaker.open and paused is None and not self._told:
            await self._pause(database)
        elif self._breaker.open and paused is None:
            self._reset("somebody has resumed")
        elif paused is not None and paused.actor == self.actor:
            self._breaker.trip()
            self._told = True
            await self._test(database, child, watch)

    def _judged(self, rule: str | None) -> None:
        was_open = self._breaker.open
        self._breaker.judged(failed=rule is not None)
        if rule is not None:
            self._rule = rule
        if self._breaker.open and not was_open:
            self._told = False
            self._blown.set()
            log.critical("The image filter cannot answer (%s): no more jobs.", rule)

    async def _pause(self, database: Database) -> None:
        reason = REASON.format(worker=self._worker, rule=self._rule)
        async with database.begin() as session:
            await pauses.pause(session, SAFETY, reason, self.actor)
        self._told = True

    async def _test(self, database: Database, child: Child, watch: Watchlist) -> None:
        passed = await self._passes(child, watch)
        if not self._breaker.tested(passed=passed, now=self._clock()):
            return
        async with database.begin() as session:
            await pauses.resume(session, SAFETY, self.actor)
        self._reset("it has passed its tests")

    async def _passes(self, child: Child, watch: Watchlist) -> bool:
        """A picture that passed before passes again; without one, any answer but a failure will do."""
        checkpoint, picture = self._shown or ("", _made_up())
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                found = await _asked(child, checkpoint, picture)
        except (EngineGone, TimeoutError):
            return False
        found = await watch.screen([picture], found)
        if self._shown is not None:
            return delivery.all_allowed([picture], found)
        bound = [finding.sha256 for finding in found] == [picture.sha256]
        return bound and not breaks_trust(found[0])

    def _reset(self, why: str) -> None:
        self._breaker.close()
        self._told = False
        log.warning("The image filter is trusted again: %s.", why)


async def _pause(database: Database) -> Pause | None:
    async with database.single() as session:
        standing = await pauses.current(session)
    return next((one for one in standing if one.scope == SAFETY), None)


async def _asked(child: Child, checkpoint: str, picture: Picture) -> list[Finding]:
    talk = child.open(TEST_ID, 0)
    try:
        await talk.say(Inspect(TEST_ID, [picture], checkpoint))
        while not isinstance(message := await talk.hear(), Inspected):
            continue
        return message.findings
    finally:
        talk.leave()


def _made_up() -> Picture:
    """A soft gradient with a little noise: no detector has a reason to fail on it."""
    numbers = Random(0)
    rgb = bytes(
        (x * 3 + y + numbers.randrange(16)) % 256
        for y in range(SIDE)
        for x in range(SIDE)
        for _ in range(3)
    )
    return Picture(0, SIDE, SIDE, rgb, sha256=hashlib.sha256(rgb).hexdigest(), seed=0)
