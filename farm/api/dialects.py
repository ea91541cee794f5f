"""Routes whose clients read errors of another form than ours."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from shared.errors import Fault, Refusal

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def route_saying(answer: Callable[[Exception], Response]) -> type[APIRoute]:
    """Every no of these routes is said by `answer`: also what goes wrong before their own code, with a key,
    a field or a body."""

    class Route(APIRoute):
        def get_route_handler(self) -> Handler:
            handle = super().get_route_handler()

            async def handler(request: Request) -> Response:
                try:
                    return await handle(request)
                except (Refusal, Fault, RequestValidationError, HTTPException) as error:
                    return answer(error)

            return handler

    return Route
