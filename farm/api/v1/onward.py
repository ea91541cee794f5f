"""What can be made of a picture of a finished job, as the buttons under it do; and of pictures alone."""

from uuid import UUID

from fastapi import APIRouter, Response

from farm.api.principals import Drawer
from farm.api.problems import refusals
from farm.api.services import Services
from farm.api.v1 import inputs
from farm.api.v1.inputs import onward
from farm.api.v1.submitting import ANSWERS, Accepted, submitted
from farm.api.v1.terms import Termed

CREATED = 201


def routes(services: Services) -> APIRouter:
    router = APIRouter(
        prefix="/v1", tags=["Jobs"], responses={**refusals(402, 404, 409, 413), **ANSWERS}
    )
    _add_relatives(router, services)
    _add_canvases(router, services)
    _add_pictures(router, services)
    return router


def _add_relatives(router: APIRouter, services: Services) -> None:
    @router.post("/jobs/{job_id}/rerolls", status_code=CREATED, summary="Once more")
    async def create_reroll(
        who: Drawer, job_id: UUID, asked: inputs.RemixInput, terms: Termed, response: Response
    ) -> Accepted:
        """The same recipe from another seed."""
        ask = onward(who, "reroll", job_id, asked, terms)
        return await submitted(services, who, ask, terms, response)

    @router.post("/jobs/{job_id}/variations", status_code=CREATED, summary="Vary a picture")
    async def create_variation(
        who: Drawer, job_id: UUID, asked: inputs.VariationInput, terms: Termed, response: Response
    ) -> Accepted:
        """Four pictures near one of a finished job."""
        ask = onward(who, "vary", job_id, asked, terms, manner=asked.strength or "")
        return await submitted(services, who, ask, terms, response)

    @router.post("/jobs/{job_id}/upscales", status_code=CREATED, summary="Enlarge a picture")
    async def create_upscale(
        who: Drawer, job_id: UUID, asked: inputs.UpscaleInput, terms: Termed, response: Response
    ) -> Accepted:
        """Twice as large."""
        manner = "" if asked.details == "same" else asked.details
        ask = onward(who, "upscale", job_id, asked, terms, manner=manner)
        return await submitted(services, who, ask, terms, response)


def _add_canvases(router: APIRouter, services: Services) -> None:
    @router.post("/jobs/{job_id}/zooms", status_code=CREATED, summary="Zoom out")
    async def create_zoom(
        who: Drawer, job_id: UUID, asked: inputs.ZoomInput, terms: Termed, response: Response
    ) -> Accepted:
        """Four pictures with this one in the middle, smaller."""
        ask = onward(who, "zoom", job_id, asked, terms, factor=asked.factor)
        return await submitted(services, who, ask, terms, response)

    @router.post("/jobs/{job_id}/pans", status_code=CREATED, summary="Show more of one side")
    async def create_pan(
        who: Drawer, job_id: UUID, asked: inputs.PanInput, terms: Termed, response: Response
    ) -> Accepted:
        ask = onward(who, "pan", job_id, asked, terms, manner=asked.direction)
        return await submitted(services, who, ask, terms, response)

    @router.post("/jobs/{job_id}/squares", status_code=CREATED, summary="Make it square")
    async def create_square(
        who: Drawer, job_id: UUID, asked: inputs.RemixInput, terms: Termed, response: Response
    ) -> Accepted:
        ask = onward(who, "square", job_id, asked, terms)
        return await submitted(services, who, ask, terms, response)

    @router.post("/jobs/{job_id}/regions", status_code=CREATED, summary="Draw a part anew")
    async def create_region(
        who: Drawer, job_id: UUID, asked: inputs.RegionInput, terms: Termed, response: Response
    ) -> Accepted:
        """What is white in a mask, some cells of a 5x5 grid, or what words name; perhaps of other words."""
        ask = await inputs.redrawn(services, who, job_id, asked, terms)
        return await submitted(services, who, ask, terms, response)


def _add_pictures(router: APIRouter, services: Services) -> None:
    @router.post("/blends", status_code=CREATED, summary="Mix pictures")
    async def create_blend(
        who: Drawer, asked: inputs.BlendInput, terms: Termed, response: Response
    ) -> Accepted:
        ask = await inputs.blended(services, who, asked, terms)
        return await submitted(services, who, ask, terms, response)

    @router.post("/upscales", status_code=CREATED, summary="Enlarge a picture of your own")
    async def create_enlargement(
        who: Drawer, asked: inputs.EnlargeInput, terms: Termed, response: Response
    ) -> Accepted:
        """Its details are drawn anew by what the prompt says of them."""
        ask = await inputs.enlarged(services, who, asked, terms)
        return await submitted(services, who, ask, terms, response)
