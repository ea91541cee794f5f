"""Routes whose clients read errors of another form than ours."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from farm.api.problems import Problem
from shared.errors import Fault, Refusal

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def said(problem: Problem, told: BaseModel, statuses: Mapping[int, int]) -> JSONResponse:
    """`told` is the problem in their words, `statuses` theirs for those of ours that they do not know."""
    headers = {"Retry-After": "5"} if problem.status == 503 else {}
    status = statuses.get(problem.status, problem.status)
    return JSONResponse(told.model_dump(), status, headers)


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
