"""Which pages may ask: by setting, and of sockets checked here, for browsers let any page open one."""

from urllib.parse import urlsplit

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection

from shared.config import ApiSettings
from shared.errors import Refusal

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ASKED = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "Prefer",
    "Cancel-After",
    "Last-Event-ID",
    "mj-api-secret",
    "apikey",
)
TOLD = (
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "Location",
    "Preference-Applied",
    "Idempotency-Replayed",
)


def install(app: FastAPI, settings: ApiSettings) -> None:
    """Without origins no other page reads an answer. No cookie is ever taken, so none is allowed."""
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=METHODS,
            allow_headers=ASKED,
            expose_headers=TOLD,
            max_age=600,
        )


def check_origin(connection: HTTPConnection, settings: ApiSettings) -> None:
    """Refusal `origin_refused` for a socket that a stranger's page opens. Programs send no origin."""
    origin = connection.headers.get("origin")
    if connection.scope["type"] != "websocket" or origin is None:
        return
    if origin not in (origin_of(settings.public_url), *settings.cors_origins):
        sentence = (
            "This page may open no socket here: its origin is not in PICTOR_API__CORS_ORIGINS."
        )
        raise Refusal("origin_refused", sentence)


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
