"""How a job ends at its worker: each way is one transaction, and each tells whoever listens.

Nothing here decides by the clock or by memory: a change holds only while the row still names this
worker and this attempt. Otherwise it is OwnershipLost, and nothing was written.
"""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec

from farm.child import OwnershipLost
from farm.closet import Closet
from farm.delivery import Parcel, digest
from farm.engine.messages import Finding, Picture
from farm.fuse import Fuse
from farm.packing import Packed, Packer
from farm.rulings import code_for, is_innocent, is_ours, sentence_for, worst_of
from farm.safety.cell import Cell
from farm.safety.watchlist import Watchlist
from shared import jobstore, ledger
from shared.assets import Asset, add_assets, add_verdicts, named
from shared.config import SafetySettings, WorkerSettings
from shared.connections import Database, Session
from shared.cost import charge_ms, priced
from shared.errors import Fault
from shared.events import EventKind, Events, JobEvent
from shared.fingerprints import add_fingerprints
from shared.jobs import Job, JobState
from shared.moderation import cases
from shared.moderation.audit import audit
from shared.moderation.strikes import DEFAULT, strike
from shared.plans import PlanBook
from shared.storage import ObjectStore

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0
EXPIRED_LEASE_S = 0.001
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bench:
    """What every job of this worker is made with."""

    database: Database
    store: ObjectStore
    events: Events
    book: PlanBook
    settings: WorkerSettings
    packer: Packer
    watch: Watchlist = field(default_factory=Watchlist)
    safety: SafetySettings = DEFAULT
    fuse: Fuse = field(default_factory=Fuse)
    cell: Cell = field(default_factory=Cell)
    closet: Closet | None = None  # without one, nobody wears what people brought


@dataclass(frozen=True, slots=True)
class Drawn:
    """Pictures in order, what the filter found in each, the measured share of the GPU, and times in ms."""

    pictures: Sequence[Picture]
    findings: Sequence[Finding]
    gpu_ms: int
    timings: Mapping[str, int]


async def succeeded(bench: Bench, job: Job, drawn: Drawn, packed: Packed) -> None:
    async def change(session: Session) -> Job | None:
        surest = max(drawn.findings, key=lambda finding: finding.score)
        *each, whole = await _add_verdicts(session, job, drawn, surest)
        charged = await _charge(session, bench, job, drawn.gpu_ms)
        ended = await jobstore.succeeded(
            session,
            job.id,
            attempt=job.attempt,
            worker=bench.settings.name,
            verdict_id=whole,
            gpu_ms=drawn.gpu_ms,
            charged_ms=charged,
            timings=drawn.timings,
        )
        if ended is not None:
            passed = [each[one.index] if one.kind == "image" else whole for one in packed.parcels]
            files = [_asset(job, parcel) for parcel in packed.parcels]
            await add_assets(session, list(zip(files, passed, strict=True)))
            await add_fingerprints(session, job.id, packed.fingerprints)
            await ledger.settle(session, ended, charged)
        return ended

    await _end(bench, job, JobState.SUCCEEDED, change)


async def blocked(bench: Bench, job: Job, drawn: Drawn) -> None:
    """Nothing stored, nothing charged. A strike and a case only for what somebody can be blamed for."""
    worst = worst_of(drawn.findings)

    async def change(session: Session) -> Job | None:
        *_, whole = await _add_verdicts(session, job, drawn, worst)
        ended = await jobstore.blocked(
            session,
            job.id,
            attempt=job.attempt,
            worker=bench.settings.name,
            code=code_for(worst),
            sentence=sentence_for(worst),
            gpu_ms=drawn.gpu_ms,
        )
        if ended is not None:
            await ledger.release(session, ended)
            if is_ours(worst):
                told = {"rule": worst.rule, "policy": worst.policy, "attempt": job.attempt}
                await audit(session, bench.settings.name, "filter_failed", f"job:{job.id}", told)
            if not is_innocent(worst):
                await _accuse(session, bench, job, drawn, worst, verdict_id=whole)
        return ended

    await _end(bench, job, JobState.BLOCKED, change)


async def _accuse(
    session: Session, bench: Bench, job: Job, drawn: Drawn, worst: Finding, *, verdict_id: int
) -> None:
    """A strike, and the case that its owner may appeal with."""
    case_id = await cases.note(
        session,
        kind=cases.PICTURE,
        account_id=job.account_id,
        guild_id=job.guild_id,
        verdict=worst,
        verdict_id=verdict_id,
        job_id=job.id,
        picture=drawn.findings.index(worst) if worst in drawn.findings else None,
        prompt=job.prompt,
    )
    await strike(
        session,
        job.account_id,
        job.id,
        worst,
        case_id=case_id,
        guild_id=job.guild_id,
        rules=bench.safety,
    )


