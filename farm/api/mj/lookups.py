"""Routes that look at tasks, and end them."""

from collections.abc import Sequence

from fastapi import APIRouter
from fastapi.responses import RedirectResponse

from farm.api.mj.answers import Code, SubmitResult, TaskInfo, submitted
from farm.api.mj.bodies import Condition
from farm.api.mj.door import MjRoute, unknown_task
from farm.api.mj.telling import job_of, own_task, own_tasks, told, told_one
from farm.api.principals import Drawer, Reader
from farm.api.services import Services
from shared import taskrows
from shared.errors import Refusal

LISTED = 100


def routes(services: Services) -> APIRouter:
    router = APIRouter(route_class=MjRoute)

    @router.get("/task/{task_id}/fetch", summary="How a task stands")
    async def mj_fetch(task_id: str, who: Reader) -> TaskInfo:
        return await told_one(services, who.account_id, task_id)

    @router.post("/task/{task_id}/cancel", summary="Cancel a task")
    async def mj_cancel(task_id: str, who: Drawer) -> SubmitResult:
        task = await own_task(services, who.account_id, task_id)
        await services.desk.cancel(who.person, await job_of(services, task))
        return submitted(task.id)

    @router.get("/task/{task_id}/image-seed", summary="The seed of a task's first picture")
    async def mj_image_seed(task_id: str, who: Reader) -> SubmitResult:
        info = await told_one(services, who.account_id, task_id)
        if info.seed is None:
            raise Refusal("no_seed", "This task draws nothing, so it has no seed.", field="taskId")
        return SubmitResult(code=Code.SUCCESS, description="Success", result=info.seed)

    @router.get("/task/list", summary="The last tasks")
    async def mj_list(who: Reader) -> list[TaskInfo]:
        async with services.database.read() as session:
            found = await taskrows.recent(session, who.account_id, LISTED)
        return await told(services, found)

    @router.post("/task/list-by-condition", summary="These tasks, as far as they are one's own")
    async def mj_list_by_condition(body: Condition, who: Reader) -> Sequence[TaskInfo]:
        return await told(services, await own_tasks(services, who.account_id, body.ids or []))

    @router.get("/image/{task_id}", summary="What a task drew", response_class=RedirectResponse)
    async def mj_image(task_id: str, who: Reader) -> str:
        info = await told_one(services, who.account_id, task_id)
        if info.image_url is None:
            raise unknown_task()
        return info.image_url

    return router
