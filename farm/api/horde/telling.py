"""How a job stands, as clients of AI Horde's read it."""

import asyncio
import base64
import json

from farm.api.horde.answers import Check, HordeGeneration, HordeStatus
from farm.api.services import Services
from shared import dossiers
from shared.assets import Asset
from shared.cost import hold_ms, priced
from shared.dossiers import Dossier
from shared.jobs import Job, JobState
from shared.waits import Outlook

INLINE = json.dumps({"r2": "false"})  # the memo of a job whose pictures are told as base64


async def check(services: Services, job: Job) -> Check:
    ahead = await services.outlooks.read([job.id]) if job.state is JobState.WAITING else None
    return _check(job, (ahead or {}).get(job.id), kudos_of(services, job))


async def status(services: Services, job: Job) -> HordeStatus:
    now = await check(services, job)
    async with services.database.read() as session:
        (told,) = await dossiers.read(session, [job])
    pictures = await asyncio.gather(
        *(_generation(services, told, one) for one in told.of_kind("image"))
    )
    return HordeStatus(**now.model_dump(), generations=pictures, message=job.error_sentence)


def kudos_of(services: Services, job: Job) -> float:
    """GPU-seconds: what it cost, else what it may cost at most."""
    if job.charged_ms is not None:
        return job.charged_ms / 1000
    return hold_ms(job.estimate_ms, job.speed, priced(job, services.plans)) / 1000


def _check(job: Job, ahead: Outlook | None, kudos: float) -> Check:
    many, state = job.spec.images, job.state
    done = state is JobState.SUCCEEDED
    return Check(
        finished=many if done else 0,
        processing=many if state in (JobState.DISPATCHED, JobState.RUNNING) else 0,
        waiting=many if state is JobState.WAITING else 0,
        done=done,
        faulted=state.terminal and not done,
        wait_time=round(ahead.eta_s) if ahead and ahead.eta_s else 0,
        queue_position=(ahead.position or 0) if ahead else 0,
        kudos=kudos,
    )


async def _generation(services: Services, told: Dossier, file: Asset) -> HordeGeneration:
    img = services.store.url(file.key)
    if told.memo == INLINE:
        img = base64.b64encode(await services.store.get(file.key)).decode()
    job = told.job
    seed = str(job.seed(file.index))
    return HordeGeneration(img=img, seed=seed, id=job.id, model=job.spec.checkpoint)
