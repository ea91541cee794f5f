"""Routes of the proxy's dialect (midjourney-proxy): a task is submitted, then fetched until it is there."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import RedirectResponse

from farm.api.mj import presses
from farm.api.mj.answers import SubmitResult, TaskInfo, submitted
from farm.api.mj.bodies import Act, Change, Condition, Imagine, Modal, SimpleChange, Submit
from farm.api.mj.door import MjRoute, responses, unknown_task
from farm.api.mj.drawing import Around, Drawing, around_form, hook_to
from farm.api.mj.telling import job_of, own_task, own_tasks, told, told_one
from farm.api.principals import Drawer, Principal, Reader
from farm.api.services import Services
from shared import taskrows
from shared.errors import Refusal
from shared.plans import Speed
from shared.taskrows import TaskState

NIJI = "NIJI_JOURNEY"
LISTED = 100
# Whoever has only an address to set, sets the speed by it: /mj-relax/mj/submit/imagine.
DOORS = (("/mj", True), ("/mj-{mode}/mj", False))


def routes(services: Services) -> APIRouter:
    router = APIRouter(route_class=MjRoute, tags=["mj"], responses=responses())
    for prefix, described in DOORS:
        for part in (_submits(services), _tasks(services)):
            router.include_router(part, prefix=prefix, include_in_schema=described)
    return router


def speed_of(request: Request) -> Speed | None:
    """By the address. Refusal for one that there is not."""
    mode = request.path_params.get("mode")
    if mode is not None and mode not in tuple(Speed):
        raise Refusal("not_found", f"Write {', '.join(f'/mj-{one}' for one in Speed)} or /mj.")
    return Speed(mode) if mode else None


Mode = Annotated[Speed | None, Depends(speed_of)]


def _submits(services: Services) -> APIRouter:
    router = APIRouter(route_class=MjRoute, prefix="/submit")

    @router.post("/imagine", summary="Draw a prompt")
    async def mj_imagine(body: Imagine, who: Drawer, mode: Mode) -> SubmitResult:
        desk, around = Drawing(services, who), _around(body, mode)
        ask = desk.ask("imagine", around, text=_prompt(body))
        return await desk.draw(ask, "IMAGINE", around.memo)

    @router.post("/change", summary="Enlarge, vary or reroll what a task drew")
    async def mj_change(body: Change, who: Drawer, mode: Mode) -> SubmitResult:
        return await _change(services, who, body, mode)

    @router.post("/simple-change", summary="The same, in one line: `1320098173412546 U2`")
    async def mj_simple_change(body: SimpleChange, who: Drawer, mode: Mode) -> SubmitResult:
        task_id, action, index = presses.read_change(body.content)
        told = {"state": body.state, "notify_hook": body.notify_hook}
        change = Change.model_validate(
            told | {"task_id": task_id, "action": action, "index": index}
        )
        return await _change(services, who, change, mode)

    @router.post("/action", summary="Press a button of a task")
    async def mj_action(body: Act, who: Drawer, mode: Mode) -> SubmitResult:
        return await _act(services, who, body, _around(body, mode))

    @router.post("/modal", summary="Send the words, or the mask, that a button asked for")
    async def mj_modal(body: Modal, who: Drawer) -> SubmitResult:
        return await _modal(services, who, body)

    return router


def _tasks(services: Services) -> APIRouter:
    router = APIRouter(route_class=MjRoute)

    @router.get("/task/{task_id}/fetch", summary="How a task stands")
    async def mj_fetch(task_id: str, who: Reader) -> TaskInfo:
        return await told_one(services, _account(who), task_id)

    @router.post("/task/{task_id}/cancel", summary="Cancel a task")
    async def mj_cancel(task_id: str, who: Drawer) -> SubmitResult:
        task = await own_task(services, _account(who), task_id)
        await services.desk.cancel(who.person, await job_of(services, task))
        return submitted(task.id)

    @router.get("/task/{task_id}/image-seed", summary="The seed of a task's first picture")
    async def mj_image_seed(task_id: str, who: Reader) -> SubmitResult:
        info = await told_one(services, _account(who), task_id)
        if info.seed is None:
            raise Refusal("no_seed", "This task draws nothing, so it has no seed.", field="taskId")
        return SubmitResult(code=1, description="Success", result=info.seed)

    @router.get("/task/list", summary="The last tasks")
    async def mj_list(who: Reader) -> list[TaskInfo]:
        async with services.database.read() as session:
            found = await taskrows.recent(session, _account(who), LISTED)
        return await told(services, found)

    @router.post("/task/list-by-condition", summary="These tasks, as far as they are one's own")
    async def mj_list_by_condition(body: Condition, who: Reader) -> Sequence[TaskInfo]:
        return await told(services, await own_tasks(services, _account(who), body.ids or []))

    @router.get("/image/{task_id}", summary="What a task drew", response_class=RedirectResponse)
    async def mj_image(task_id: str, who: Reader) -> str:
        info = await told_one(services, _account(who), task_id)
        if info.image_url is None:
            raise unknown_task()
        return info.image_url

    return router


async def _change(
    services: Services, who: Principal, body: Change, mode: Speed | None
) -> SubmitResult:
    desk, task = Drawing(services, who), await own_task(services, _account(who), body.task_id)
    press = presses.changed(body.action, body.index, await job_of(services, task))
    return await desk.press(press, _around(body, mode), presses.told_as(press, body.task_id))


async def _act(services: Services, who: Principal, body: Act, around: Around) -> SubmitResult:
    desk, task = Drawing(services, who), await own_task(services, _account(who), body.task_id)
    number = presses.read_proposal(body.custom_id)
    if number is not None:
        prompts = task.told.get("prompts", ())
        if number >= len(prompts):
            raise Refusal("unknown_button", "There is no prompt of that number.", field="customId")
        return await desk.draw(
            desk.ask("imagine", around, text=prompts[number]), "IMAGINE", around.memo
        )
    press = presses.read_press(body.custom_id)
    if press.job_id != task.job_id:
        raise Refusal("unknown_button", "That button is another task's.", field="customId")
    description = presses.told_as(press, body.task_id)
    if press.wish.form or (press.wish.remix and await _remixes(services, who, body)):
        return await desk.open_form(press, around, description)
    return await desk.press(press, around, description)


async def _remixes(services: Services, who: Principal, body: Act) -> bool:
    if body.enable_remix is not None:
        return body.enable_remix
    return (await services.desk.preferences(who.person)).remix


async def _modal(services: Services, who: Principal, body: Modal) -> SubmitResult:
    desk, task = Drawing(services, who), await own_task(services, _account(who), body.task_id)
    if task.state is not TaskState.MODAL:
        return submitted(task.id)
    around = around_form(task)
    return await desk.fill_in(task, await desk.worded(task, around, body.prompt or ""))


def _around(body: Submit, mode: Speed | None) -> Around:
    hook = hook_to(body.notify_hook) if body.notify_hook else None
    return Around(body.state or "", hook, mode or _asked_speed(body))


def _asked_speed(body: Submit) -> Speed | None:
    chosen = getattr(body, "account_filter", None)
    modes = (chosen.modes if chosen else None) or ()
    return Speed(modes[0].lower()) if modes else None


def _prompt(body: Imagine) -> str:
    """Whoever chose the other bot means the other line of checkpoints."""
    niji = body.bot_type == NIJI and "--niji" not in body.prompt
    return f"{body.prompt} --niji" if niji else body.prompt


def _account(who: Principal) -> UUID:
    return who.holder.key.account_id
