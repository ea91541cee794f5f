"""Jobs in Postgres. Each transition is one conditional UPDATE that names what it expects of the row.

None back means that someone else was first. That is no error: the caller has lost the job and stops.
Times come from the database's clock alone.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Float, and_, bindparam, case, func, select, update
from sqlalchemy.dialects.postgresql import insert as insert_row

from shared import uploads
from shared.assets import Asset as Asset
from shared.assets import add_asset as add_asset
from shared.assets import add_verdict as add_verdict
from shared.assets import assets as assets
from shared.connections import Session
from shared.deliveries import delivered as delivered
from shared.deliveries import open_deliveries as open_deliveries
from shared.deliveries import route as route
from shared.deliveries import set_route as set_route
from shared.deliveries import undeliverable as undeliverable
from shared.errors import Refusal
from shared.handovers import dispatched as dispatched
from shared.handovers import dispatched_all as dispatched_all
from shared.handovers import running as running
from shared.handovers import running_all as running_all
from shared.joblists import asked as asked
from shared.joblists import by_submission as by_submission
from shared.joblists import by_submissions as by_submissions
from shared.joblists import children as children
from shared.joblists import dispatched_to as dispatched_to
from shared.joblists import load as load
from shared.joblists import open_jobs as open_jobs
from shared.joblists import queue_counts as queue_counts
from shared.joblists import recent as recent
from shared.joblists import running_and_waiting as running_and_waiting
from shared.joblists import sent as sent
from shared.joblists import state_counts as state_counts
from shared.joblists import waiting as waiting
from shared.jobrows import ROW, job_from
from shared.jobs import Job, JobKind, JobState, Visibility
from shared.leases import owned as owned
from shared.leases import renew_leases as renew_leases
from shared.plans import Speed
from shared.spec import RenderSpec
from shared.tables import jobs
from shared.workers import WorkerRow as WorkerRow
from shared.workers import forget_worker as forget_worker
from shared.workers import heartbeat as heartbeat
from shared.workers import live_workers as live_workers

WORKER_LOST = "worker_lost"
WORKER_LOST_SENTENCE = (
    "The worker that drew this picture was lost too many times. "
    "Nothing was charged; please try again."
)
LATE = "deadline"
LATE_SENTENCE = "It was not finished by the time that was asked for. Nothing was charged."
_OPEN = (JobState.WAITING, JobState.DISPATCHED, JobState.RUNNING)
_SENT = (JobState.DISPATCHED, JobState.RUNNING)
_now = func.clock_timestamp


async def insert(
    session: Session,
    *,
    account_id: UUID,
    plan: str,
    kind: JobKind,
    speed: Speed,
    prompt: str,
    spec: RenderSpec,
    submission_key: str,
    estimate_ms: int,
    parent_id: UUID | None = None,
    parent_index: int | None = None,
    strict: bool = False,
    guild_id: str | None = None,
    channel_id: str | None = None,
    manner: str = "",
    visibility: Visibility = Visibility.PUBLIC,
    price: float | None = None,
    asked_sha256: str | None = None,
    memo: str = "",
    cancel_after_s: float | None = None,
) -> Job:
    """A new waiting job. Refusal `key_reused` when another account has used this submission key."""
    values = {
        "account_id": account_id,
        "plan": plan,
        "kind": kind,
        "speed": speed,
        "prompt": prompt,
        "spec": spec.as_dict(),
        "spec_sha256": spec.sha256(),
        "submission_key": submission_key,
        "estimate_ms": estimate_ms,
        "parent_id": parent_id,
        "parent_index": parent_index,
        "strict": strict,
        "guild_id": guild_id,
        "channel_id": channel_id,
        "manner": manner,
        "visibility": visibility,
        "price": price,
        "asked_sha256": asked_sha256,
        "uploads": uploads.among(source.key for source in spec.pictures),
        "memo": memo,
        "cancel_after_s": cancel_after_s,
    }
    row = (await session.execute(_INSERT, values)).one_or_none()
    if row is None:
        raise Refusal("key_reused", "This submission was already used for another job.")
    return job_from(row)


async def succeeded(
    session: Session,
    job_id: UUID,
    *,
    attempt: int,
    worker: str,
    verdict_id: int,
    gpu_ms: int,
    charged_ms: int,
    timings: Mapping[str, int] | None = None,
) -> Job | None:
    """running -> succeeded. `verdict_id` is an allow verdict on this job's pixels, or Postgres refuses."""
    values = {
        "of": job_id,
        "at_attempt": attempt,
        "by": worker,
        "allowed_by": verdict_id,
        "measured_ms": gpu_ms,
        "price_ms": charged_ms,
        "took": dict(timings or {}),
    }
    row = (await session.execute(_SUCCEED, values)).one_or_none()
    return None if row is None else job_from(row)


async def blocked(
    session: Session,
    job_id: UUID,
    *,
    attempt: int,
    worker: str,
    code: str,
    sentence: str,
    gpu_ms: int,
) -> Job | None:
    """running -> blocked: the image filter's no. Nothing is charged."""
    return await _move(
        session,
        _owned(job_id, attempt, worker, states=(JobState.RUNNING,)),
        state=JobState.BLOCKED,
        gpu_ms=gpu_ms,
        **_ended(code, sentence),
    )


async def failed(
    session: Session, job_id: UUID, *, attempt: int, worker: str | None, code: str, sentence: str
) -> Job | None:
    """-> failed from any open state; `worker` None means that no worker holds it. Nothing is charged."""
    return await _move(
        session,
        _owned(job_id, attempt, worker, states=_OPEN),
        state=JobState.FAILED,
        **_ended(code, sentence),
    )


