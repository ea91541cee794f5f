"""The proxy's dialect (midjourney-proxy): a task is submitted, then looked at until it is there."""

from fastapi import APIRouter

from farm.api.mj import lookups, submits
from farm.api.mj.door import DOCUMENTED, MjRoute
from farm.api.services import Services

# Who has only an address to set, sets the speed by it: /mj-relax/mj/submit/imagine.
DOORS = (("/mj", True), ("/mj-{mode}/mj", False))


def routes(services: Services) -> APIRouter:
    router = APIRouter(route_class=MjRoute, tags=["mj"], responses=DOCUMENTED)
    for prefix, described in DOORS:
        for part in (submits.routes(services), lookups.routes(services)):
            router.include_router(part, prefix=prefix, include_in_schema=described)
    return router
