"""What every REST request passes: log, faults, token, limits, validation, errors as JSON."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from bot.emulator import limits
from bot.emulator.bodies import as_object, read_body
from bot.emulator.emulator import EMULATOR, Emulator
from bot.emulator.errors import ApiError, invalid_body
from bot.emulator.faults import Fault
from bot.emulator.uploads import Body, Upload

API = "/api/v10"
WITHOUT_BOT_TOKEN = ("/interactions/", "/webhooks/")
PUBLIC = ("/gateway",)
JUDGED = web.RequestKey("judged", object)
PLACES = ("channel_id", "guild_id", "webhook_token")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def discord_edge(request: web.Request, handler: Handler) -> web.StreamResponse:
    if not request.path.startswith(API + "/"):
        return await handler(request)
    emulator = request.app[EMULATOR]
    started = emulator.world.clock.now()
    response = await _with_faults(emulator, request, handler)
    # discord.py takes a 429 for Cloudflare's ban unless it came through Discord's proxies.
    response.headers["Via"] = "1.1 local"
    if response.content_type == "application/json":
        # discord.py reads JSON only where no charset is named.
        response.headers["Content-Type"] = "application/json"
    emulator.requests.append(
        {
            "method": request.method,
            "path": request.path.removeprefix(API),
            "status": response.status,
            "at": started,
            "seconds": round(emulator.world.clock.now() - started, 4),
        }
    )
    return response


async def _with_faults(
    emulator: Emulator, request: web.Request, handler: Handler
) -> web.StreamResponse:
    fault = emulator.faults.strike(request.method, request.path.removeprefix(API))
    if fault is None:
        return await _answer(emulator, request, handler)
    if fault.kind == "delay":
        await asyncio.sleep(fault.seconds)
        return await _answer(emulator, request, handler)
    if fault.kind == "lose":
        await _answer(emulator, request, handler)
    if fault.kind in ("lose", "drop"):
        _reset_connection(request)
        return web.Response(status=499)
    return _made_up_failure(fault)


def _reset_connection(request: web.Request) -> None:
    transport = request.transport
    if transport is None:
        return
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _made_up_failure(fault: Fault) -> web.Response:
    if fault.kind == "limit":
        return _too_many_requests(fault.seconds, {}, everywhere=fault.everywhere)
    return web.json_response(
        {"message": f"{fault.status}: made up", "code": 0}, status=fault.status
    )


async def _answer(emulator: Emulator, request: web.Request, handler: Handler) -> web.StreamResponse:
    headers: dict[str, str] = {}
    route, now = (request.method, template_of(request), _place(request)), emulator.world.clock.now()
    try:
        _authenticate(emulator, request)
        answer = emulator.limits.take(*route, now=now)
        if not answer.allowed:
            return _too_many_requests(
                answer.retry_after, answer.headers, everywhere=answer.everywhere
            )
        headers = answer.headers
        response = await handler(request)
    except ApiError as error:
        _note(emulator, request, error)
        if error.retry_after is not None:
            emulator.limits.refund(*route, now=now)
        response = web.json_response(error.to_json(), status=error.status)
    except web.HTTPException as error:
        response = web.json_response(
            {"message": f"{error.status}: {error.reason}", "code": 0}, status=error.status
        )
    response.headers.update(headers)
    return response


def _too_many_requests(wait: float, headers: dict[str, str], *, everywhere: bool) -> web.Response:
    body = {
        "message": "You are being rate limited.",
        "retry_after": wait,
        "global": everywhere,
    }
    return web.json_response(body, status=429, headers=headers)


def _authenticate(emulator: Emulator, request: web.Request) -> None:
    path = request.path.removeprefix(API)
    if path in PUBLIC or path.startswith(WITHOUT_BOT_TOKEN):
        return
    if request.headers.get("Authorization") != f"Bot {emulator.world.token}":
        raise ApiError(0)


def template_of(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical.removeprefix(API) if resource else ""


def _place(request: web.Request) -> str:
    return "+".join(request.match_info.get(key, "") for key in PLACES)


async def valid_body(request: web.Request) -> Body:
    parsed, files = await valid_json(request)
    return as_object(parsed, files)


async def valid_json(request: web.Request) -> tuple[Any, dict[int, Upload]]:
    """The body once Discord's description and our stricter rules agree with it, else 50035."""
    parsed, files = await read_body(request)
    request[JUDGED] = parsed
    emulator, template = request.app[EMULATOR], template_of(request)
    judged = {} if parsed is None else parsed
    problems = []
    if emulator.description is not None:
        problems += emulator.description.problems(request.method, template, judged)
    if not problems:
        problems += limits.check(request.method, template, judged)
    if problems:
        raise invalid_body(problems)
    return parsed, files


def _note(emulator: Emulator, request: web.Request, error: ApiError) -> None:
    """Tests can read which body was refused with 50035, and why."""
    if error.problems:
        emulator.violations.append(
            {
                "method": request.method,
                "path": request.path.removeprefix(API),
                "problems": [str(problem) for problem in error.problems],
                "body": request.get(JUDGED),
            }
        )
