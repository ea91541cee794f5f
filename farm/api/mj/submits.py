"""Routes that submit tasks."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, Request

from farm.api.brought import links_to, seen
from farm.api.mj.answers import SubmitResult, submitted
from farm.api.mj.bodies import (
    Act,
    Blend,
    Change,
    Describe,
    Imagine,
    Modal,
    Shorten,
    SimpleChange,
    Submit,
)
from farm.api.mj.door import MjRoute
from farm.api.mj.drawing import Around, Drawing, hook_to
from farm.api.mj.pressing import Pressing, change_of
from farm.api.mj.texts import begun, carried_out
from farm.api.principals import Drawer, Writer
from farm.api.services import Services
from shared.errors import Refusal
from shared.plans import Speed

NIJI = "NIJI_JOURNEY"


def speed_of(request: Request) -> Speed | None:
    """By the address. Refusal for one that there is not."""
    mode = request.path_params.get("mode")
    if mode is not None and mode not in tuple(Speed):
        raise Refusal("not_found", f"Write {', '.join(f'/mj-{one}' for one in Speed)} or /mj.")
    return Speed(mode) if mode else None


Mode = Annotated[Speed | None, Depends(speed_of)]


def routes(services: Services) -> APIRouter:
    router = APIRouter(route_class=MjRoute, prefix="/submit")
    _add_drawing(router, services)
    _add_texts(router, services)
    _add_presses(router, services)
    return router


def _add_drawing(router: APIRouter, services: Services) -> None:
    @router.post("/imagine", summary="Draw a prompt")
    async def mj_imagine(body: Imagine, who: Drawer, mode: Mode) -> SubmitResult:
        desk, around = Drawing(services, who), _around(body, mode)
        images = await links_to(services, who, body.pictures, field="base64Array")
        ask = desk.ask("imagine", around, text=_prompt(body), images=images)
        return await desk.draw(ask, "IMAGINE", around.memo)

    @router.post("/blend", summary="Mix two to five pictures")
    async def mj_blend(body: Blend, who: Drawer, mode: Mode) -> SubmitResult:
        desk, around = Drawing(services, who), _around(body, mode)
        images = await links_to(services, who, body.base64_array, field="base64Array")
        shape = (body.dimensions or "SQUARE").lower()
        ask = desk.ask("blend", around, images=images, manner=shape)
        return await desk.draw(ask, "BLEND", around.memo)


def _add_texts(router: APIRouter, services: Services) -> None:
    @router.post("/describe", summary="Write prompts that could have led to a picture")
    async def mj_describe(body: Describe, who: Writer, later: BackgroundTasks) -> SubmitResult:
        services.wordsmith.check(sees=True)
        picture = await seen(services, _only(body), field="base64")
        task = await begun(services, who, "DESCRIBE", _around(body))
        later.add_task(
            carried_out,
            services,
            task,
            partial(services.wordsmith.describe, who.person, picture),
        )
        return submitted(task.id)

    @router.post("/shorten", summary="Shorten a prompt")
    async def mj_shorten(body: Shorten, who: Writer, later: BackgroundTasks) -> SubmitResult:
        services.wordsmith.check()
        services.scribe.check_words(body.prompt)
        task = await begun(services, who, "SHORTEN", _around(body), body.prompt)

        async def shortened() -> Sequence[str]:
            return (await services.wordsmith.shorten(who.person, body.prompt)).prompts

        later.add_task(carried_out, services, task, shortened)
        return submitted(task.id)


def _add_presses(router: APIRouter, services: Services) -> None:
    @router.post("/change", summary="Enlarge, vary or reroll what a task drew")
    async def mj_change(body: Change, who: Drawer, mode: Mode) -> SubmitResult:
        return await Pressing(services, who).change(body, _around(body, mode))

    @router.post("/simple-change", summary="The same, in one line: `1320098173412546 U2`")
    async def mj_simple_change(body: SimpleChange, who: Drawer, mode: Mode) -> SubmitResult:
        return await Pressing(services, who).change(change_of(body), _around(body, mode))

    @router.post("/action", summary="Press a button of a task")
    async def mj_action(body: Act, who: Drawer, mode: Mode) -> SubmitResult:
        return await Pressing(services, who).act(body, _around(body, mode))

    @router.post("/modal", summary="Send the words, or the mask, that a button asked for")
    async def mj_modal(body: Modal, who: Drawer) -> SubmitResult:
        return await Pressing(services, who).fill_in(body)


def _around(body: Submit, mode: Speed | None = None) -> Around:
    hook = hook_to(body.notify_hook) if body.notify_hook else None
    return Around(body.state or "", hook, mode or _asked_speed(body))


def _asked_speed(body: Submit) -> Speed | None:
    chosen = getattr(body, "account_filter", None)
    modes = (chosen.modes if chosen else None) or ()
    return Speed(modes[0].lower()) if modes else None


def _only(body: Describe) -> str:
    picture = body.base64 or body.link
    if not picture:
        raise Refusal("no_picture", "Send a picture as base64, or its link.", field="base64")
    return picture


def _prompt(body: Imagine) -> str:
    """Whoever chose the other bot means the other line of checkpoints."""
    niji = body.bot_type == NIJI and "--niji" not in body.prompt
    return f"{body.prompt} --niji" if niji else body.prompt
