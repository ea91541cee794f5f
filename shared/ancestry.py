"""What nobody can make of a picture, and what to do instead. Pure."""

from collections.abc import Sequence
from math import isfinite

from shared.errors import Refusal
from shared.spec import MOST_BLENDED, RenderKind, RenderSpec, Source

LEAST = 1.1  # times larger, or further away


def needed(source: Source | None) -> Source:
    if source is None:
        sentence = "The picture to vary is missing. Choose one of a finished grid."
        raise Refusal("source_missing", sentence, field="source")
    return source


def check_picture(parent: RenderSpec, index: int) -> None:
    if parent.kind is RenderKind.UPSCALE:
        sentence = "This picture is upscaled already. Use the buttons under the grid it came from."
        raise Refusal("already_upscaled", sentence)
    if not 0 <= index < parent.images:
        raise Refusal("no_such_picture", f"That grid has the pictures 1 to {parent.images}.")


def check_strength(strength: float) -> None:
    if not 0 < strength <= 1:
        sentence = f"A strength lies above 0 and is at most 1, not {strength:g}. Try 0.6."
        raise Refusal("invalid_value", sentence, field="strength")


def check_blend(sources: Sequence[Source], shares: Sequence[float]) -> None:
    if not 2 <= len(sources) <= MOST_BLENDED:
        sentence = f"A blend takes 2 to {MOST_BLENDED} pictures, not {len(sources)}."
        raise Refusal("invalid_value", sentence, field="sources")
    if len(shares) not in (0, len(sources)):
        sentence = f"{len(shares)} shares do not go with {len(sources)} pictures. Give one to each."
        raise Refusal("invalid_value", sentence, field="shares")
    if not all(isfinite(share) and share > 0 for share in shares):
        sentence = "Every picture's share lies above 0. Leave out what is to have none."
        raise Refusal("invalid_value", sentence, field="shares")


def check_factor(factor: float, beginning: str, most: float) -> None:
    """Less than a tenth would leave nothing to draw on a small canvas."""
    if not LEAST <= factor <= most:
        sentence = f"{beginning} {LEAST:g} to {most:g} times, not {factor:g} times."
        raise Refusal("invalid_value", sentence, field="factor")


def check_words(words: str) -> None:
    if not words.strip():
        sentence = "Say what is to be drawn anew, for example: the boat."
        raise Refusal("invalid_value", sentence, field="words")
