"""What a box offers while somebody types: names of the catalog, found by name, title and trigger words. Pure.

Discord shows 25 choices, so a search that narrows is what makes the 26th reachable.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz

from shared.catalog import SAMPLERS, Catalog, Checkpoint
from shared.lorarows import Lora
from shared.parameters import BY_NAME, PARAMETERS

MOST = 25  # Discord's, for the choices of a box
LONGEST = 100  # Discord's, for a choice and for what it puts into the box
NEARLY = 75  # of 100: how alike a slip of the finger is
_MARK = re.compile(
    r"(?:^|(?<=\s))(?:--|[–—])(?P<name>[A-Za-z]*)(?P<rest>(?:\s(?:(?!\s(?:--|[–—])).)*)?)$"
)
_LAST = re.compile(r"(?P<before>.*[,\s])?(?P<typed>[^,\s]*)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """`words` are what its training answered to; `note` stands behind its title."""

    name: str
    title: str = ""
    words: tuple[str, ...] = ()
    note: str = ""


Shelf = Mapping[str, tuple[Entry, ...]]  # by the parameter that takes the name


def shelf_of(catalog: Catalog) -> Shelf:
    adapters = catalog.adapters.values()
    kinds = {"lora": "lora", "control": "controlnet"}
    named = {
        parameter: tuple(
            Entry(one.name, one.title, one.words, _needs(one.plan))
            for one in adapters
            if one.kind == kind
        )
        for parameter, kind in kinds.items()
    }
    models = catalog.checkpoints.values()
    styles = {style.name: style for one in models for style in one.styles.values()}
    return named | {
        "model": tuple(Entry(one.name, one.title) for one in models),
        "style": tuple(Entry(one.name, one.title, (one.words,)) for one in styles.values()),
        "sampler": tuple(map(Entry, SAMPLERS)),
        "version": tuple(Entry(name, note=one.title) for one in models for name in _versions(one)),
    }


def brought(own: Iterable[Lora], others: Iterable[Lora]) -> tuple[Entry, ...]:
    """One's own by the name that one gave it; another's by its handle, since two people may use one name."""
    return (
        *(Entry(one.name, words=(one.trigger,), note="yours") for one in own),
        *(Entry(one.handle, one.name, (one.trigger,), "shared") for one in others),
    )


def search(entries: Iterable[Entry], typed: str, most: int = MOST) -> list[Entry]:
    """Those that hold every word that was typed, names first; with none, those that are nearly so."""
    wanted = typed.casefold().split()
    found = [(rank, entry) for entry in entries if (rank := _rank(entry, wanted)) is not None]
    found.sort(key=lambda pair: pair[0])
    return [entry for _, entry in found[:most]]


def offered(entries: Sequence[Entry], typed: str, most: int = MOST) -> list[Entry]:
    return search(entries, typed, most) or _alike(entries, typed)[:most]


def label(entry: Entry) -> str:
    """`Neon (neon): glow, sign · Pro`, in one line that fits."""
    titled = entry.title and entry.title.casefold() != entry.name.casefold()
    name = f"{entry.title} ({entry.name})" if titled else entry.title or entry.name
    triggers = ", ".join(filter(None, entry.words))
    words = f": {triggers}" if triggers else ""
    note = f" · {entry.note}" if entry.note else ""
    room = LONGEST - len(note)
    whole = name + words
    return (whole if len(whole) <= room else whole[: room - 1] + "…") + note


def completions(text: str, shelf: Shelf) -> list[str]:
    """The whole box anew, with the parameter at its end completed: Discord replaces all of it. Nothing
    where nothing fits, or where the box holds more than Discord puts back."""
    mark = _MARK.search(text)
    if mark is None:
        return []
    if not mark["rest"]:
        heads = [text[: mark.start("name")] + name for name in _parameters(mark["name"])]
        return [whole for whole in heads if len(whole) <= LONGEST][:MOST]
    parameter = BY_NAME.get(mark["name"].lower())
    last = _LAST.match(mark["rest"])
    if parameter is None or last is None or parameter.name not in shelf:
        return []
    if parameter.name != "lora" and (last["before"] or "").strip():
        return []  # one name, and it is there already
    before = text[: mark.start("rest")] + (last["before"] or " ")
    names = [one.name for one in offered(shelf[parameter.name], last["typed"])]
    wholes = [before + name for name in names]
    return [whole for whole in wholes if len(whole) <= LONGEST and whole != text]


def _parameters(typed: str) -> list[str]:
    known = [name for one in PARAMETERS if one.supported for name in one.names]
    return [name for name in known if typed and name.startswith(typed.lower()) and name != typed]


def _rank(entry: Entry, wanted: Sequence[str]) -> int | None:
    """0 is best; None does not hold all of it."""
    ranks = [_place(entry, word) for word in wanted]
    return None if None in ranks else sum(rank for rank in ranks if rank is not None)


def _place(entry: Entry, word: str) -> int | None:
    name, title = entry.name.casefold(), entry.title.casefold()
    triggers = [one.casefold() for one in entry.words]
    places = (
        name == word,
        name.startswith(word),
        any(part.startswith(word) for part in re.split(r"[\s_-]+", f"{name} {title}")),
        any(trigger.startswith(word) for trigger in triggers),
        word in f"{name} {title} {' '.join(triggers)}",
    )
    return next((rank for rank, holds in enumerate(places) if holds), None)


def _alike(entries: Iterable[Entry], typed: str) -> list[Entry]:
    word = typed.casefold().strip()
    if len(word) < 3:
        return []
    scored = [
        (fuzz.partial_ratio(word, f"{one.name} {one.title}".casefold()), one) for one in entries
    ]
    scored.sort(key=lambda pair: -pair[0])
    return [one for score, one in scored if score >= NEARLY]


def _versions(checkpoint: Checkpoint) -> list[str]:
    """Those that --version takes; --niji has a name of its own."""
    return [name for name in checkpoint.versions if " " not in name]


def _needs(plan: str) -> str:
    return f"{plan.title()} plan" if plan else ""
