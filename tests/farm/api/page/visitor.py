"""Somebody at the web client, in a real browser over a real socket."""

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal
from urllib.parse import urlsplit

from PIL import Image
from playwright.async_api import Browser, Page, Route, expect

from shared.storage import ObjectStore

Scheme = Literal["dark", "light"]
ROOMS = ("draw", "gallery", "models", "usage", "keys", "hooks", "review")
SETTLED_MS = 250  # what a room asks for has come, and its colours have stopped moving
# What a no leaves in the console, and a database that a busy machine did not reach in time: the page has
# told its person in words.
EXPECTED = tuple(f"status of {status}" for status in (401, 404, 422, 429, 503))


@asynccontextmanager
async def visit(
    browser: Browser,
    address: str,
    store: ObjectStore,
    *,
    key: str | None = None,
    path: str = "/",
    width: int = 1280,
    scheme: Scheme = "dark",
    **more: Any,
) -> AsyncIterator[Page]:
    """Signed in with `key`. At the end: no error, nothing that the policy stopped, nothing from elsewhere."""
    view = {"width": width, "height": 800}
    context = await browser.new_context(viewport=view, color_scheme=scheme, **more)  # type: ignore[arg-type]
    page = await context.new_page()
    complaints, elsewhere = _listen(page, address, store.url("x"))
    await page.route(f"{store.url('x').rpartition('/')[0]}/**", _picture)
    if key is not None:
        await page.add_init_script(f"sessionStorage.setItem('pictor.key', {json.dumps(key)})")
    page.set_default_timeout(10_000)
    await page.goto(address + path)
    await expect(page.locator("#house:not([hidden]), #door:not([hidden])")).to_be_visible()
    yield page
    await context.close()
    assert complaints == []
    assert elsewhere == []


async def enter(page: Page, room: str) -> None:
    await page.evaluate(f"location.hash = '#/{room}'")
    await page.wait_for_timeout(SETTLED_MS)


def _listen(page: Page, address: str, stored: str) -> tuple[list[str], list[str]]:
    ours = {urlsplit(address).netloc, urlsplit(stored).netloc}
    complaints: list[str] = []
    elsewhere: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda m: complaints.append(m.text) if _is_bad(m.type, m.text) else None)
    page.on("request", lambda r: elsewhere.append(r.url) if _is_foreign(r.url, ours) else None)
    return complaints, elsewhere


def _is_bad(kind: str, text: str) -> bool:
    return kind == "error" and not any(words in text for words in EXPECTED)


def _is_foreign(url: str, ours: set[str]) -> bool:
    parts = urlsplit(url)
    return parts.scheme.startswith("http") and parts.netloc not in ours


async def _picture(route: Route) -> None:
    packed = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(packed, "PNG")
    await route.fulfill(body=packed.getvalue(), content_type="image/png")
