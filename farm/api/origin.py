"""The local image origin and the health of the stack: for everybody, without a key."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path

from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import FileResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from farm.api.metrics import farm_metrics
from farm.api.services import Services
from shared.attestation import INBOX
from shared.errors import Fault
from shared.storage import LocalStore, ObjectStore
from shared.uploads import BROUGHT, UPLOADS

# Keys hold 128 random bits and are never written twice, so a copy is good for ever.
ASSET_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
MIME = {".png": "image/png", ".webp": "image/webp", ".json": "application/json"}
PRIVATE = (INBOX, UPLOADS, BROUGHT)  # what people ask about, or bring, is nobody else's


def routes(services: Services) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/assets/{key:path}")
    async def asset(key: str) -> FileResponse:
        return await _serve(services.store, key)

    @router.get("/healthz")
    async def healthz() -> JSONResponse:
        checks = (services.database.ping(), services.redis.ping(), services.store.ping())
        return await _health(dict(zip(("postgres", "redis", "storage"), checks, strict=True)))

    @router.get("/metrics")
    async def metrics() -> Response:
        silent_s = services.settings.farm.worker_silent_s
        text = await farm_metrics(services.database, silent_s=silent_s)
        return Response(generate_latest() + text, media_type=CONTENT_TYPE_LATEST)

    return router


async def _serve(store: ObjectStore, key: str) -> FileResponse:
    if not isinstance(store, LocalStore):
        raise HTTPException(404, "Pictures are served by the object store, not by this host.")
    path = await asyncio.to_thread(_existing, store, key)
    if path is None:
        raise HTTPException(404, "No such picture.")
    mime = MIME.get(path.suffix, "application/octet-stream")
    return FileResponse(path, media_type=mime, headers=ASSET_HEADERS)


def _existing(store: LocalStore, key: str) -> Path | None:
    try:
        path = store.path(key)
    except (Fault, ValueError):
        return None
    if key.startswith(PRIVATE):
        return None
    return path if path.is_file() else None


async def _health(checks: dict[str, Awaitable[object]]) -> JSONResponse:
    answers = await asyncio.gather(*checks.values(), return_exceptions=True)
    state = {
        name: "down" if isinstance(answer, BaseException) else "ok"
        for name, answer in zip(checks, answers, strict=True)
    }
    return JSONResponse(state, status_code=200 if set(state.values()) == {"ok"} else 503)
