"""Texts that are made to keep the screen busy: each is answered, and none takes for ever."""

import pytest

from shared.config import SHARED
from shared.safety.screen import open_screen
from shared.safety.verdict import FAILED

SAFETY = SHARED / "safety"
SCREEN = open_screen(SAFETY / "blocklist.toml", SAFETY / "policy.toml")
LENGTH = 6_000

HOSTILE = {
    "base64": "Zg9v",
    "digits": "1",
    "sizes": "1x",
    "hex": "0x41 ",
    "spaced": "f u c k ",
    "dotted": "f.u.c.k ",
    "stretched": "fuuuuuck",
    "stars": "*",
    "addresses": "a@",
    "powers": "a^",
    "sums": "a=",
    "flags": "--a ",
    "percent": "%61",
    "entities": "&#102;",
    "twice": "JTI1NjE=",
    "initials": "a. ",
    "brackets": "(",
    "ages": "12 years old ",
    "marks": "f\u0336",
    "emoji": "🍆",
    "fractions": "1/",
    "backwards": "kcuf ",
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("end", ["", "~"])
@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_keeps_the_screen_busy(name: str, end: str) -> None:
    one = HOSTILE[name]
    text = (one * (LENGTH // len(one)))[: LENGTH - 1] + end
    assert not SCREEN.screen([text]).rule.startswith(FAILED)
