"""Accounts and jobs as the stores' tests need them, made through the stores themselves."""

from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID

from shared import accounts, jobstore, ledger
from shared.accounts import Account
from shared.config import SHARED
from shared.connections import Session
from shared.jobs import Job, JobKind, JobState
from shared.plans import PlanBook, Speed, read_plans
from shared.spec import RenderSpec
from shared.weights import WeightedText

BOOK: PlanBook = read_plans(SHARED / "plans.toml")
_numbers = count(1)

SPEC = RenderSpec(
    checkpoint="postcards",
    texts=(WeightedText("a red sailboat"),),
    negative="",
    width=64,
    height=64,
    steps=12,
    guidance=4.0,
    sampler="dpm++2m-karras",
    seed=7,
    images=4,
    scale=8,
    pixel_art=True,
)


@dataclass(frozen=True)
class Ruling:
    """A verdict, whatever the filters think."""

    decision: str = "allow"
    category: str = "none"
    score: float = 0.0
    rule: str = ""
    policy: str = "test"
    sha256: str = "0" * 64


async def make_account(session: Session, name: str = "ada", *, plan: str = "free") -> Account:
    return await accounts.ensure(session, f"discord-{name}", name, plan=plan, book=BOOK)


async def make_job(session: Session, account: Account, **fields: Any) -> Job:
    """A waiting job with a hold of its estimate."""
    values: dict[str, Any] = {
        "plan": account.plan,
        "kind": JobKind.IMAGINE,
        "speed": Speed.FAST,
        "prompt": "a red sailboat",
        "spec": SPEC,
        "submission_key": f"key-{next(_numbers)}",
        "estimate_ms": 1000,
    }
    job = await jobstore.insert(session, account_id=account.id, **(values | fields))
    await ledger.hold(session, account.id, job.id, job.estimate_ms)
    return job


async def bring_to(session: Session, job: Job, state: JobState, *, worker: str = "w1") -> Job:
    """Moves a waiting job there along legal transitions, money included."""
    if state is JobState.WAITING:
        return job
    if state is JobState.CANCELLED:
        moved = await jobstore.cancelled(session, job.id, job.account_id)
        return await _refund(session, moved)
    moved = await jobstore.dispatched(session, job.id, worker=worker)
    if state is not JobState.DISPATCHED:
        moved = await jobstore.running(session, job.id, attempt=1, worker=worker, lease_s=15)
    if state.terminal:
        moved = await end(session, job.id, state, worker=worker)
    assert moved is not None
    return moved


async def end(session: Session, job_id: UUID, state: JobState, *, worker: str = "w1") -> Job:
    """Ends a running job at its first attempt."""
    told = {"code": "why", "sentence": "Because."}
    if state is JobState.SUCCEEDED:
        verdict = await jobstore.add_verdict(session, job_id, "job", Ruling(), attempt=1)
        job = await jobstore.succeeded(
            session,
            job_id,
            attempt=1,
            worker=worker,
            verdict_id=verdict,
            gpu_ms=900,
            charged_ms=900,
        )
        assert job is not None
        await ledger.settle(session, job, 900)
        return job
    if state is JobState.BLOCKED:
        blocked = await jobstore.blocked(
            session, job_id, attempt=1, worker=worker, gpu_ms=9, **told
        )
        return await _refund(session, blocked)
    failed = await jobstore.failed(session, job_id, attempt=1, worker=worker, **told)
    return await _refund(session, failed)


async def _refund(session: Session, job: Job | None) -> Job:
    assert job is not None
    await ledger.release(session, job)
    return job
