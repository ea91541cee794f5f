"""The events of jobs, by WebSocket and as Server-Sent Events: the same words on both."""

from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response, WebSocket

from farm.api.principals import Reader
from farm.api.problems import refusals
from farm.api.services import Services
from farm.api.sockets import talk
from farm.api.streams import Stream, streamed
from farm.api.told import EVENT_ID
from farm.api.v1.words import Events, words

Seen = Annotated[
    str | None, Query(pattern=EVENT_ID, description="The id of the last event that was seen.")
]
LastId = Annotated[str | None, Header(alias="Last-Event-ID", pattern=EVENT_ID)]


def _last(after: Seen = None, last_event_id: LastId = None) -> str | None:
    """A browser that comes back by itself asks the old address and says in a header how far it was."""
    return last_event_id or after


After = Annotated[str | None, Depends(_last)]
_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"model": Events, "description": "Events, each a line of JSON with its id."}
}
_TOLD: dict[int | str, dict[str, Any]] = {204: {"description": "Everything was told."}}


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["Jobs"])

    @router.get(
        "/jobs/{job_id}/events",
        summary="Follow a job",
        response_class=Stream,
        status_code=200,
        response_model=None,
        responses=_STREAM | _TOLD | refusals(404),
    )
    async def follow_job(who: Reader, job_id: UUID, after: After) -> Response:
        """As Server-Sent Events, until it ends; the same by WebSocket."""
        await services.desk.job(who.person, job_id)
        following = services.following.job(job_id, after)
        return await streamed(following, partial(words, services, who.person))

    @router.get(
        "/events",
        summary="Follow all of your jobs",
        response_class=Stream,
        status_code=200,
        response_model=None,
        responses=_STREAM | refusals(),
    )
    async def follow_jobs(who: Reader, after: After) -> Response:
        """As Server-Sent Events, which do not end by themselves; the same by WebSocket."""
        following = services.following.account(who.holder.key.account_id, after)
        return await streamed(following, partial(words, services, who.person))

    @router.websocket("/jobs/{job_id}/events")
    async def follow_job_by_socket(
        socket: WebSocket, who: Reader, job_id: UUID, after: After
    ) -> None:
        await services.desk.job(who.person, job_id)
        async with services.following.job(job_id, after) as follower:
            await talk(socket, follower, partial(words, services, who.person))

    @router.websocket("/events")
    async def follow_jobs_by_socket(socket: WebSocket, who: Reader, after: After) -> None:
        account = who.holder.key.account_id
        async with services.following.account(account, after) as follower:
            await talk(socket, follower, partial(words, services, who.person))

    return router
