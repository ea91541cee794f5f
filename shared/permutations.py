"""`{a, b}` in a prompt stands for a prompt with a and one with b. Sets multiply and nest. Pure.

A set splits at its commas; `\\,`, `\\{` and `\\}` are the signs themselves. Any part of a prompt may vary,
also the name of a parameter: `--{v 5, niji}`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod

from shared.errors import Refusal
from shared.marks import LONGEST, check_length, readable

DEEPEST = 8  # sets inside each other
MOST = 40  # prompts that any plan makes of one
ESCAPABLE = "{},"


@dataclass(slots=True)
class _Run:
    """Pieces one behind the other: plain text, or a set of runs of which one is taken."""

    pieces: list["str | list[_Run]"] = field(default_factory=list)

    def add(self, text: str) -> None:
        if self.pieces and isinstance(last := self.pieces[-1], str):
            self.pieces[-1] = last + text
        else:
            self.pieces.append(text)

    @property
    def empty(self) -> bool:
        return not any(not isinstance(piece, str) or piece.strip() for piece in self.pieces)


def count(text: str, *, longest: int = LONGEST) -> int:
    """How many prompts the text stands for; nothing is expanded. Refusal for braces that do not match."""
    return _many(_read(text, longest))


def expand(text: str, *, most: int = MOST, longest: int = LONGEST) -> tuple[str, ...]:
    """Every prompt that the text stands for, the first set varying slowest. Refusal, before anything is
    expanded, for more than `most`. What comes out expands to itself."""
    run = _read(text, longest)
    many = _many(run)
    if many > most:
        raise _too_many(many, most)
    return tuple(_texts(run))


def _many(run: _Run) -> int:
    return prod(sum(map(_many, piece)) for piece in run.pieces if not isinstance(piece, str))


def _texts(run: _Run) -> Iterator[str]:
    texts = [""]
    for piece in run.pieces:
        choices = (
            [piece] if isinstance(piece, str) else [one for run in piece for one in _texts(run)]
        )
        texts = [text + choice for text in texts for choice in choices]
    return iter(texts)


@dataclass(slots=True)
class _Open:
    """A set that is being read; `at` is where its choice began, `position` its brace's, from 1."""

    position: int
    choices: list[_Run]
    at: int


def _read(text: str, longest: int) -> _Run:
    check_length(text, longest)
    whole = _Run()
    runs, sets = [whole], list[_Open]()
    for position, sign in _signs(readable(text)):
        match sign:
            case "{":
                _check_depth(len(sets), position)
                sets.append(_Open(position, [_Run()], position + 1))
                runs[-1].pieces.append(sets[-1].choices)
                runs.append(sets[-1].choices[0])
            case "}":
                _close(runs, sets, position)
            case "," if sets:
                _next(runs, sets[-1], position)
            case _:
                runs[-1].add(_plain(sign) if sets else sign)
    if sets:
        raise _unclosed(sets[-1].position)
    return whole


def _signs(text: str) -> Iterator[tuple[int, str]]:
    """Each sign with its position from 1; a backslash and what it escapes are one."""
    at = 0
    while at < len(text):
        escape = text[at] == "\\" and text[at + 1 : at + 2] in tuple(ESCAPABLE)
        width = 2 if escape else 1
        yield at + 1, text[at : at + width]
        at += width


def _plain(sign: str) -> str:
    """Outside its set a comma needs no escape; a brace would open another."""
    return "," if sign == "\\," else sign


def _next(runs: list[_Run], one: _Open, position: int) -> None:
    _end(runs[-1], one)
    one.choices.append(_Run())
    one.at = position + 1
    runs[-1] = one.choices[-1]


def _close(runs: list[_Run], sets: list[_Open], position: int) -> None:
    if not sets:
        raise _unopened(position)
    _end(runs.pop(), sets.pop())


def _end(run: _Run, one: _Open) -> None:
    if run.empty:
        raise _nothing(one.at)
    for piece in (0, -1):
        text = run.pieces[piece]
        if isinstance(text, str):
            run.pieces[piece] = text.lstrip() if piece == 0 else text.rstrip()


def _check_depth(depth: int, position: int) -> None:
    if depth == DEEPEST:
        sentence = (
            f"The brace at character {position} lies inside {DEEPEST} others, and that is the most. "
            "Write its choices into the set around it."
        )
        raise Refusal("too_deep", sentence, field="prompt", position=position)


def _too_many(many: int, most: int) -> Refusal:
    told = f"{many:,}" if many < 10**9 else "more than a thousand million"
    sentence = (
        f"The braces of this prompt make {told} prompts and {most} is the most. Leave out choices, or a whole "
        "set: the sets multiply."
    )
    return Refusal("too_many_permutations", sentence, field="prompt")


def _unclosed(position: int) -> Refusal:
    sentence = (
        f"The brace {{ at character {position} is never closed. Write for example {{red, green}} bird, or "
        "\\{ for the sign itself."
    )
    return Refusal("unbalanced_braces", sentence, field="prompt", position=position)


def _unopened(position: int) -> Refusal:
    sentence = (
        f"The brace }} at character {position} closes nothing. Write for example {{red, green}} bird, or "
        "\\} for the sign itself."
    )
    return Refusal("unbalanced_braces", sentence, field="prompt", position=position)


def _nothing(position: int) -> Refusal:
    sentence = (
        f"There is no choice at character {position}. Write words between braces and commas, for example "
        "{red, green} bird."
    )
    return Refusal("empty_choice", sentence, field="prompt", position=position)
