"""What the page is made of: no build, no framework, nothing from other hosts, no HTML from text."""

import re
from pathlib import Path

import aiohttp
import pytest

from bot.emulator.client import LocalDiscord

PAGE = Path(__file__).parents[3] / "bot" / "emulator" / "page"
FILES = sorted(PAGE.iterdir())
NAMESPACE = "http://www.w3.org/2000/svg"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_files_are_short_and_stay_at_home(path: Path) -> None:
    text = path.read_text("utf-8").replace(NAMESPACE, "")
    assert len(text.splitlines()) < 300
    assert not re.search(r"""(?:src|href|url|import|from|fetch)\s*[=(]?\s*["'(]https?://""", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text)


def test_every_module_and_style_is_there() -> None:
    html = (PAGE / "index.html").read_text("utf-8")
    named = set(re.findall(r"/page/([a-z]+\.[a-z]+)", html))
    for script in PAGE.glob("*.js"):
        named |= set(re.findall(r'from "\./([a-z]+\.js)"', script.read_text("utf-8")))
    assert named <= {path.name for path in FILES}
    assert {path.name for path in FILES if path.suffix in (".js", ".css")} <= named


async def test_the_policy_lets_nothing_in(local: LocalDiscord) -> None:
    async with aiohttp.ClientSession() as session:
        for path in ("/", "/page/app.js", "/page/pictor.svg"):
            async with session.get(local.url + path) as answer:
                policy = answer.headers["Content-Security-Policy"]
                assert answer.status == 200
                assert "default-src 'none'" in policy
                assert "unsafe" not in policy
        for path in ("/page/../world.py", "/page/none.js", "/page/__init__.py"):
            async with session.get(local.url + path) as answer:
                assert answer.status == 404
