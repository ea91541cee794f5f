"""The prediction: what the API tells of a job, the same wherever it is told (answers, events, webhooks)."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from farm.api.services import Services
from farm.api.told import fraction
from shared import dossiers
from shared.assets import Asset
from shared.cost import hold_ms, priced
from shared.dossiers import Dossier
from shared.jobs import Job, JobKind, JobState, Visibility
from shared.jobstore import LATE
from shared.plans import PlanBook, Speed
from shared.waits import Outlook

Status = Literal["starting", "processing", "succeeded", "failed", "canceled", "aborted"]
STATUS: dict[JobState, Status] = {
    JobState.WAITING: "starting",
    JobState.DISPATCHED: "starting",
    JobState.RUNNING: "processing",
    JobState.SUCCEEDED: "succeeded",
    JobState.FAILED: "failed",
    JobState.BLOCKED: "failed",
    JobState.CANCELLED: "canceled",
}


class Picture(BaseModel):
    """A delivered file. `url` is good for as long as the picture is kept."""

    url: str = Field(examples=["http://127.0.0.1:8701/assets/0b6c/1/5f3a-0.webp"])
    width: int = Field(examples=[512])
    height: int = Field(examples=[512])
    mime: str = Field(examples=["image/webp"])
    index: int = Field(examples=[0], description="From 0: what variations and upscales name it by.")
    alt: str = Field(examples=["Picture 1 of 4: a red sailboat"])


class Failure(BaseModel):
    """Why there are no pictures. Nothing was charged."""

    code: str | None = Field(examples=["worker_lost"])
    detail: str = Field(examples=["The worker that drew this picture was lost too many times."])


class Origin(BaseModel):
    """The picture of another job that this one goes on from."""

    job: UUID
    index: int = Field(examples=[0])


class Given(BaseModel):
    """What was asked for, as it was understood. Links in the prompt name our own copies."""

    kind: JobKind = Field(examples=["imagine"])
    prompt: str = Field(examples=["a red sailboat --ar 3:2"])
    model: str = Field(examples=["postcards"])
    width: int = Field(examples=[512])
    height: int = Field(examples=[512])
    images: int = Field(examples=[4])
    steps: int = Field(examples=[12])
    guidance: float = Field(examples=[4.0])
    sampler: str = Field(examples=["dpm++2m-karras"])
    speed: Speed = Field(examples=["fast"])
    visibility: Visibility = Field(examples=["public"])
    manner: str = Field(default="", examples=["subtle"], description="How its verb was meant.")
    parent: Origin | None = None


class Metrics(BaseModel):
    """Seconds it took, and GPU-milliseconds it costs. `held_ms` is the most it may cost; `charged_ms` what
    it did, 0 for what failed; `price` of one measured GPU-millisecond at its speed."""

    queue_s: float | None = Field(default=None, examples=[0.4])
    total_s: float | None = Field(default=None, examples=[3.1])
    gpu_s: float | None = Field(default=None, examples=[2.2])
    held_ms: int = Field(examples=[3000])
    charged_ms: int | None = Field(default=None, examples=[2200])
    price: float = Field(examples=[1.0])
    stages_ms: dict[str, int] = Field(default_factory=dict, examples=[{"denoise": 1900}])


class Place(BaseModel):
    """Where it stands while it waits: place from 1, seconds until it starts and until it is there, and why
    it waits. Null where nobody can say."""

    position: int | None = Field(examples=[3])
    start_s: float | None = Field(examples=[12.0])
    eta_s: float | None = Field(examples=[20.0])
    reason: str = Field(examples=["All GPUs are busy."])


class Urls(BaseModel):
    """`events` is its events as Server-Sent Events, `stream` the same by WebSocket; `web` its page."""

    get: str = Field(examples=["http://127.0.0.1:8701/v1/jobs/0b6c..."])
    cancel: str
    events: str
    stream: str
    web: str


class Prediction(BaseModel):
    """A job. `status` is the word other services use, `state` our own."""

    id: UUID
    object: Literal["prediction"] = "prediction"
    status: Status = Field(examples=["succeeded"])
    state: JobState = Field(examples=["succeeded"])
    input: Given
    output: list[Picture] = Field(
        description="Empty until it succeeded, or after it was withdrawn."
    )
    grid: Picture | None = Field(default=None, description="All pictures in one file.")
    error: Failure | None = None
    metrics: Metrics
    progress: float | None = Field(default=None, examples=[1.0], description="From 0 to 1.")
    queue: Place | None = None
    urls: Urls
    created_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None
    seed: int = Field(examples=[7], description="Of the first picture; the next has one more.")
    metadata: dict[str, str] = Field(default_factory=dict, examples=[{"order": "17"}])
    reused: bool = Field(default=False, description="Drawn before, and free this time.")


async def predictions(
    services: Services, jobs: Sequence[Job], *, reused: bool = False
) -> list[Prediction]:
    """In the order of `jobs`, which whoever is told may see."""
    if not jobs:
        return []
    async with services.database.read() as session:
        told = await dossiers.read(session, jobs)
    waiting = [job.id for job in jobs if job.state is JobState.WAITING]
    ahead = (await services.outlooks.read(waiting) or {}) if waiting else {}
    return [_prediction(services, one, ahead.get(one.job.id), reused=reused) for one in told]


async def prediction(services: Services, job: Job, *, reused: bool = False) -> Prediction:
    (told,) = await predictions(services, [job], reused=reused)
    return told


def status_of(job: Job) -> Status:
    """What Cancel-After ended before it began is aborted: nothing was drawn of it."""
    if job.state is JobState.CANCELLED and job.error_code == LATE and job.started_at is None:
        return "aborted"
    return STATUS[job.state]


def _prediction(
    services: Services, told: Dossier, ahead: Outlook | None, *, reused: bool
) -> Prediction:
    job = told.job
    pictures = [_picture(services, job, one) for one in told.of_kind("image")]
    grid = next((_picture(services, job, one) for one in told.of_kind("grid")), None)
    return Prediction(
        id=job.id,
        status=status_of(job),
        state=job.state,
        input=_given(job),
        output=pictures,
        grid=grid,
        error=_failure(job),
        metrics=_metrics(job, services.plans),
        progress=_progress(services, job),
        queue=_place(ahead),
        urls=_urls(services.settings.api.public_url, job.id),
        created_at=job.submitted_at,
        started_at=job.started_at,
        completed_at=job.finished_at,
        seed=job.seed(0),
        metadata=_metadata(told.memo),
        reused=reused,
    )


def _picture(services: Services, job: Job, file: Asset) -> Picture:
    return Picture(
        url=services.store.url(file.key),
        width=file.width,
        height=file.height,
        mime=file.mime,
        index=file.index,
        alt=_alt(job, file),
    )


def _alt(job: Job, file: Asset) -> str:
    """The words that were drawn, without parameters."""
    words = ", ".join(one.text for one in job.spec.texts if one.weight > 0 and one.text)
    many = job.spec.images
    lead = f"{many} pictures" if file.kind == "grid" else f"Picture {file.index + 1} of {many}"
    return f"{lead}: {words}" if words else lead


def _given(job: Job) -> Given:
    spec = job.spec
    parent = Origin(job=job.parent_id, index=job.parent_index or 0) if job.parent_id else None
    return Given(
        kind=job.kind,
        prompt=job.prompt,
        model=spec.checkpoint,
        width=spec.width * spec.scale,
        height=spec.height * spec.scale,
        images=spec.images,
        steps=spec.steps,
        guidance=spec.guidance,
        sampler=spec.sampler,
        speed=job.speed,
        visibility=job.visibility,
        manner=job.manner,
        parent=parent,
    )


def _failure(job: Job) -> Failure | None:
    if job.error_sentence is None:
        return None
    return Failure(code=job.error_code, detail=job.error_sentence)


def _metrics(job: Job, book: PlanBook) -> Metrics:
    terms = priced(job, book)
    return Metrics(
        queue_s=_seconds(job.submitted_at, job.started_at),
        total_s=_seconds(job.submitted_at, job.finished_at),
        gpu_s=None if job.gpu_ms is None else job.gpu_ms / 1000,
        held_ms=hold_ms(job.estimate_ms, job.speed, terms),
        charged_ms=job.charged_ms,
        price=terms.price[job.speed],
        stages_ms=dict(job.timings),
    )


def _seconds(since: datetime, until: datetime | None) -> float | None:
    return None if until is None else max(0.0, (until - since).total_seconds())


def _progress(services: Services, job: Job) -> float | None:
    """Of one that runs, as far as this process has heard."""
    if job.state in (JobState.WAITING, JobState.DISPATCHED):
        return 0.0
    if job.state is JobState.RUNNING and (step := services.following.step(job.id)):
        return fraction(step)
    return 1.0 if job.state is JobState.SUCCEEDED else None


def _place(ahead: Outlook | None) -> Place | None:
    if ahead is None:
        return None
    return Place(
        position=ahead.position, start_s=ahead.start_s, eta_s=ahead.eta_s, reason=ahead.reason
    )


def _urls(public_url: str, job_id: UUID) -> Urls:
    here = public_url.rstrip("/")
    job = f"{here}/v1/jobs/{job_id}"
    return Urls(
        get=job,
        cancel=f"{job}/cancel",
        events=f"{job}/events",
        stream=f"{job}/events".replace("http", "ws", 1),
        web=f"{here}/#/jobs/{job_id}",
    )


def _metadata(memo: str) -> dict[str, str]:
    """A memo that is no JSON is of another dialect, and told as it is."""
    if not memo:
        return {}
    try:
        told: Any = json.loads(memo)
    except ValueError:
        told = None
    return told if isinstance(told, dict) else {"memo": memo}
