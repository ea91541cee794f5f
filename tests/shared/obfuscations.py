"""Disguises of a word or of a whole text, by name: what the words layer must read through. Deterministic."""

import base64
import codecs
from collections.abc import Callable
from urllib.parse import quote

Disguise = Callable[[str], str]
CYRILLIC = str.maketrans("aeopcxyi", "аеорсхуі")
LEET = str.maketrans("aeios", "4310$")
VOWELS = "aeiou"
PADDING = "a calm lake in the morning with two boats and birds " * 6  # 60 words


def inner(word: str) -> int:
    """The place of a letter inside the word that is a vowel, or the second one."""
    return next((place for place in range(1, len(word) - 1) if word[place] in VOWELS), 1)


def full_width(text: str) -> str:
    return "".join(chr(ord(mark) + 0xFEE0) if "!" <= mark <= "~" else mark for mark in text)


def mathematical(text: str) -> str:
    return "".join(chr(0x1D41A + ord(mark) - 97) if "a" <= mark <= "z" else mark for mark in text)


def circled(text: str) -> str:
    return "".join(chr(0x24D0 + ord(mark) - 97) if "a" <= mark <= "z" else mark for mark in text)


def elongated(word: str) -> str:
    place = inner(word)
    return word[:place] + word[place] * 4 + word[place + 1 :]


def starred(word: str) -> str:
    place = inner(word)
    return f"{word[:place]}*{word[place + 1 :]}"


def swapped(word: str) -> str:
    """The typo of fast hands: two inner letters change places."""
    return f"{word[0]}{word[2]}{word[1]}{word[3:]}" if len(word) > 3 else word


def doubled(word: str) -> str:
    place = inner(word)
    return word[:place] + word[place] + word[place:]


def dropped(word: str) -> str:
    """A letter short; the first stays."""
    place = inner(word)
    return word[:place] + word[place + 1 :]


def voweless(word: str) -> str:
    return word[0] + "".join(mark for mark in word[1:] if mark not in VOWELS)


def each(disguise: Disguise) -> Disguise:
    """Word by word, as a typist does it; words of one or two letters have no inside."""
    return lambda text: " ".join(disguise(word) if len(word) > 2 else word for word in text.split())


DISGUISES: dict[str, Disguise] = {
    "leet": lambda text: text.translate(LEET),
    "zero width": each("\u200b".join),
    "soft hyphens": each("\u00ad".join),
    "cyrillic": lambda text: text.translate(CYRILLIC),
    "full width": full_width,
    "mathematical": mathematical,
    "circled": circled,
    "combining marks": each("\u0336".join),
    "spaced": each(" ".join),
    "dotted": each(".".join),
    "dashed": each("-".join),
    "elongated": each(elongated),
    "asterisk": each(starred),
    "dropped vowels": each(voweless),
    "typo: swapped": each(swapped),
    "typo: doubled": each(doubled),
    "typo: dropped": each(dropped),
    "reversed words": each(lambda word: word[::-1]),
    "reversed text": lambda text: text[::-1],
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "url": lambda text: "".join(f"%{ord(mark):02x}" for mark in text),
    "html": lambda text: "".join(f"&#{ord(mark)};" for mark in text),
    "base64 of hex": lambda text: base64.b64encode(text.encode().hex().encode()).decode(),
    "url of html": lambda text: quote("".join(f"&#x{ord(mark):x};" for mark in text)),
    "padding": lambda text: f"{PADDING}{text}",
    "padding before and after": lambda text: f"{PADDING}{text} {PADDING}",
    "padding and leet": lambda text: f"{PADDING}{text.translate(LEET)}",
    "cyrillic and zero width": lambda text: "\u200b".join(text.translate(CYRILLIC)),
    "leet and dots": lambda text: each(".".join)(text.translate(LEET)),
    "full width and reversed": lambda text: full_width(each(lambda word: word[::-1])(text)),
}  # fmt: skip