async def given_back(session: Session, job_id: UUID, *, attempt: int, worker: str) -> Job | None:
    """dispatched or running -> waiting, on purpose (a deploy): no crash is counted."""
    return await _move(
        session, _owned(job_id, attempt, worker, states=_SENT), **_unsent(JobState.WAITING)
    )


async def cancelled(session: Session, job_id: UUID, account_id: UUID) -> Job | None:
    """-> cancelled from any open state, by its owner. Nothing is charged."""
    return await _move(
        session,
        and_(jobs.c.id == job_id, jobs.c.account_id == account_id, jobs.c.state.in_(_OPEN)),
        state=JobState.CANCELLED,
        charged_ms=0,
        finished_at=_now(),
    )


async def cancelled_all(session: Session, account_id: UUID, guild_id: str | None) -> list[Job]:
    """Every open job of this account (on this server) -> cancelled. The caller releases their credit,
    after this: who holds a balance waits for no job."""
    wanted = and_(
        jobs.c.account_id == account_id, jobs.c.finished_at.is_(None), jobs.c.state.in_(_OPEN)
    )
    if guild_id is not None:
        wanted = and_(wanted, jobs.c.guild_id == guild_id)
    values = {
        "state": JobState.CANCELLED,
        "charged_ms": 0,
        "finished_at": _now(),
        "error_sentence": "Cancelled by a moderator.",
    }
    rows = await session.execute(update(jobs).where(wanted).values(values).returning(*ROW))
    return [job_from(row) for row in rows]


async def cancelled_late(session: Session) -> list[Job]:
    """Every open job that was to be there by now -> cancelled. The caller releases their credit."""
    late = and_(jobs.c.cancel_at < _now(), jobs.c.finished_at.is_(None), jobs.c.state.in_(_OPEN))
    values = {"state": JobState.CANCELLED, **_ended(LATE, LATE_SENTENCE)}
    rows = await session.execute(update(jobs).where(late).values(values).returning(*ROW))
    return [job_from(row) for row in rows]


async def rescued(session: Session, *, max_crashes: int) -> list[Job]:
    """Every job whose lease is past: waiting again, or failed when its workers died too often.

    A running one has crashed once more; a dispatched one was only not heard. The caller releases the
    credit of those that come back failed, in the same transaction.
    """
    past = (
        select(jobs.c.id)
        .where(
            jobs.c.finished_at.is_(None),  # lets the partial index of open jobs serve
            jobs.c.state.in_(_SENT),
            jobs.c.lease_until < _now(),
        )
        .with_for_update(skip_locked=True)
    )
    crashed = jobs.c.state == JobState.RUNNING
    crashes = jobs.c.crashes + case((crashed, 1), else_=0)
    lost = and_(crashed, crashes >= max_crashes)
    statement = (
        update(jobs)
        .where(jobs.c.id.in_(past))
        .values(
            state=case((lost, JobState.FAILED.value), else_=JobState.WAITING.value),
            crashes=crashes,
            worker=case((lost, jobs.c.worker)),
            lease_until=case((lost, jobs.c.lease_until)),
            finished_at=case((lost, _now())),
            charged_ms=case((lost, 0)),
            error_code=case((lost, WORKER_LOST)),
            error_sentence=case((lost, WORKER_LOST_SENTENCE)),
        )
    )
    rows = await session.execute(statement.returning(*ROW))
    return [job_from(row) for row in rows]


# --- rows and clauses ------------------------------------------------------------------------


def _owned(
    job_id: Any, attempt: Any, worker: Any, *, states: tuple[JobState, ...]
) -> ColumnElement[bool]:
    """The fence: a worker that lost its lease, whatever it still believes, matches no row."""
    holder = jobs.c.worker.is_(None) if worker is None else jobs.c.worker == worker
    return and_(jobs.c.id == job_id, jobs.c.attempt == attempt, holder, jobs.c.state.in_(states))


def _ended(code: str, sentence: str) -> dict[str, Any]:
    return {"error_code": code, "error_sentence": sentence, "charged_ms": 0, "finished_at": _now()}


def _unsent(state: JobState) -> dict[str, Any]:
    return {"state": state, "worker": None, "lease_until": None}


async def _move(session: Session, expected: ColumnElement[bool], **values: Any) -> Job | None:
    statement = update(jobs).where(expected).values(**values).returning(*ROW)
    row = (await session.execute(statement)).one_or_none()
    return None if row is None else job_from(row)


# What runs for every job is built once.
_COLUMNS = (
    *("account_id", "plan", "kind", "speed", "prompt", "spec", "spec_sha256", "submission_key"),
    *("estimate_ms", "parent_id", "parent_index", "strict", "guild_id", "channel_id", "manner"),
    *("visibility", "price", "asked_sha256", "uploads", "memo"),
)
_LATE = _now() + func.make_interval(0, 0, 0, 0, 0, 0, bindparam("cancel_after_s", type_=Float))
_INSERT = (
    insert_row(jobs)
    .values({name: bindparam(name) for name in _COLUMNS} | {"cancel_at": _LATE})
    .on_conflict_do_nothing(index_elements=["submission_key"])
    .returning(*ROW)
)
_SUCCEED = (
    update(jobs)
    .where(
        _owned(
            bindparam("of"),
            bindparam("at_attempt"),
            bindparam("by"),
            states=(JobState.RUNNING,),
        )
    )
    .values(
        state=JobState.SUCCEEDED,
        passed_verdict=bindparam("allowed_by"),
        gpu_ms=bindparam("measured_ms"),
        charged_ms=bindparam("price_ms"),
        timings=bindparam("took"),
        finished_at=_now(),
    )
    .returning(*ROW)
)
