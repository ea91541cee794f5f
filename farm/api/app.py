"""The API: one FastAPI app of routers, each of which is handed the same services."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline

from farm.api import frontpage, origin, origins, problems
from farm.api.bodies import BodyLimits
from farm.api.headers import SafeHeaders
from farm.api.horde import routes as horde
from farm.api.mj import routes as mj
from farm.api.openai import images
from farm.api.principals import bringer
from farm.api.quotas import QuotaFields
from farm.api.services import Services
from farm.api.streams import told_as_events
from farm.api.v1 import (
    batches,
    cases,
    events,
    gallery,
    house,
    jobs,
    keys,
    loras,
    me,
    models,
    onward,
    people,
    plans,
    preferences,
    prompts,
    proposals,
    queue,
    quotes,
    receipts,
    reports,
    samplers,
    stock,
    text,
    uploads,
    verify,
    voices,
    webhooks,
)

DESCRIPTION = """\
A render farm of your own: jobs, their events, webhooks, models, plans and bills. The same desk serves the
Discord bot, so prompts, prices, limits and rules are the same here.

Send an API key as `Authorization: Bearer pk_live_...`. Errors are problem details (RFC 9457) with a stable
`code`.
"""
# In the order in which /docs shows them: what people come for first, and other services' dialects last.
TAGS = {
    "Jobs": "Ask for pictures, follow them, and go on from them: what every button does.",
    "Pictures": "The gallery, single pictures, and whether a picture was made here.",
    "Prompts": "What a prompt means and costs, before it is drawn.",
    "Text": "Longer and shorter prompts, descriptions of pictures, and plain text, by the text service.",
    "Models": "What there is to draw with, and what lies ready on which GPU.",
    "LoRAs": "Styles of one's own.",
    "Plans and bills": "Plans, receipts and reports.",
    "You": "Who the key is of, and what they prefer.",
    "Keys": "API keys: made, turned and revoked.",
    "Webhooks": "Addresses that are told what happens, signed, until they take it.",
    "Moderation": "For moderators: cases, people, proposals, and the server's own rules.",
    "Workers": "For the operator: the farm's machines.",
    "OpenAI": "OpenAI's images, as its own clients ask for them.",
    "mj": "midjourney-proxy's tasks, as its web clients ask for them.",
    "AI Horde": "AI Horde's jobs, as its clients ask for them.",
}
Routes = Callable[[Services], APIRouter]
ROUTERS: tuple[Routes, ...] = (
    origin.routes,
    mj.routes,
    horde.routes,
    events.routes,
    frontpage.routes,
    keys.routes,
    me.routes,
    models.routes,
    samplers.routes,
    plans.routes,
    queue.routes,
    prompts.routes,
    images.routes,
    jobs.routes,
    onward.routes,
    uploads.routes,
    quotes.routes,
    batches.routes,
    receipts.routes,
    gallery.routes,
    preferences.routes,
    loras.routes,
    loras.moderation,
    stock.routes,
    voices.routes,
    verify.routes,
    reports.routes,
    text.routes,
    cases.routes,
    people.routes,
    proposals.routes,
    house.routes,
    webhooks.routes,
)


def create_app(services: Services) -> FastAPI:
    app: FastAPI = FastAPIOffline(
        title="Pictor",
        version="1",
        description=DESCRIPTION,
        openapi_tags=[{"name": name, "description": words} for name, words in TAGS.items()],
        generate_unique_id_function=_name_of,
    )
    app.state.services = services
    app.openapi = _description(app)  # type: ignore[method-assign]
    problems.install(app)
    _surround(app, services)
    for routes in ROUTERS:
        app.include_router(routes(services))
    return app


def _description(app: FastAPI) -> Callable[[], dict[str, Any]]:
    written = app.openapi

    def described() -> dict[str, Any]:
        return app.openapi_schema or told_as_events(problems.with_problems(written()))

    return described


def _surround(app: FastAPI, services: Services) -> None:
    """What every request passes, the last one first."""
    settings = services.settings.api
    app.add_middleware(BodyLimits, settings=settings, may_bring=bringer(services))
    app.add_middleware(QuotaFields)
    app.add_middleware(SafeHeaders, secure=settings.public_url.startswith("https:"))
    origins.install(app, settings)


def _name_of(route: APIRoute) -> str:
    """Operations are called as their functions are: generated clients read well."""
    return route.name
