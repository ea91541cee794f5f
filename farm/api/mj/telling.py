"""What is told of a task: from its own row, and from its job's, which knows how it stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from farm.api.mj.answers import Button, ImageUrl, Status, TaskInfo
from farm.api.mj.door import unknown_task
from farm.api.mj.presses import buttons_for, buttons_of, numbered
from farm.api.services import Services
from farm.api.told import fraction
from shared import assets, joblists, taskrows
from shared.assets import Asset
from shared.events import JobEvent
from shared.jobs import Job, JobState
from shared.taskrows import Task, TaskState

LONGEST_S = 300.0  # of a task without a job: a text service has long given up by then
LOST = (
    "Nothing came of it: the service was stopped meanwhile. Nothing was charged; submit it again."
)
NEARLY = 99  # percent: a picture is there when it is there
SENTENCES = {JobState.CANCELLED: "It was cancelled.", JobState.BLOCKED: "It was blocked."}
STATUS = {
    JobState.WAITING: Status.NOT_START,
    JobState.DISPATCHED: Status.SUBMITTED,
    JobState.RUNNING: Status.IN_PROGRESS,
    JobState.SUCCEEDED: Status.SUCCESS,
}
COMMANDS = {
    "IMAGINE": "/imagine",
    "BLEND": "/blend",
    "DESCRIBE": "/describe",
    "SHORTEN": "/shorten",
}
BUTTONS = {"DESCRIBE": "PicReader", "SHORTEN": "PromptAnalyzer"}


@dataclass(frozen=True, slots=True)
class Found:
    """A task, its job where there is one, and the files of it."""

    task: Task
    job: Job | None
    files: Sequence[Asset]


async def told(services: Services, tasks: Sequence[Task]) -> list[TaskInfo]:
    """In the order of `tasks`, which whoever is told may see."""
    if not tasks:
        return []
    async with services.database.read() as session:
        jobs = await joblists.several(session, [one.job_id for one in tasks if one.job_id])
        keys = [one.key for one in tasks if one.job_id is None]
        jobs += await joblists.by_submissions(session, keys) if keys else []
        files = await assets.of_jobs(session, [job.id for job in jobs])
    now = datetime.now(UTC)
    return [_info(services, one, now) for one in _found(tasks, jobs, files)]


async def told_one(services: Services, account_id: UUID, task_id: str) -> TaskInfo:
    (info,) = await told(services, [await own_task(services, account_id, task_id)])
    return info


async def told_of_job(services: Services, job: Job) -> dict[str, Any] | None:
    """What a notifyHook is sent of this job, as JSON; None where no task is of it."""
    async with services.database.read() as session:
        task = await taskrows.of_job(session, job.account_id, job.id, job.submission_key)
        files = await assets.assets(session, job.id)
    if task is None:
        return None
    info = _info(services, Found(task, job, files), datetime.now(UTC))
    return info.model_dump(mode="json", by_alias=True)


async def own_task(services: Services, account_id: UUID, task_id: str) -> Task:
    """Refusal `unknown_task`, whoever's it is."""
    found = await own_tasks(services, account_id, [task_id])
    if not found:
        raise unknown_task()
    return found[0]


async def job_of(services: Services, task: Task) -> UUID:
    """Refusal `unknown_task` for one that draws nothing."""
    if task.job_id is not None:
        return task.job_id
    async with services.database.read() as session:
        job = await joblists.by_submission(session, task.key)
    if job is None:
        raise unknown_task()
    return job.id


async def own_tasks(services: Services, account_id: UUID, ids: Sequence[str]) -> list[Task]:
    numbers = {int(one) for one in ids if one.isascii() and one.isdecimal() and len(one) <= 18}
    async with services.database.read() as session:
        return await taskrows.own(session, account_id, numbers) if numbers else []


def _found(tasks: Sequence[Task], jobs: Sequence[Job], files: Sequence[Asset]) -> list[Found]:
    by_id, by_key = {job.id: job for job in jobs}, {job.submission_key: job for job in jobs}
    found = []
    for task in tasks:
        job = by_id.get(task.job_id) if task.job_id else by_key.get(task.key)
        mine = [one for one in files if job is not None and one.job_id == job.id]
        found.append(Found(task, job, sorted(mine, key=lambda one: one.index)))
    return found


