"""How the proxy's dialect says no: a return code, in a body that its clients read."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from farm.api import problems
from farm.api.mj.answers import Code, SubmitResult
from shared.errors import Fault, Refusal
from shared.limits import LINE_FULL, TOO_MANY_AT_ONCE
from shared.orders import PromptBlocked, Unconfirmed

UNKNOWN = "unknown_task"
CODES = {
    UNKNOWN: Code.NOT_FOUND,
    "unknown_job": Code.NOT_FOUND,
    "prompt_blocked": Code.BANNED,
    LINE_FULL: Code.QUEUE_FULL,
    TOO_MANY_AT_ONCE: Code.QUEUE_FULL,
}
# A word that some clients look for in a description: they would answer it with a form.
TOO_MANY = (
    "This makes {jobs} jobs at once, which nobody can agree to in this dialect."
    " Write fewer choices or a smaller --repeat, or ask for it at /v1/jobs."
)
# Statuses that stand over the code; everything else is answered with 200, as the proxy does.
_AS_HTTP = frozenset({401, 403, 404})
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class MjRoute(APIRoute):
    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handle(request)
            except Refusal as refusal:
                return _refused(refusal)
            except Fault as fault:
                return _failed(fault)
            except RequestValidationError as error:
                return _invalid(error)

        return answered


def responses() -> dict[int | str, dict[str, Any]]:
    """Of every route, for its description."""
    said = {401: "No good key", 403: "The key may not", 404: "No such task", 422: "Not understood"}
    said |= {500: "Our failure", 503: "Away for a moment"}
    return {status: {"model": SubmitResult, "description": text} for status, text in said.items()}


def unknown_task() -> Refusal:
    return Refusal(UNKNOWN, "There is no such task here.", field="taskId")


def _refused(refusal: Refusal) -> Response:
    problem = problems.problem_of(refusal)
    code = CODES.get(problem.code, Code.INVALID)
    status = 404 if code is Code.NOT_FOUND else problem.status
    sentence = _sentence(refusal, problem.detail)
    result = SubmitResult(code=code, description=sentence, properties=_beside(refusal))
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return _answer(result, status if status in _AS_HTTP else 200, headers)


def _sentence(refusal: Refusal, detail: str) -> str:
    return TOO_MANY.format(jobs=refusal.quote.jobs) if isinstance(refusal, Unconfirmed) else detail


def _beside(refusal: Refusal) -> dict[str, Any]:
    """`bannedWord` names the rule: what was typed is not written out again."""
    if isinstance(refusal, PromptBlocked):
        case = None if refusal.case_id is None else str(refusal.case_id)
        return {"bannedWord": refusal.verdict.category, "caseId": case}
    return {"error": refusal.code} | ({"field": refusal.field} if refusal.field else {})


def _failed(fault: Fault) -> Response:
    problem = problems.problem_of(fault)
    headers = {"Retry-After": "5"} if fault.retryable else {}
    result = SubmitResult(code=Code.FAILURE, description=problem.detail)
    return _answer(result, problem.status, headers)


def _invalid(error: RequestValidationError) -> Response:
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"][1:])) or "body"
    return _answer(SubmitResult(code=Code.INVALID, description=f"{field}: {first['msg']}"), 422)


def _answer(result: SubmitResult, status: int, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse(result.model_dump(by_alias=True), status, headers=headers)
