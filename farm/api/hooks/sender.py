"""Sends what webhooks are to be told. Several may run, in several processes: each has what it claimed alone."""

import asyncio
import logging
import ssl
import traceback
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from random import random

from pydantic import SecretStr

from farm.api.hooks.bodies import body_of
from farm.api.hooks.letters import signed, written
from farm.api.hooks.outcomes import settle
from farm.api.services import Services
from shared import hookdeliveries
from shared.errors import Fault, Refusal
from shared.hookdeliveries import Claim
from shared.hooks import Answer, Patience
from shared.safefetch import post

log = logging.getLogger(__name__)

SLOTS = 32  # sendings at once
SHARE = 8  # of one account in one claim: a slow receiver holds up its own alone
WITHIN_S = 10.0  # a receiver must have answered
LEASE_S = 30.0  # longer than any try takes: who has it for longer is dead
IDLE_S = 0.5
GATHER_S = 0.01  # after one is done, so that a claim asks for several
FAREWELL_S = 12.0
ABROAD = "The address may not be told: it must be public, https and on port 443."
SILENT = "The address did not answer."
NOTHING = "There is nothing to tell of this job in its dialect."
OURS = "It could not be written here. That is not the receiver's fault."


@asynccontextmanager
async def sending(services: Services) -> AsyncIterator[None]:
    """Beside the API. What is on its way when this ends has a few seconds to arrive."""
    if services.settings.api.pepper is None:  # then nobody has a key, and nobody a webhook
        yield
        return
    async with opened(services, services.settings.api.pepper) as sender:
        running = asyncio.create_task(sender.for_ever())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await sender.farewell()


@asynccontextmanager
async def opened(
    services: Services, pepper: SecretStr, patience: Patience | None = None
) -> AsyncIterator["Sender"]:
    with ThreadPoolExecutor(SLOTS, "hooks") as threads:
        patience = patience or Patience(services.settings.api.hook_hours)
        yield Sender(services, pepper, threads, patience)


class Sender:
    """`step` claims what is due and starts it; what is on its way, its task knows."""

    def __init__(
        self, services: Services, pepper: SecretStr, threads: ThreadPoolExecutor, patience: Patience
    ) -> None:
        self._services, self._pepper = services, pepper
        self._threads, self._patience = threads, patience
        self._tls = ssl.create_default_context()
        self._busy: dict[asyncio.Task[None], Claim] = {}

    async def for_ever(self) -> None:
        while True:
            try:
                await self.step()
            except Exception:  # whatever it is: what waits to be told must not wait for a restart
                log.exception("webhooks stumbled")
                await asyncio.sleep(IDLE_S)

    async def step(self) -> None:
        claims = await self._claim()
        for claim in claims:
            self._start(claim)
        if not claims:
            await self._rest()

    async def farewell(self) -> None:
        """What is cut off here is told once more by whoever claims it next."""
        if self._busy:
            await asyncio.wait(self._busy, timeout=FAREWELL_S)
        for task in list(self._busy):
            task.cancel()
        await asyncio.gather(*self._busy, return_exceptions=True)

    async def _claim(self) -> list[Claim]:
        room = SLOTS - len(self._busy)
        if not room:
            return []
        busy = Counter(claim.account_id for claim in self._busy.values())
        full = [account_id for account_id, count in busy.items() if count >= SHARE]
        try:
            async with self._services.database.begin() as session:
                return await hookdeliveries.claim(
                    session, most=room, share=SHARE, full=full, lease_s=LEASE_S
                )
        except Fault as fault:
            log.warning("no webhook is told now (%s)", fault.code)
            return []

    def _start(self, claim: Claim) -> None:
        task = asyncio.create_task(self._carry(claim))
        self._busy[task] = claim
        task.add_done_callback(self._busy.pop)

    async def _rest(self) -> None:
        """Until one is done, for another may wait behind it; or until it is time to look again."""
        if not self._busy:
            await asyncio.sleep(IDLE_S)
            return
        await asyncio.wait(self._busy, timeout=IDLE_S, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(GATHER_S)

    async def _carry(self, claim: Claim) -> None:
        """Where the book cannot be written it stays open, and is told again under the same id."""
        answer = await self._told(claim)
        try:
            database = self._services.database
            await settle(database, claim, answer, self._patience, chance=random())
        except Fault as fault:
            log.warning("delivery %d is not noted (%s)", claim.id, fault.code)

    async def _told(self, claim: Claim) -> Answer:
        try:
            body = await body_of(self._services, claim)
        except Exception as error:  # one that cannot be written must not stop the others
            _complain(claim, error)
            return Answer(error=OURS)
        if body is None:
            return Answer(error=NOTHING, final=True)
        return await self._posted(claim, written(body))

    async def _posted(self, claim: Claim, text: str) -> Answer:
        now = datetime.now(UTC)
        headers = signed(claim, text, claim.signer.secrets(self._pepper, now), now)
        try:
            reply = await post(
                claim.url,
                text.encode(),
                headers,
                allowed=self._services.settings.api.hook_origins,
                seconds=WITHIN_S,
                tls=self._tls,
                threads=self._threads,
            )
        except Refusal as refusal:
            return Answer(error=ABROAD if refusal.code == "bad_link" else SILENT)
        return Answer(reply.status, retry_after_s=_seconds(reply.retry_after))


def _complain(claim: Claim, error: Exception) -> None:
    """Where it broke, without what it says: the words of a prompt may be in it."""
    where = "".join(traceback.format_tb(error.__traceback__))
    log.error("delivery %d cannot be written: %s\n%s", claim.id, type(error).__name__, where)


def _seconds(told: str | None) -> float:
    """Of a `Retry-After`; a date in it is not heeded."""
    text = (told or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0
