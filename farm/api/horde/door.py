"""How AI Horde's dialect says no: a sentence, and a code that its clients know."""

from typing import Any

from fastapi import Response

from farm.api import problems
from farm.api.dialects import route_saying, said
from farm.api.horde.answers import HordeWrong

CODES = {
    "bad_key": "InvalidAPIKey",
    "not_signed_in": "InvalidAPIKey",
    "unknown_job": "RequestNotFound",
    "no_credit": "KudosUpfront",
    "prompt_blocked": "CorruptPrompt",
    "too_many_waiting": "TooManyPrompts",
    "too_many_at_once": "TooManyPrompts",
}
# They know no 402 and no 422.
STATUS = {402: 403, 422: 400}
DOCUMENTED: dict[int | str, dict[str, Any]] = {
    status: {"model": HordeWrong, "description": problems.TITLES[status]}
    for status in (400, 401, 403, 404, 429, 500, 503)
}


def answer(error: Exception) -> Response:
    problem = problems.problem_of(error)
    wrong = HordeWrong(message=problem.detail, rc=CODES.get(problem.code, problem.code))
    return said(problem, wrong, STATUS)


HordeRoute = route_saying(answer)