def _info(services: Services, found: Found, now: datetime) -> TaskInfo:
    task, job = found.task, found.job
    if job is None or job.account_id != task.account_id:
        return _info_of_text(task, now)
    pictures, shown = _pictures(found)
    url = services.store.url
    done = job.state is JobState.SUCCEEDED
    return TaskInfo(
        **_common(task, job.prompt),
        status=STATUS.get(job.state, Status.FAILURE),
        start_time=_ms(job.started_at),
        finish_time=_ms(job.finished_at),
        progress=progress(job, _step(services, job), now),
        image_url=url(shown.key) if shown else None,
        image_urls=[ImageUrl(url=url(one.key)) for one in pictures],
        image_width=shown.width if shown else None,
        image_height=shown.height if shown else None,
        fail_reason=_why(job),
        mode=job.speed.value.upper(),
        seed=str(job.seed(0)),
        buttons=buttons_of(job) if done and pictures else [],
        properties=_final(job.prompt),
    )


def _info_of_text(task: Task, now: datetime) -> TaskInfo:
    """Of one without a job: a text, a form, or one that came to nothing."""
    status, reason = _standing(task, now)
    prompts: Sequence[str] = task.told.get("prompts", ())
    final = numbered(prompts)
    return TaskInfo(
        **_common(task, final or task.prompt) | {"prompt": task.prompt},
        status=status,
        start_time=_ms(task.submitted_at),
        finish_time=_ms(task.finished_at),
        progress={Status.SUCCESS: "100%", Status.FAILURE: ""}.get(status, "0%"),
        fail_reason=reason,
        buttons=_proposals(task, prompts),
        properties=_final(final or task.told.get("finalPrompt", "")),
    )


def _proposals(task: Task, prompts: Sequence[str]) -> list[Button]:
    return buttons_for(prompts, BUTTONS[task.action]) if prompts else []


def _standing(task: Task, now: datetime) -> tuple[Status, str | None]:
    if task.state is TaskState.SUBMITTED and now - task.submitted_at > timedelta(seconds=LONGEST_S):
        return Status.FAILURE, LOST
    if task.state is TaskState.SUBMITTED:
        return Status.SUBMITTED, None
    if task.state is TaskState.MODAL:
        return Status.MODAL, None
    if task.state is TaskState.DONE:
        return Status.SUCCESS, None
    return Status.FAILURE, task.told.get("reason", LOST)


def progress(job: Job, step: JobEvent | None, now: datetime) -> str:
    """As percent: of the steps where one was heard of, else of the time; never the whole before it ended."""
    if job.state.terminal:
        return "100%" if job.state is JobState.SUCCEEDED else ""
    if job.state is not JobState.RUNNING or job.started_at is None:
        return "0%"
    spent_ms = (now - job.started_at).total_seconds() * 1000
    share = fraction(step) if step else spent_ms / max(job.estimate_ms, 1)
    return f"{min(max(int(100 * share), 0), NEARLY)}%"


def _step(services: Services, job: Job) -> JobEvent | None:
    """Whoever looks once will look again: from here on its steps are heard."""
    if job.state.terminal:
        return None
    services.following.start()
    return services.following.step(job.id)


def _pictures(found: Found) -> tuple[list[Asset], Asset | None]:
    """The single pictures, and what stands for all of them: the grid, or the only one."""
    pictures = [one for one in found.files if one.kind == "image"]
    grid = next((one for one in found.files if one.kind == "grid"), None)
    first = pictures[0] if pictures else None
    return pictures, first if len(pictures) == 1 else grid or first


def _why(job: Job) -> str | None:
    if not job.state.terminal or job.state is JobState.SUCCEEDED:
        return None
    return job.error_sentence or SENTENCES.get(job.state, "It failed.")


def _common(task: Task, words: str) -> dict[str, Any]:
    command = task.told.get("description") or f"{COMMANDS.get(task.action, '')} {words}".strip()
    return {
        "id": str(task.id),
        "action": task.action,
        "prompt": words,
        "prompt_en": words,
        "description": command,
        "state": task.memo,
        "submit_time": _ms(task.submitted_at),
    }


def _final(words: str) -> Mapping[str, str]:
    """Clients read the one or the other."""
    return {"finalPrompt": words, "finalZhPrompt": words}


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)
