"""Styles: looks that a checkpoint has by name, of words, a LoRA or both. How strongly they act. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared import places
from shared.places import require
from shared.references import NAME

USUAL = 100  # --stylize and --sw: as it was made
MOST = 1000  # twice that
RESERVED = ("raw",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """`words` are told beside the prompt, `lora` is a LoRA of the catalog; `weight` multiplies both."""

    name: str
    title: str
    words: str = ""
    lora: str = ""
    weight: float = 1.0


READERS: dict[str, places.Reader] = {
    **dict.fromkeys(("title", "words", "lora"), places.text),
    "weight": places.number,
}


def read_styles(value: Any) -> dict[str, Style]:
    """ValueError that names the style and the field."""
    require(isinstance(value, dict), f"must be tables by name, not {value!r}")
    return {name: _style(name, row) for name, row in value.items()}


def strength_of(stylize: int | None) -> float:
    """0 to 1 up to the usual, from there slowly to 2: a LoRA at ten times its weight draws noise."""
    share = USUAL if stylize is None else stylize
    return share / USUAL if share <= USUAL else 1 + (share - USUAL) / (MOST - USUAL)


def mixed(code: int, styles: Mapping[str, Style]) -> dict[str, float]:
    """The shares of a style code: always the same of the same styles, and the strongest of them is 1."""
    drawn = {name: _number(code, name) for name in sorted(styles)}
    strongest = max(drawn.values(), default=1.0)
    return {name: number / strongest for name, number in drawn.items()}


def drawn_code(seed: int, place: int) -> int:
    """What `random` becomes, where it stands as number `place` of the style references."""
    return int(_digest(f"code {seed} {place}"), 16) % 2**32


def _style(name: str, row: Any) -> Style:
    require(isinstance(row, dict), f"{name} must be a table, not {row!r}")
    stray = set(row) - set(READERS)
    require(not stray, f"{name}: unknown fields: {', '.join(sorted(stray))}")
    style = Style(name=name, **({"title": name.title()} | places.read_fields(row, READERS)))
    usable = NAME.fullmatch(name) and name == name.lower() and name not in RESERVED
    require(bool(usable), f"{name} cannot be typed behind --style")
    require(bool(style.words.strip() or style.lora), f"{name} needs words or lora")
    require(0 < style.weight <= 2, f"{name}: weight must be above 0 and at most 2")
    return style


def _number(code: int, name: str) -> float:
    """In (0, 1]; squared, so that most styles of a code are faint."""
    return ((int(_digest(f"{code} {name}"), 16) % 1000 + 1) / 1000) ** 2


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
