"""How the API says no: RFC 9457 problem details, with the codes that the bot uses too."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import (
    RequestValidationError,
    ValidationException,
    WebSocketRequestValidationError,
)
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from shared.errors import Fault, Refusal
from shared.orders import PromptBlocked, Unconfirmed

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
# What a Refusal means over HTTP. Every other one is 422: understood, and not possible like this.
STATUS = {
    "not_signed_in": 401,
    "bad_key": 401,
    "no_credit": 402,
    "account_banned": 403,
    "account_suspended": 403,
    "banned_here": 403,
    "scope_missing": 403,
    "origin_refused": 403,
    "not_a_person": 403,
    "token_too_strong": 403,
    "not_allowed": 403,
    "no_self_approval": 403,
    "never_revealed": 403,
    "never_lifted": 403,
    "unknown_job": 404,
    "unknown_worker": 404,
    "unknown_case": 404,
    "unknown_person": 404,
    "unknown_proposal": 404,
    "unknown_term": 404,
    "no_picture": 404,
    "no_text_service": 404,
    "unknown_webhook": 404,
    "unknown_delivery": 404,
    "not_found": 404,
    "model_not_found": 404,
    "too_slow": 408,
    "already_finished": 409,
    "not_finished": 409,
    "already_decided": 409,
    "appealed_before": 409,
    "reported_before": 409,
    "banned_before": 409,
    "refunded_before": 409,
    "term_known": 409,
    "key_reused": 409,
    "no_worker": 409,
    "too_many_keys": 409,
    "name_taken": 409,
    "too_many_loras": 409,
    "too_many_webhooks": 409,
    "signed_by_account": 409,
    "too_large": 413,
    "file_too_large": 413,
    "picture_too_large": 413,
    "too_many_waiting": 429,
    "too_many_requests": 429,
    "too_many_inquiries": 429,
    "text_busy": 429,
    "paused": 503,
    "paused_for_safety": 503,
}
CODES = {404: "not_found", 405: "method_not_allowed"}
# Whose job it is, or whether there is one, is nobody else's to know: both are told in the same words.
UNTOLD = {"not_yours": Refusal("unknown_job", "There is no such job here.", field="job")}
TITLES = {
    400: "Not understood",
    401: "Not signed in",
    402: "Not enough GPU time",
    403: "Not allowed",
    404: "Not found",
    405: "Not possible here",
    408: "Too slow",
    409: "Already done otherwise",
    413: "Too large",
    415: "Not a form that is read",
    422: "Not possible like this",
    429: "Too many at once",
    500: "Our failure",
    503: "Away for a moment",
}


class Slip(BaseModel):
    """One field of a request that is wrong, and why."""

    field: str
    detail: str


class Problem(BaseModel):
    """What went wrong, whose it is to fix, and how (RFC 9457)."""

    type: str = Field(examples=["about:blank"], default="about:blank")
    title: str = Field(examples=["Not possible like this"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["--ar is from 1:14 to 14:1; 20:1 is not. Try --ar 14:1."])
    code: str = Field(examples=["invalid_parameter"], description="Stable: test for this one.")
    field: str | None = Field(default=None, examples=["prompt"])
    position: int | None = Field(
        default=None, examples=[17], description="The character of the text in it, from 1."
    )
    retryable: bool = Field(default=False, description="The same request may pass later.")
    errors: list[Slip] = Field(default_factory=list)


def install(app: FastAPI) -> None:
    """One shape for every no, whoever says it."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(Fault, _failed)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(WebSocketRequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _plain)
    app.add_exception_handler(Exception, _unexpected)


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What every route may say instead, and these beside it: for a router's description. By reference: a model
    for each of them on each route would cost a second whenever an app is made."""
    every = sorted({401, 403, 422, 429, 503, *statuses})
    told = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"description": TITLES[status], "content": {MEDIA_TYPE: told}} for status in every
    }


def with_problems(description: dict[str, Any]) -> dict[str, Any]:
    """An OpenAPI description with what `refusals` refers to."""
    told = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    described = description["components"]["schemas"]
    for name, schema in (told.pop("$defs") | {"Problem": told}).items():
        described.setdefault(name, schema)
    return description


def answer(
    problem: Problem,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    told = problem.model_dump(exclude_none=True)
    return JSONResponse(
        told | more, problem.status, headers=dict(headers or {}), media_type=MEDIA_TYPE
    )


def problem_of(error: Exception) -> Problem:
    """Of whatever a request is refused with."""
    match error:
        case Refusal():
            return _of_refusal(UNTOLD.get(error.code, error))
        case Fault():
            status = 503 if error.retryable else 500
            return _problem(status, error.code, error.sentence, retryable=error.retryable)
        case ValidationException():
            return _of_fields(_slips(error.errors()))
        case HTTPException():
            code = CODES.get(error.status_code, "http_error")
            return _problem(error.status_code, code, str(error.detail))
    raise TypeError(f"nobody is refused with {type(error).__name__}")


def _of_refusal(refusal: Refusal) -> Problem:
    place = {"field": refusal.field, "position": refusal.position}
    return _problem(STATUS.get(refusal.code, 422), refusal.code, refusal.sentence, **place)


def _of_fields(slips: list[Slip]) -> Problem:
    first = slips[0]
    detail = f"{first.field}: {first.detail}"
    return _problem(422, "invalid_request", detail, field=first.field, errors=slips)


def _problem(status: int, code: str, detail: str, **more: Any) -> Problem:
    return Problem(
        title=TITLES.get(status, "Not possible"), status=status, code=code, detail=detail, **more
    )


async def _refused(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    problem = problem_of(error)
    headers = {"WWW-Authenticate": "Bearer"} if problem.status == 401 else {}
    return answer(problem, headers, **_beside(error))


def _beside(error: Refusal) -> dict[str, Any]:
    """What a client may go on with."""
    if isinstance(error, Unconfirmed):
        quote = error.quote
        return {"quote": {"jobs": quote.jobs, "price_ms": quote.price_ms}}
    if isinstance(error, PromptBlocked) and error.case_id is not None:
        return {"case_id": str(error.case_id)}
    return {}


async def _failed(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Fault)
    log.warning("%s (%s)", error.sentence, error.code)
    problem = problem_of(error)
    return answer(problem, {"Retry-After": "5"} if error.retryable else {})


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    return answer(problem_of(error))


def _slips(errors: Sequence[Any]) -> list[Slip]:
    """Without what was sent: a prompt must not come back in an error that somebody logs."""
    return [
        Slip(field=".".join(map(str, one["loc"][1:])) or "body", detail=one["msg"])
        for one in errors
    ]


async def _plain(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return answer(problem_of(error), error.headers)


async def _unexpected(_: Request, error: Exception) -> JSONResponse:
    log.error("A request met an error nobody expected.", exc_info=error)
    return answer(
        _problem(500, "internal", "Something broke here. It is not your request's fault.")
    )
