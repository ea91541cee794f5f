"""Files over HTTP: the page, attachments as from a CDN, pictures from elsewhere by proxy."""

import re
from importlib import resources

import aiohttp
from aiohttp import web

from bot.emulator.emulator import EMULATOR
from bot.emulator.links import stands

routes = web.RouteTableDef()
MIME = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
FETCHER = web.AppKey("fetcher", aiohttp.ClientSession)
PICTURE_TIMEOUT = aiohttp.ClientTimeout(total=20)
PICTURE_MOST_BYTES = 50 * 1024 * 1024
FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}
SAFE = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}


@routes.get("/")
async def index(request: web.Request) -> web.Response:
    return _page_file("index.html")


@routes.get("/page/{name}")
async def page_file(request: web.Request) -> web.Response:
    return _page_file(request.match_info["name"])


def _page_file(name: str) -> web.Response:
    source = resources.files("bot.emulator") / "page" / name
    suffix = "." + name.rpartition(".")[2]
    if not re.fullmatch(r"[a-z]+\.[a-z]+", name) or suffix not in MIME or not source.is_file():
        raise web.HTTPNotFound
    headers = {
        "Content-Security-Policy": POLICY,
        "Cache-Control": "no-cache",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return web.Response(
        body=source.read_bytes(), content_type=MIME[suffix], charset="utf-8", headers=headers
    )


@routes.get("/favicon.ico")
async def favicon(request: web.Request) -> web.Response:
    return _page_file("pictor.svg")


@routes.get("/cdn/attachments/{place}/{attachment_id}/{filename}")
@routes.get("/cdn/ephemeral-attachments/{place}/{attachment_id}/{filename}")
async def attachment(request: web.Request) -> web.Response:
    world = request.app[EMULATOR].world
    item = world.attachments.get(request.match_info["attachment_id"])
    if item is None or item.channel_id != request.match_info["place"]:
        raise web.HTTPNotFound
    if not stands(item, request.query, world):
        raise web.HTTPNotFound(text="This content is no longer available.")
    headers = FOR_EVER | SAFE | {"Content-Type": item.content_type}
    return web.Response(body=item.content, headers=headers)


@routes.get("/media/{key}")
async def media(request: web.Request) -> web.Response:
    """A picture that a message shows, fetched from where it lives."""
    url = request.app[EMULATOR].world.media.get(request.match_info["key"])
    if url is None:
        raise web.HTTPNotFound
    try:
        async with request.app[FETCHER].get(url, timeout=PICTURE_TIMEOUT) as answer:
            content = await answer.content.read(PICTURE_MOST_BYTES)
            while not answer.content.at_eof() and len(content) < PICTURE_MOST_BYTES:
                content += await answer.content.read(PICTURE_MOST_BYTES - len(content))
    except (aiohttp.ClientError, TimeoutError) as error:
        raise web.HTTPBadGateway(text="the picture cannot be fetched") from error
    if answer.status != 200 or not answer.content_type.startswith("image/"):
        raise web.HTTPBadGateway(text=f"the picture's host answered {answer.status}")
    headers = {"Cache-Control": "public, max-age=3600"} | SAFE
    return web.Response(body=content, content_type=answer.content_type, headers=headers)
