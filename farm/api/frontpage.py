"""The web client at /: files from a folder, under a policy that lets nothing else in."""

import re
from importlib import resources
from urllib.parse import urlsplit

from fastapi import APIRouter, HTTPException, Response

from farm.api.services import Services
from shared.storage import ObjectStore

MIME = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
_NAME = re.compile(rf"[a-z]+\.({'|'.join(MIME)})")


def routes(services: Services) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    if not services.settings.api.page:
        return router
    headers = _headers(services.store)

    @router.get("/")
    async def frontpage() -> Response:
        return _file("index.html", headers)

    @router.get("/page/{name}")
    async def page_file(name: str) -> Response:
        return _file(name, headers)

    return router


def _file(name: str, headers: dict[str, str]) -> Response:
    found = _NAME.fullmatch(name)
    source = resources.files("farm.api") / "page" / name
    if found is None or not source.is_file():
        raise HTTPException(404, "The page has no such file.")
    return Response(source.read_bytes(), media_type=MIME[found[1]], headers=headers)


def _headers(store: ObjectStore) -> dict[str, str]:
    """No script, style or answer but our own; pictures from where they are kept too. Asked for again each
    time: after an update nobody has half of the old page."""
    kept = urlsplit(store.url("probe"))
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        f"img-src 'self' data: blob: {kept.scheme}://{kept.netloc}; "
        f"form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-cache",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
