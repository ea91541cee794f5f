"""What a text service wrote, read strictly: it is a stranger's text, whoever runs the model. Pure.

Nothing in it can be a parameter, a weight, a permutation, a link or a mention: it is words, or it is gone.
"""

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from shared.prompt import readable

LONGEST = 600  # characters of one proposed prompt
LONGEST_LINE = 4_000  # of a line that is looked at
PASSES = 8  # what one sweep leaves may join to something new; a text that never settles is none
MOST_TOKENS = 120  # of a prompt that is weighed word by word
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL | re.IGNORECASE)
_THOUGHT_OVER = re.compile(r"<think>.*?</think>\s*", re.DOTALL | re.IGNORECASE)
_THINKS = re.compile(r"<think>", re.IGNORECASE)
_SENTENCE = re.compile(r"[.!?…:;]['\"”’)]*\s+|\n+")
_NUMBERED = re.compile(r"\s*(?:[*_#>]{0,3}\s*)(?:[1-9]\d?[.):]|[1-9]\ufe0f?\u20e3|[-*•])\s+(.+)")
_LABEL = re.compile(
    r"^\W{0,3}(?:prompt|option|version)\s*(?:#?\d{1,2})?\s*[:：]\W{0,3}", re.IGNORECASE
)
# Two dashes with a name, as a parameter begins; and everything behind the first one.
_PARAMETERS = re.compile(r"(?:^|(?<=[\s,.;]))(?:[-‐‑−]{2,}|[–—―‒]+)(?=[^\W\d_]).*", re.DOTALL)
_LINK = re.compile(r"(?:https?|ftp|data|discord)\s*:\s*/*\S+|\bwww\.\S+", re.IGNORECASE)
_MENTION = re.compile(r"<[@#:/a]?[^<>]{0,80}>|@(?=everyone|here)", re.IGNORECASE)
_WEIGHT = re.compile(r"::\s*-?[\d.]*")
_MARKS = re.compile(r"[{}\[\]|\\`*_~<>#\"“”„«»]+")
_DASHES = re.compile(r"(?<!\w)[-‐‑−]+(?=\w)|[-‐‑−]{2,}")
_SWEEPS = (
    (_LABEL, ""),
    (_PARAMETERS, ""),
    (_LINK, ""),
    (_MENTION, ""),
    (_WEIGHT, ","),
    (_MARKS, " "),
    (_DASHES, " "),
)
_TOKEN = re.compile(r"[^\s,.;:!?()]+")
_LINKS = re.compile(r"(?:<?https?://\S+\s*)+", re.IGNORECASE)
_TAIL = re.compile(r"(?:^|(?<=\s))(?:[-‐‑−]{2,}|[–—―‒])(?=[^\W\d_])")


@dataclass(frozen=True, slots=True)
class Weighed:
    """One word of somebody's own prompt: 1 matters much, -1 can go, 0 is between."""

    word: str
    weight: int = 0


@dataclass(frozen=True, slots=True)
class Shortened:
    words: tuple[Weighed, ...]
    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """A prompt as it was typed: links to pictures first, then its words, then its parameters."""

    links: str
    words: str
    parameters: str

    def around(self, words: str) -> str:
        """Other words between the same links and parameters."""
        return " ".join(part for part in (self.links, words, self.parameters) if part)


def parted(text: str) -> Parts:
    clean = readable(text).strip()
    mark = _TAIL.search(clean)
    head, tail = (clean, "") if mark is None else (clean[: mark.start()], clean[mark.start() :])
    links = _LINKS.match(head)
    before = links[0] if links else ""
    return Parts(before.strip(), head[len(before) :].strip(), tail.strip())


def without_flag(parameters: str, name: str) -> tuple[str, bool]:
    """The parameters without --name, and whether it was there."""
    flag = re.compile(rf"(?:^|(?<=\s))(?:[-‐‑−]{{2,}}|[–—―‒]){name}(?=\s|$)", re.IGNORECASE)
    left, found = flag.subn("", parameters)
    return " ".join(left.split()), found > 0


