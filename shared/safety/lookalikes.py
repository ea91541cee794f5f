"""One spelling for what looks alike: NFKC, lower case, no marks, nothing invisible, Latin. Pure."""

import html
import re
import unicodedata
from functools import cache

# Ours come first: what a letter is used for in disguises is not always what Unicode's list says.
CYRILLIC = ("авеёіїјкмнорстухѕԁԛԝһпги", "abeeiijkmhopctyxsdqwhnru")
GREEK = ("αβεηικμνορτυχωγϲϳδ", "abenikuvoptuxwycjd")
ARMENIAN = ("օսհո", "ouhn")
LATIN = ("ıłøđħɑɡɩᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "ilodhagiabcdefghijklmnoprstuvwyz")
OWN = {
    mark: letter
    for marks, letters in (CYRILLIC, GREEK, ARMENIAN, LATIN)
    for mark, letter in zip(marks, letters, strict=True)
}
ALPHABETS = (0x1F1E6, 0x1F170, 0x1F150)  # regional indicators, negative squared, negative circled
BOXES = {first + index: chr(97 + index) for first in ALPHABETS for index in range(26)}
# Scripts that lend letters to a Latin word; a word that mixes them was dressed up.
_LENDERS = re.compile(r"[\u0370-\u058f\u13a0-\u13ff\u1d00-\u1d7f\ua4d0-\ua4ff]")
_LETTERS = re.compile(r"[^\W\d_]+")
_LATIN = re.compile(r"[a-zA-Z]")
# Invisible between letters, and not the joiner of an emoji.
_UNSEEN = re.compile(r"(?<=\w)[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]+(?=\w)")
_STYLED = re.compile(
    "[\uff21-\uff3a\uff41-\uff5a\u2100-\u214f\u249c-\u24e9\U0001d400-\U0001d7ff\U0001f110-\U0001f189]"
)
_STACKED = re.compile(r"\w[\u0300-\u036f]{2,}|\w[\u0334-\u0338\u20d0-\u20f0]")


def normalise(text: str) -> str:
    """The text as it is read aloud, still with its punctuation."""
    plain = html.unescape(text)
    if plain.isascii():
        return plain.casefold()
    split = unicodedata.normalize("NFKD", plain)
    kept = "".join(mark for mark in split if unicodedata.category(mark) not in ("Mn", "Me", "Cf"))
    mapped = kept.translate(BOXES).casefold().translate(look_alikes())
    return unicodedata.normalize("NFKC", mapped)


@cache
def look_alikes() -> dict[int, str]:
    """Every letter that Unicode calls confusable with a Latin one, and ours."""
    # Imported here: the package reads its tables when it is imported.
    from confusable_homoglyphs.confusables import confusables_data

    table = {
        ord(mark): alike["c"].casefold()
        for mark, others in confusables_data.items()
        for alike in others
        if len(mark) == 1 and not mark.isascii() and mark.isalpha() and _one_letter(alike["c"])
    }
    return table | {ord(mark): letter for mark, letter in OWN.items()}


def _one_letter(text: str) -> bool:
    return len(text) == 1 and text.isascii() and text.isalpha()


def dressed(text: str) -> dict[str, float]:
    """How much of the text was altered without changing how it looks: share of its letters by kind.

    Accents, other languages and capitals are no disguise.
    """
    if text.isascii():
        return {}
    letters = sum(map(len, _LETTERS.findall(text))) or 1
    counts = {
        "invisible": len(_UNSEEN.findall(text)),
        "styled": len(_STYLED.findall(text)),
        "marks": len(_STACKED.findall(text)),
        "mixed": sum(map(len, _mixed(text))),
    }
    return {kind: min(1.0, count / letters) for kind, count in counts.items() if count}


def _mixed(text: str) -> list[str]:
    words = _LETTERS.findall(text)
    return [word for word in words if _LENDERS.search(word) and _LATIN.search(word)]
