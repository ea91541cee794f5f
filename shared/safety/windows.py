"""Overlapping stretches of a text, so that padding dilutes nothing. Pure."""

from collections.abc import Sequence

SIZE, STEP = 32, 16  # words; with 16 and 8 the heads caught 8 points less (docs/safety.md)


def windows(words: Sequence[str], *, size: int = SIZE, step: int = STEP) -> list[str]:
    """Each `size` words, `step` apart; the last one ends where the text ends. A short text is one."""
    if not words:
        return []
    last = max(0, len(words) - size)
    starts = [*range(0, last, step), last]
    return [" ".join(words[start : start + size]) for start in starts]
