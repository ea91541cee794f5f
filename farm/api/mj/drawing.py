"""From a request of the proxy's dialect to the desk: a task first, then what it asks for, under the task's key.

So a process that dies in between leaves a task that finds its job, or one that says that nothing came of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from farm.api.mj.answers import Code, Status, SubmitResult, submitted
from farm.api.mj.presses import Press, press_of
from farm.api.mj.telling import told
from farm.api.principals import Principal
from farm.api.services import Services
from shared import joblists, taskrows
from shared.errors import Refusal
from shared.hooks import HookEvent
from shared.jobs import Job, JobKind, JobState
from shared.orders import Ask, Hook
from shared.plans import Speed
from shared.rewording import new_words, read_zoom
from shared.taskrows import Task, TaskState

WAITING = "Waiting for window confirm"  # by these words clients know that a form is asked for
_ENDED_BADLY = (JobState.FAILED, JobState.BLOCKED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Around:
    """What is told beside every request: what to tell back, whom to call, and how fast."""

    memo: str = ""
    hook: Hook | None = None
    speed: Speed | None = None


@dataclass(frozen=True, slots=True)
class Drawing:
    services: Services
    who: Principal

    def ask(self, verb: str, around: Around, **what: Any) -> Ask:
        """Without a key: the task gives it one."""
        who = self.who
        return Ask(
            verb, who.person, who.venue, "", None, speed=around.speed, hook=around.hook, **what
        )

    async def draw(
        self, ask: Ask, action: str, memo: str, told: Mapping[str, Any] | None = None
    ) -> SubmitResult:
        task = await self._begun(action, memo, told=told)
        return await self._drawn(task, replace(ask, key=task.key))

    async def press(self, press: Press, around: Around, description: str) -> SubmitResult:
        """The button's work; for a U that was pressed before, what came of it then."""
        told: dict[str, Any] = {"description": description}
        if press.wish.verb == "upscale" and not press.wish.manner:
            enlarged = await self._enlarged(press)
            done = [one for one in enlarged if one.state not in _ENDED_BADLY]
            if done:
                return await self._there_already(done[0], press, around, told)
            told["key"] = f"mj:{self.who.account_id}:{press.job_id}:U{press.index}:{len(enlarged)}"
        ask = asked(self.ask(press.wish.verb, around, job_id=press.job_id), press)
        return await self.draw(ask, press.wish.action, around.memo, told)

    async def open_form(self, press: Press, around: Around, description: str) -> SubmitResult:
        """A task that waits for words. Refusal for a job that there is nothing to do with."""
        job = await self.services.desk.job(self.who.person, press.job_id)
        told: dict[str, Any] = {"description": description, "form": press.told()}
        told |= {"finalPrompt": job.prompt}
        told |= {"hook": around.hook.url if around.hook else None}
        told |= {"speed": around.speed.value if around.speed else None}
        task = await self._begun(press.wish.action, around.memo, state=TaskState.MODAL, told=told)
        properties = {"finalPrompt": job.prompt, "remix": True}
        return SubmitResult(
            code=Code.EXISTED, description=WAITING, result=str(task.id), properties=properties
        )

    async def fill_in(self, task: Task, ask: Ask) -> SubmitResult:
        """The form's words are there. Sent twice, they draw once."""
        async with self.services.database.begin() as session:
            mine = await taskrows.fill_in(session, self.who.account_id, task.id)
        if not mine:
            return submitted(task.id)
        try:
            return await self._accepted(task, replace(ask, key=task.key))
        except Refusal:
            async with self.services.database.begin() as session:
                await taskrows.put_back(session, self.who.account_id, task.id)
            raise

    async def worded(self, task: Task, around: Around, typed: str) -> Ask:
        """What a form's words ask for. Nothing typed: the words as they were."""
        press = press_of(task.told["form"])
        job = await self.services.desk.job(self.who.person, press.job_id)
        factor = press.wish.factor
        if press.wish.verb == "zoom" and press.wish.form:
            typed, factor = read_zoom(typed)
        wanted = self.ask(press.wish.verb, around, job_id=press.job_id)
        words = new_words(typed, job) if typed.strip() else ""
        return replace(asked(wanted, press), text=words, factor=factor)

    # --- a task and its jobs ---------------------------------------------------------------------

    async def _begun(
        self,
        action: str,
        memo: str,
        *,
        state: TaskState = TaskState.SUBMITTED,
        told: Mapping[str, Any] | None = None,
    ) -> Task:
        async with self.services.database.begin() as session:
            return await taskrows.add(
                session, self.who.account_id, action=action, memo=memo, state=state, told=told
            )

    async def _drawn(self, task: Task, ask: Ask) -> SubmitResult:
        try:
            return await self._accepted(task, ask)
        except Refusal:
            async with self.services.database.begin() as session:
                await taskrows.drop(session, task.id)
            raise

    async def _accepted(self, task: Task, ask: Ask) -> SubmitResult:
        receipt = await self.services.desk.ask(ask)
        ids = await self._attached(task, receipt.jobs)
        more = {"taskIds": [str(one) for one in ids]} if len(ids) > 1 else {}
        ahead = await self._ahead(receipt.jobs)
        if not ahead:
            return submitted(task.id, **more)
        many = "is 1 task" if ahead == 1 else f"are {ahead} tasks"
        properties = {"numberOfQueues": ahead} | more
        return SubmitResult(
            code=Code.QUEUED,
            description=f"In queue: there {many} of yours ahead.",
            result=str(task.id),
            properties=properties,
        )

    async def _attached(self, task: Task, jobs: Sequence[Job]) -> list[int]:
        """A task a job: a repeat or a choice makes several."""
        first, *others = jobs
        async with self.services.database.begin() as session:
            await taskrows.attach(session, task.id, first.id)
            added = [
                await taskrows.add(
                    session,
                    self.who.account_id,
                    action=task.action,
                    memo=task.memo,
                    state=TaskState.DONE,
                    told=task.told,
                    job_id=job.id,
                )
                for job in others
            ]
        return [task.id, *(one.id for one in added)]

    async def _ahead(self, made: Sequence[Job]) -> int:
        """How many of the account's other jobs wait, and were there first."""
        ids = {job.id for job in made}
        jobs = await self.services.desk.queue(self.who.person)
        return sum(job.state is JobState.WAITING and job.id not in ids for job in jobs)

    async def _enlarged(self, press: Press) -> list[Job]:
        async with self.services.database.read() as session:
            found = await joblists.children(session, press.job_id)
        plain = [one for one in found if one.kind is JobKind.UPSCALE and not one.manner]
        mine = [one for one in plain if one.account_id == self.who.account_id]
        return [one for one in mine if one.parent_index == press.index]

    async def _there_already(
        self, job: Job, press: Press, around: Around, about: Mapping[str, Any]
    ) -> SubmitResult:
        """Also one that was asked for at another door: it gets a task."""
        async with self.services.database.begin() as session:
            task = await taskrows.of_job(session, self.who.account_id, job.id, job.submission_key)
            task = task or await taskrows.add(
                session,
                self.who.account_id,
                action=press.wish.action,
                memo=around.memo,
                state=TaskState.DONE,
                told=about,
                job_id=job.id,
            )
        (info,) = await told(self.services, [task])
        code = Code.EXISTED if info.status is Status.SUCCESS else Code.SUCCESS
        properties = {"status": info.status, "imageUrl": info.image_url}
        return SubmitResult(
            code=code,
            description="This task exists already.",
            result=str(task.id),
            properties=properties,
        )


def asked(ask: Ask, press: Press) -> Ask:
    wish = press.wish
    return replace(ask, index=press.index, manner=wish.manner, factor=wish.factor)


def around_form(task: Task) -> Around:
    """As it was told when the form was asked for."""
    hook, speed = task.told.get("hook"), task.told.get("speed")
    return Around(task.memo, hook_to(hook) if hook else None, Speed(speed) if speed else None)


def hook_to(url: str) -> Hook:
    """Told of every change of the task."""
    return Hook(url, tuple(HookEvent), "mj")
