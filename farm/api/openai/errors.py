"""Errors as OpenAI's clients read them, said by a route of their own kind."""

from typing import Any

from fastapi import Response

from farm.api import problems
from farm.api.dialects import route_saying, said
from farm.api.openai.shapes import Error, Wrong
from farm.api.problems import Problem

# Where their clients act on a word of theirs.
THEIR_CODES = {
    "bad_key": "invalid_api_key",
    "not_signed_in": "invalid_api_key",
    "no_credit": "insufficient_quota",
    "prompt_blocked": "content_policy_violation",
    "image_blocked": "content_policy_violation",
    "too_many_requests": "rate_limit_exceeded",
    "too_many_waiting": "rate_limit_exceeded",
}
TYPES = {
    "insufficient_quota": "insufficient_quota",
    "content_policy_violation": "image_generation_user_error",
    "rate_limit_exceeded": "rate_limit_error",
}
# They know no 402 and no 422.
STATUS = {402: 429, 422: 400}
DOCUMENTED: dict[int | str, dict[str, Any]] = {
    status: {"model": Error, "description": problems.TITLES[status]}
    for status in (400, 401, 403, 404, 429, 500, 503)
}


def answer(error: Exception) -> Response:
    problem = problems.problem_of(error)
    return said(problem, error_of(problem), STATUS)


Route = route_saying(answer)  # also of what goes wrong before its own code


def error_of(problem: Problem) -> Error:
    code = THEIR_CODES.get(problem.code, problem.code)
    usual = "server_error" if problem.status >= 500 else "invalid_request_error"
    kind = TYPES.get(code, usual)
    return Error(error=Wrong(message=problem.detail, type=kind, param=problem.field, code=code))
