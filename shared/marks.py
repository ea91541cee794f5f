"""The signs of a prompt: quotes, dashes, backslashes, numbers, and how a piece of it is shown. Pure."""

import re
import unicodedata
from decimal import Decimal

from shared.errors import Refusal

LONGEST = 2000
QUOTES = '"“”„‟«»'
DASHES = "-‐‑‒–—―−"
LONGEST_SHOWN = 40
_ESCAPED = re.compile(r"\\([{},])")
_SPECIAL = re.compile(r"[{}]|(?<=\\),")
# A backslash before it is an escape, whatever stands before the backslash: `\\{` is a backslash and a brace.
BARE_BRACE = re.compile(r"(?<!\\)[{}]")
BARE_COMMA = re.compile(r"(?<!\\),")
INVISIBLE = frozenset({"Cc", "Cf", "Cs"})  # control, format (bidi, zero width), lone surrogates


class Misfit(Exception):
    """The text is no value of this parameter. `hint` may say what was probably meant; `word` is the piece
    of the text that does not fit, `offset` characters from its beginning."""

    def __init__(self, hint: str = "", *, word: str = "", offset: int = 0) -> None:
        super().__init__(hint)
        self.hint = hint
        self.word = word
        self.offset = offset


def plain(number: float) -> str:
    """The shortest decimals that give this number again, never with an exponent."""
    text = format(Decimal(repr(number)), "f")
    return text.removesuffix(".0")


def shown(text: str) -> str:
    """The user's own words in quotes, cut to one short line."""
    short = text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"
    return f"“{short}”"


def literal(text: str) -> str:
    r"""The text that was meant by `\{`, `\}` and `\,`."""
    return _ESCAPED.sub(r"\1", text)


def escaped(text: str) -> str:
    """What `literal` gives back, and what opens no set of choices."""
    return _SPECIAL.sub(lambda found: "\\" + found[0], text)


def readable(text: str) -> str:
    """NFC, every white space a plain space, and nothing invisible that could reorder or hide text."""
    spaced = (" " if mark.isspace() else mark for mark in text)
    visible = "".join(mark for mark in spaced if unicodedata.category(mark) not in INVISIBLE)
    return unicodedata.normalize("NFC", visible)


def check_length(text: str, longest: int) -> None:
    if len(text) > longest:
        over = len(text) - longest
        sentence = (
            f"Your prompt has {len(text):,} characters and {longest:,} is the most. Shorten it by {over:,}, "
            f"say from character {longest + 1} on: what matters most belongs in the first few dozen words."
        )
        raise Refusal("prompt_too_long", sentence, field="prompt", position=longest + 1)