def said(reply: str) -> str:
    """The reply without what a model thinks aloud."""
    return _THOUGHT.sub("", reply).strip()


def sentences(text: str) -> tuple[str, str]:
    """Of a reply that still comes: the whole sentences there are, and what is not one yet. What a model thinks
    aloud is left out, and nothing is whole while it thinks."""
    heard = _THOUGHT_OVER.sub("", text)
    if _THINKS.search(heard):
        return "", heard
    ends = [one.end() for one in _SENTENCE.finditer(heard)]
    at = ends[-1] if ends else heard.rfind(" ") + 1 if len(heard) > LONGEST else 0
    return heard[:at], heard[at:]


def words(text: str) -> str:
    """One line of plain words: what of a model's text may become a prompt."""
    line = " ".join(readable(text).split())[:LONGEST_LINE]
    for _ in range(PASSES):
        swept = _swept(line)
        if swept == line:
            return _cut(line)
        line = swept
    return ""


def _swept(line: str) -> str:
    for pattern, instead in _SWEEPS:
        line = pattern.sub(instead, line)
    return " ".join(line.split()).strip(" ,;:'")


def prompts(reply: str, most: int) -> tuple[str, ...]:
    """The first `most` different prompts of a JSON list, or of numbered lines; none of anything else."""
    told = said(reply)
    found = _listed(_json(told), "prompts")
    lines = found if found is not None else _numbered(told)
    return tuple(dict.fromkeys(filter(None, map(words, lines))))[:most]


def one_prompt(reply: str) -> str:
    """The only prompt that was asked for: of JSON, or the one line there is."""
    told = said(reply)
    content = _json(told)
    if isinstance(content, dict):
        return words(_text(content.get("prompt")))
    lines = [line for line in told.splitlines() if words(line)]
    return words(lines[0]) if len(lines) == 1 else ""


def shortened(text: str, reply: str, most: int) -> Shortened:
    """`text` is what was typed: of its words none is changed, the reply says only how they weigh. A prompt
    that is not shorter is none."""
    content = _json(said(reply))
    weights = {"important": 1, "unimportant": -1}
    rated = {
        token.casefold(): weight
        for name, weight in reversed(weights.items())
        for told in _listed(content, name) or ()
        for token in _TOKEN.findall(readable(told))
    }
    tokens = text.split()[:MOST_TOKENS]
    return Shortened(
        words=tuple(Weighed(token, _weight(token, rated)) for token in tokens),
        prompts=tuple(one for one in prompts(reply, most) if len(one) < len(text)),
    )


def _weight(token: str, rated: dict[str, int]) -> int:
    return next((rated[part] for part in _TOKEN.findall(token.casefold()) if part in rated), 0)


def _json(text: str) -> Any:
    """The first object or list in the text, however it is wrapped; None where there is none."""
    starts = [place for mark in "{[" if (place := text.find(mark)) >= 0]
    if not starts:
        return None
    try:
        return json.JSONDecoder().raw_decode(text, min(starts))[0]
    except (ValueError, RecursionError):
        return None


def _listed(content: Any, name: str) -> Sequence[str] | None:
    """The texts under `name`, or of a bare list of texts; None where it is something else."""
    held = content.get(name) if isinstance(content, dict) else content
    if not isinstance(held, list) or (isinstance(content, list) and name != "prompts"):
        return None
    return [_text(one) for one in held]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _numbered(text: str) -> Iterable[str]:
    found = (_NUMBERED.match(line[:LONGEST_LINE]) for line in text.splitlines())
    return [mark[1] for mark in found if mark]


def _cut(line: str) -> str:
    """At a word's end."""
    if len(line) <= LONGEST:
        return line
    return line[:LONGEST].rpartition(" ")[0].rstrip(" ,;:") or line[:LONGEST]
