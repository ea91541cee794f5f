"""The local image origin and the health of the stack. The job API joins it here later."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path

from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import FileResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.asyncio import Redis

from farm.api.metrics import farm_metrics
from shared.attestation import INBOX
from shared.connections import Database
from shared.errors import Fault
from shared.storage import LocalStore, ObjectStore
from shared.uploads import UPLOADS

# Keys hold 128 random bits and are never written twice, so a copy is good for ever.
ASSET_HEADERS = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'",
    "Cross-Origin-Resource-Policy": "cross-origin",
}
MIME = {".png": "image/png", ".webp": "image/webp", ".json": "application/json"}


def create_app(
    *, database: Database, redis: Redis, store: ObjectStore, silent_s: float = 15.0
) -> FastAPI:
    app = FastAPI(title="Pictor", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/assets/{key:path}")
    async def asset(key: str) -> FileResponse:
        return await _serve(store, key)

    @app.get("/healthz")
    async def healthz() -> JSONResponse:
        return await _health(
            {"postgres": database.ping(), "redis": redis.ping(), "storage": store.ping()}
        )

    @app.get("/metrics")
    async def metrics() -> Response:
        text = await farm_metrics(database, silent_s=silent_s)
        return Response(generate_latest() + text, media_type=CONTENT_TYPE_LATEST)

    return app


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
    if key.startswith((INBOX, UPLOADS)):
        return None  # what people ask about, or bring, is nobody else's
    return path if path.is_file() else None


async def _health(checks: dict[str, Awaitable[object]]) -> JSONResponse:
    answers = await asyncio.gather(*checks.values(), return_exceptions=True)
    state = {
        name: "down" if isinstance(answer, BaseException) else "ok"
        for name, answer in zip(checks, answers, strict=True)
    }
    return JSONResponse(state, status_code=200 if set(state.values()) == {"ok"} else 503)
