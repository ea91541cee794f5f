"""Words of people and of models, made harmless to stand in a message of ours. Pure."""

import re

_SPECIAL = re.compile(r"([\\*_~`|<>\[\]]|:(?=//))")
_UNIT = re.compile(r"\\[^\\]|\\\\|[^\\]")  # a sign with its escape, never half of it
# Control and direction marks would let a prompt redraw the line around it.
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+|\s+")


def plain(text: str) -> str:
    """On one line, of visible signs alone."""
    return _INVISIBLE.sub(" ", text).strip()


def quote(prompt: str, room: int) -> str:
    """The prompt on one line with its markdown made harmless, cut between characters to fit."""
    escaped = _SPECIAL.sub(r"\\\1", plain(prompt) or "…")
    if len(escaped) <= room:
        return escaped
    ends = [unit.end() for unit in _UNIT.finditer(escaped, 0, room - 1)]
    return escaped[: ends[-1] if ends else 0] + "…"


def shortened(text: str, room: int) -> str:
    return text if len(text) <= room else text[: room - 1] + "…"
