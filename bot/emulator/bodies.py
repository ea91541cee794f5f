"""Reading what a request carries: JSON, or a form with `payload_json` and `files[n]`."""

import json
import re
from typing import Any

from aiohttp import web

from bot.emulator.errors import ApiError
from bot.emulator.uploads import Body, Upload

MAX_REQUEST_BYTES = 25 * 1024 * 1024
FILE_FIELD = re.compile(r"files\[(\d+)\]")


async def read_body(request: web.Request) -> tuple[Any, dict[int, Upload]]:
    """The JSON (None if there is no body) and the files by index."""
    if request.content_type == "multipart/form-data":
        return await _read_form(request)
    raw = await request.read()
    return (_parse(raw) if raw else None), {}


async def _read_form(request: web.Request) -> tuple[Any, dict[int, Upload]]:
    form = await request.post()
    files: dict[int, Upload] = {}
    for name, value in form.items():
        place = FILE_FIELD.fullmatch(name)
        if place and isinstance(value, web.FileField):
            files[int(place[1])] = Upload(value.filename, value.file.read())
    text = form.get("payload_json", "{}")
    return _parse(str(text).encode()), files


def _parse(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError as error:
        raise ApiError(50109) from error


def as_object(parsed: Any, files: dict[int, Upload]) -> Body:
    if parsed is None:
        return Body({}, files)
    if not isinstance(parsed, dict):
        raise ApiError(50109)
    return Body(parsed, files)
