"""Ages and school grades below eighteen, by rule. They weigh nothing alone; see `screen`. Pure."""

import re
from functools import cache

from shared.safety.lookalikes import normalise

_ONES = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
_NUMBERS = f"{_ONES} sixteen seventeen".replace(" ", "|")
_OTHERS = (
    "uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciseis "
    "un deux trois quatre cinq sept huit neuf dix onze douze treize quatorze quinze seize "
    "zwei drei vier funf sechs sieben acht neun zehn elf zwolf dreizehn vierzehn funfzehn sechzehn "
    "siebzehn due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici "
    "dois quatro sete oito dez doze treze"
).replace(" ", "|")
_N = rf"(?:0?[1-9]|1[0-7]|{_NUMBERS})"
_ORDINALS = (
    r"(?:\d{1,2}(?:st|nd|rd|th)|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth"
    r"|eleventh|twelfth)"
)
_YOUNG = (
    rf"\b{_N} ?(?:years?|yrs?|yr|y|jr) ?(?:old|olds|o|young)\b|\b{_N} ?yos?\b"
    rf"|\bage[ds]? (?:of |about |around |just |only )?{_N}\b|\b(?:turning|turned|turns) {_N}\b"
    rf"|\b{_N} (?:summers|winters|springs) old\b|\b\w+ (?:months?|weeks?|days?) old\b"
    rf"|\b(?:is|was|only|just|barely|about|looks|looking) {_N} (?:years?|yrs?)\b"
    r"|\b(?:under|below|younger than|less than|not yet|before) ?(?:the age of )?(?:18|eighteen)\b"
    r"|\bu18\b|\bsweet (?:16|sixteen)\b|\b(?:pre|early|mid|late|young) ?teens\b"
    rf"|\b{_ORDINALS} ?grade(?:r|rs)?\b|\bgrade (?:[1-9]|1[0-2]|k)\b|\byear (?:[1-9]|1[0-3]) pupils?\b"
    r"|\b(?:first|second|third|fourth|fifth|sixth|seventh) form(?:er|ers)?\b"
    rf"|\b(?:{_N}|{_OTHERS}) (?:anos|anni|ans|jahren?|jahrige|jaar|ar|lat|let|vuotta|yas|yasinda)\b"
    r"|(?<!\d)(?:0?[1-9]|1[0-7]) ?(?:let|roku|roky|{})"
)
# Beside a number, in scripts of their own.
_YEARS = ("лет", "года", "год", "歳", "才", "岁", "살", "साल")


def shows_age(line: str) -> bool:
    """An age below eighteen, a school grade, or words for either; `line` is of lower-case words."""
    return _young().search(line) is not None


@cache
def _young() -> re.Pattern[str]:
    """Made when it is first asked for: the table of look-alikes is read then."""
    return re.compile(_YOUNG.replace("{}", "|".join(map(normalise, _YEARS))))
