"""The API: one FastAPI app of routers, each of which is handed the same services."""

from collections.abc import Callable

from fastapi import APIRouter, FastAPI
from fastapi_offline import FastAPIOffline

from farm.api import origin, problems
from farm.api.services import Services

DESCRIPTION = """\
A render farm of your own: jobs, their events, webhooks, models, plans and bills. The same desk serves the
Discord bot, so prompts, prices, limits and rules are the same here.

Send an API key as `Authorization: Bearer pk_live_...`. Errors are problem details (RFC 9457) with a stable
`code`.
"""
Routes = Callable[[Services], APIRouter]
ROUTERS: tuple[Routes, ...] = (origin.routes,)


def create_app(services: Services) -> FastAPI:
    app: FastAPI = FastAPIOffline(title="Pictor", version="1", description=DESCRIPTION)
    app.state.services = services
    problems.install(app)
    for routes in ROUTERS:
        app.include_router(routes(services))
    return app
