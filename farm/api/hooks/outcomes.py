"""What becomes of a delivery after a try: it is done, tried later, or given up, and its address with it."""

import logging

from shared import hookdeliveries, hookrows
from shared.connections import Database
from shared.hookdeliveries import Claim
from shared.hooks import Answer, Patience
from shared.telemetry import HOOKS_TOLD

log = logging.getLogger(__name__)

GONE = "The address answered 410: it is gone for good."
SILENT = "The address took nothing for days."


async def settle(
    database: Database, claim: Claim, answer: Answer, patience: Patience, *, chance: float
) -> None:
    """`chance` from 0 to 1 spreads the next try. Each row is written by itself, but for an address that is
    switched off: first the webhook, as whoever switches it off does, then what it was to be told."""
    if answer.taken:
        outcome = await _delivered(database, claim, answer)
    elif (pause_s := patience.pause_s(answer, age_s=claim.age_s, chance=chance)) is not None:
        outcome = await _postponed(database, claim, answer, pause_s)
    else:
        outcome = "given_up"
        if answer.gone or patience.is_over(claim.failing_s):
            await _switch_off(database, claim, answer, GONE if answer.gone else SILENT)
        else:
            await _give_up(database, claim, answer)
    HOOKS_TOLD.labels(outcome).inc()


async def _delivered(database: Database, claim: Claim, answer: Answer) -> str:
    async with database.single() as session:
        await hookdeliveries.delivered(session, claim.id, answer.status or 0)
    if claim.failing_s:
        async with database.single() as session:
            await hookrows.failing(session, claim.webhook_id, False)
    return "delivered"


async def _postponed(database: Database, claim: Claim, answer: Answer, pause_s: float) -> str:
    async with database.single() as session:
        await hookdeliveries.postponed(session, claim, answer, pause_s=pause_s)
    if not claim.failing_s:
        async with database.single() as session:
            await hookrows.failing(session, claim.webhook_id, True)
    return "postponed"


async def _give_up(database: Database, claim: Claim, answer: Answer) -> None:
    async with database.single() as session:
        await hookdeliveries.given_up(session, claim, answer)


async def _switch_off(database: Database, claim: Claim, answer: Answer, because: str) -> None:
    """At once: a delivery that was given up before would let the next of its job pass."""
    async with database.begin() as session:
        was_on = await hookrows.switch_off(session, claim.webhook_id, because)
        await hookdeliveries.given_up(session, claim, answer)
        if not was_on:
            return
        left = await hookdeliveries.give_up_all(session, claim.webhook_id, because)
    log.warning("webhook %s is off: %s %d left untold", claim.webhook_id, because, left)
