"""AI Horde's dialect: pictures are asked for, checked, and fetched."""

from uuid import UUID, uuid4

from fastapi import APIRouter

from farm.api.brought import link_to
from farm.api.horde.answers import Check, Heartbeat, HordeModel, HordeStatus, Submitted, User
from farm.api.horde.asked import Request, text_of
from farm.api.horde.door import DOCUMENTED, HordeRoute
from farm.api.horde.telling import INLINE, check, kudos_of, status
from farm.api.principals import Drawer, Principal, Reader
from farm.api.services import Services
from shared.errors import Refusal
from shared.orders import Ask


def routes(services: Services) -> APIRouter:
    router = APIRouter(
        prefix="/api/v2", tags=["AI Horde"], route_class=HordeRoute, responses=DOCUMENTED
    )
    _add_jobs(router, services)
    _add_farm(router, services)
    return router


def _add_jobs(router: APIRouter, services: Services) -> None:
    @router.post("/generate/async", summary="Draw a prompt", status_code=202)
    async def horde_generate(asked: Request, who: Drawer) -> Submitted:
        ask = await _ask(services, who, asked)
        if asked.dry_run:
            quote = await services.desk.quote(ask)
            return Submitted(kudos=quote.price_ms / 1000)
        receipt = await services.desk.ask(ask)
        job, notices = receipt.jobs[0], " ".join(receipt.notices)
        return Submitted(id=job.id, kudos=kudos_of(services, job), message=notices or None)

    @router.get("/generate/check/{job_id}", summary="How it stands, in short")
    async def horde_check(job_id: UUID, who: Reader) -> Check:
        return await check(services, await services.desk.job(who.person, job_id))

    @router.get("/generate/status/{job_id}", summary="How it stands, with its pictures")
    async def horde_status(job_id: UUID, who: Reader) -> HordeStatus:
        return await status(services, await services.desk.job(who.person, job_id))

    @router.delete("/generate/status/{job_id}", summary="Cancel it")
    async def horde_cancel(job_id: UUID, who: Drawer) -> HordeStatus:
        return await status(services, await services.desk.cancel(who.person, job_id))


def _add_farm(router: APIRouter, services: Services) -> None:
    @router.get("/status/models", summary="What there is to draw with")
    async def horde_models(who: Reader) -> list[HordeModel]:
        now = await services.desk.traffic(silent_s=services.settings.farm.worker_silent_s)
        waiting = float(sum(now.waiting.values()))
        return [
            HordeModel(name=name, count=now.warm.get(name, 0), queued=waiting, jobs=waiting)
            for name in services.catalog.checkpoints
        ]

    @router.get("/find_user", summary="Whose key it is")
    async def horde_find_user(who: Reader) -> User:
        info = await services.desk.info(who.person)
        return User(
            username=who.person.name,
            id=str(who.account_id),
            kudos=info.balance.available_ms / 1000,
            concurrency=info.plan.max_running,
        )

    @router.get("/status/heartbeat", summary="Whether anybody is there")
    async def horde_heartbeat(who: Reader) -> Heartbeat:
        return Heartbeat()


async def _ask(services: Services, who: Principal, asked: Request) -> Ask:
    """One job, with as many pictures as it wants: theirs is one, where nothing is said."""
    images, mask = await _brought(services, who, asked)
    return Ask(
        "imagine",
        who.person,
        who.venue,
        f"horde:{uuid4()}",
        None,
        text=text_of(asked, services.catalog),
        images=images,
        mask=mask,
        pictures=asked.said.n or 1,
        memo="" if asked.r2 else INLINE,
    )


async def _brought(
    services: Services, who: Principal, asked: Request
) -> tuple[tuple[str, ...], str]:
    """What it starts from, and the mask of what is drawn anew in it."""
    if not asked.source_image:
        return (), ""
    image = await link_to(services, who, asked.source_image, field="source_image")
    if asked.source_processing != "inpainting":
        return (image,), ""
    if not asked.source_mask:
        sentence = "Inpainting needs a source_mask: white is drawn anew, black stays."
        raise Refusal("no_region", sentence, field="source_mask")
    return (image,), await link_to(services, who, asked.source_mask, field="source_mask")