async def failed(bench: Bench, job: Job, fault: Fault) -> None:
    async def change(session: Session) -> Job | None:
        ended = await jobstore.failed(
            session,
            job.id,
            attempt=job.attempt,
            worker=bench.settings.name,
            code=fault.code,
            sentence=fault.sentence,
        )
        if ended is not None:
            await ledger.release(session, ended)
        return ended

    await _end(bench, job, JobState.FAILED, change)


async def given_back(bench: Bench, job: Job) -> None:
    """A deploy: the next worker goes on from the snapshot, and no crash is counted."""

    async def change(session: Session) -> Job | None:
        return await jobstore.given_back(
            session, job.id, attempt=job.attempt, worker=bench.settings.name
        )

    await _end(bench, job, JobState.WAITING, change)


async def surrendered(bench: Bench, job: Job, fault: Fault) -> None:
    """A crash: the lease ends now, so that the rescuer, who counts crashes, need not wait for it. Why
    it crashed is written down for the operator."""
    name = bench.settings.name
    detail = {"attempt": job.attempt, "code": fault.code, "sentence": fault.sentence}

    async def change(session: Session) -> None:
        mine = {job.id: job.attempt}
        if await jobstore.renew_leases(session, name, mine, EXPIRED_LEASE_S):
            await audit(session, name, "crash", f"job:{job.id}", detail)

    await _persistently(bench.database, change)


async def owned(bench: Bench, job: Job) -> bool:
    async with bench.database.single() as session:
        return await jobstore.owned(
            session, job.id, attempt=job.attempt, worker=bench.settings.name
        )


async def delivered(bench: Bench, keys: Sequence[str]) -> set[str]:
    """Those that are files of ours, each with a verdict."""
    async with bench.database.read() as session:
        return await named(session, keys)


async def _end(
    bench: Bench, job: Job, state: JobState, change: Callable[[Session], Awaitable[Job | None]]
) -> None:
    """OwnershipLost when the row is no longer ours, unless an answer that got lost had ended it."""

    async def guarded(session: Session) -> Job:
        ended = await change(session)
        if ended is None:
            raise OwnershipLost
        return ended

    try:
        await _persistently(bench.database, guarded)
    except OwnershipLost:
        if not await _ended_before(bench, job, state):
            raise
    log.info("Attempt %d of job %s ends here: %s.", job.attempt, job.id, state.value)
    await bench.events.publish(JobEvent(job.id, EventKind.STATE, state=state.value))


async def _ended_before(bench: Bench, job: Job, state: JobState) -> bool:
    """A commit whose reply was lost still counts: only we hold this attempt, so it was ours."""

    async def look(session: Session) -> Job | None:
        return await jobstore.load(session, job.id)

    row = await _persistently(bench.database, look)
    return row is not None and _is_mine(row, job, bench, state=state)


def _is_mine(row: Job, job: Job, bench: Bench, *, state: JobState) -> bool:
    return (row.state, row.attempt, row.worker) == (state, job.attempt, bench.settings.name)


async def _persistently(database: Database, change: Callable[[Session], Awaitable[T]]) -> T:
    """A database that is away is waited for: the picture is drawn, and only a row can end its job."""
    pause = FIRST_PAUSE_S
    while True:
        try:
            async with database.begin() as session:
                return await change(session)
        except Fault as fault:
            if not fault.retryable:
                raise
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_S)


async def _charge(session: Session, bench: Bench, job: Job, gpu_ms: int) -> int:
    """At the price that was told when it was accepted, whatever the plans file says by now."""
    ceiling = await ledger.held(session, job.id)
    return charge_ms(gpu_ms, job.speed, priced(job, bench.book), ceiling_ms=ceiling)


async def _add_verdicts(session: Session, job: Job, drawn: Drawn, deciding: Finding) -> list[int]:
    """One for each picture; last the job's own: the finding that decides it, bound to every picture."""
    joined = hashlib.sha256("".join(digest(p) for p in drawn.pictures).encode()).hexdigest()
    whole = msgspec.structs.replace(deciding, sha256=joined)
    told = [*(("image", finding) for finding in drawn.findings), ("job", whole)]
    return await add_verdicts(session, job.id, told, attempt=job.attempt)


def _asset(job: Job, parcel: Parcel) -> Asset:
    return Asset(
        job_id=job.id,
        kind=parcel.kind,
        index=parcel.index,
        key=parcel.key,
        sha256=parcel.sha256,
        size=len(parcel.data),
        width=parcel.width,
        height=parcel.height,
        mime=parcel.mime,
    )
