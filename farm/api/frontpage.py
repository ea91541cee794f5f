"""The web client at /: files from a folder, under a policy that lets nothing else in."""

from importlib import resources
from importlib.resources.abc import Traversable
from urllib.parse import urlsplit

from fastapi import APIRouter, HTTPException, Response

from farm.api.services import Services
from shared.storage import ObjectStore

MIME = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}


def routes(services: Services) -> APIRouter:
    router = APIRouter(include_in_schema=False)
    if not services.settings.api.page:
        return router
    files, headers = _files(), _headers(services.store)

    @router.get("/")
    async def frontpage() -> Response:
        return page_file("index.html")

    @router.get("/page/{name}")
    def page_file(name: str) -> Response:
        if name not in files:
            raise HTTPException(404, "The page has no such file.")
        mime = MIME[_suffix(name)]
        return Response(files[name].read_bytes(), media_type=mime, headers=headers)

    return router


def _files() -> dict[str, Traversable]:
    """By name: what is asked for is looked up among them, and never made into a path."""
    there = (resources.files("farm.api") / "page").iterdir()
    return {one.name: one for one in there if _suffix(one.name) in MIME}


def _suffix(name: str) -> str:
    return name.rpartition(".")[2]


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
