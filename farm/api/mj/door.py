"""How the proxy's dialect says no: a return code, in a body that its clients read."""

from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse

from farm.api import problems
from farm.api.dialects import route_saying
from farm.api.mj.answers import Code, SubmitResult
from shared.errors import Fault, Refusal
from shared.limits import LINE_FULL, TOO_MANY_AT_ONCE
from shared.orders import PromptBlocked, Unconfirmed

UNKNOWN = "unknown_task"
CODES = {
    UNKNOWN: Code.NOT_FOUND,
    "unknown_job": Code.NOT_FOUND,
    "prompt_blocked": Code.BANNED,
    "too_many_requests": Code.QUEUE_FULL,
    LINE_FULL: Code.QUEUE_FULL,
    TOO_MANY_AT_ONCE: Code.QUEUE_FULL,
}
# Without the word “confirm”: some clients look for it, and would answer with a form.
TOO_MANY = (
    "This makes {jobs} jobs at once, which nobody can agree to in this dialect."
    " Write fewer choices or a smaller --repeat, or ask for it at /v1/jobs."
)
# Statuses that stand over the code; what the desk says no to is answered with 200, as the proxy does.
_AS_HTTP = frozenset({401, 403, 404, 429})
DOCUMENTED: dict[int | str, dict[str, Any]] = {
    status: {"model": SubmitResult, "description": problems.TITLES[status]}
    for status in (401, 403, 404, 422, 429, 500, 503)
}


def answer(error: Exception) -> Response:
    if isinstance(error, Refusal):
        return _refused(error)
    problem = problems.problem_of(error)
    code = Code.FAILURE if isinstance(error, Fault) else Code.INVALID
    headers = {"Retry-After": "5"} if problem.status == 503 else {}
    return _written(SubmitResult(code=code, description=problem.detail), problem.status, headers)


MjRoute = route_saying(answer)


def unknown_task() -> Refusal:
    return Refusal(UNKNOWN, "There is no such task here.", field="taskId")


def _refused(refusal: Refusal) -> Response:
    problem = problems.problem_of(refusal)
    code = CODES.get(problem.code, Code.INVALID)
    status = 404 if code is Code.NOT_FOUND else problem.status
    sentence = problem.detail
    if isinstance(refusal, Unconfirmed):
        sentence = TOO_MANY.format(jobs=refusal.quote.jobs)
    result = SubmitResult(code=code, description=sentence, properties=_beside(refusal))
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return _written(result, status if status in _AS_HTTP else 200, headers)


def _beside(refusal: Refusal) -> dict[str, Any]:
    """`bannedWord` names the rule: what was typed is not written out again."""
    if isinstance(refusal, PromptBlocked):
        case = None if refusal.case_id is None else str(refusal.case_id)
        return {"bannedWord": refusal.verdict.category, "caseId": case}
    return {"error": refusal.code} | ({"field": refusal.field} if refusal.field else {})


def _written(result: SubmitResult, status: int, headers: dict[str, str]) -> Response:
    return JSONResponse(result.model_dump(by_alias=True), status, headers=headers)
