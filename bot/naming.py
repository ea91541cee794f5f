"""What people call things that rows name in one word. Pure."""

from shared.safety.screen import NAMES

_MORE = {
    "minor": "minors",
    "known": "a known picture",
    "none": "no category",
    "other": "something else",
}


def category_name(name: str) -> str:
    return NAMES.get(name) or _MORE.get(name) or name.replace("_", " ")


def counted(number: int, thing: str) -> str:
    """`1 job`, `2 jobs`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
