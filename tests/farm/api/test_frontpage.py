"""The page's files: under a policy that lets nothing else in, and none but they."""

import re
from importlib import resources

import httpx

from farm.api.app import create_app
from farm.api.services import opened
from shared.config import Settings

LINK = re.compile(r'(?:href|src)="(/page/[^"]+)"|from "\./([a-z]+\.js)"')


async def test_everything_that_the_page_names_is_there(stranger: httpx.AsyncClient) -> None:
    seen, ahead = set(), ["/"]
    while ahead:
        path = ahead.pop()
        answer = await stranger.get(path)
        assert answer.status_code == 200, path
        assert "script-src 'self'; style-src 'self';" in answer.headers["Content-Security-Policy"]
        seen.add(path)
        named = (whole or f"/page/{module}" for whole, module in LINK.findall(answer.text))
        ahead += [one for one in named if one not in seen]
    every = {f"/page/{one.name}" for one in (resources.files("farm.api") / "page").iterdir()}
    assert seen == every - {"/page/index.html"} | {"/"}


async def test_nothing_else_is(stranger: httpx.AsyncClient) -> None:
    for name in ("../app.py", "..%2fapp.py", "app.py", "nothing.js", "app.js%00", "APP.JS"):
        assert (await stranger.get(f"/page/{name}")).status_code == 404, name


async def test_an_operator_may_leave_it_out(settings: Settings) -> None:
    bare = settings.api.model_copy(update={"page": False})
    async with opened(settings.model_copy(update={"api": bare})) as services:
        transport = httpx.ASGITransport(create_app(services))
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            assert (await client.get("/")).status_code == 404


async def test_nothing_of_it_is_written_into_the_page(stranger: httpx.AsyncClient) -> None:
    """The policy would stop a script or a style in the page's own text, and an address elsewhere."""
    text = (await stranger.get("/")).text
    assert not re.search(r"<style| style=| on[a-z]+=|<script(?![^>]*src=)|https?://", text)
