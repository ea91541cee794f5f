"""What one person set once for all prompts: settings, a suffix, options of their own. Pure.

Parameters in the prompt win over the suffix, and the suffix over the settings.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from shared.errors import Refusal
from shared.lineage import How
from shared.marks import readable, shown
from shared.parameterhelp import check_range
from shared.parameters import BY_FIELD, BY_NAME, Kind, Parameter
from shared.permutations import expand
from shared.plans import Visibility
from shared.prompt import MARK, parse, typed_in
from shared.references import starts_with_link
from shared.slips import Typed
from shared.values import write

MOST_OPTIONS = 20
LONGEST_OPTION = 500
LONGEST_SUFFIX = 300
OPTION = re.compile(r"[a-z][a-z0-9_-]{0,31}")
IN_PLACE_OF_WORDS = 2  # pictures: what has so many needs no text


@dataclass(frozen=True, slots=True)
class Preferences:
    """`model`, `style`, `stylize`, `raw` and `aspect` stand for parameters that are not in the prompt, and
    `visibility` for the job's where the prompt names none. `variability` is how far V1-4 go; `remix`: buttons
    ask for new words; `auto_dm`: what is finished is sent as a direct message too. `options` are names that
    somebody made up, without dashes, with the text they stand for."""

    model: str = ""
    style: str = ""
    stylize: int | None = None
    raw: bool = False
    aspect: tuple[int, int] | None = None
    visibility: Visibility = Visibility.PUBLIC
    variability: How = How.STRONG
    remix: bool = False
    auto_dm: bool = False
    suffix: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


def applied(text: str, preferences: Preferences, *, attached: int = 0) -> str:
    """One prompt, without sets of choices, with what its author prefers. What cannot be read comes back as
    it is: the grammar says what is wrong with it. `attached` pictures came with it."""
    spelt = spelt_out(text, preferences)
    try:
        typed = typed_in(readable(spelt))
    except Refusal:
        return spelt
    there = {one.parameter.field for one in typed}
    if attached or starts_with_link(spelt):
        there.add("images")
    suffix = list(_fitting(_suffixed(preferences), there))
    there |= {one.parameter.field for one in suffix}
    settings = [words for one, words in _settings(preferences) if _fits(one, there)]
    return " ".join([spelt.rstrip(), *(one.words for one in suffix), *settings])


def spelt_out(text: str, preferences: Preferences) -> str:
    """With the text of its author's own options in their place: before sets of choices are expanded."""

    def words(mark: re.Match[str]) -> str:
        return preferences.options.get(mark[1].lower(), mark[0])

    return MARK.sub(words, readable(text)) if preferences.options else text


def with_option(preferences: Preferences, name: str, value: str) -> Preferences:
    """An option of their own; an empty value takes it away. Refusal for a name that means something already,
    for too many, and for a value that no prompt could hold."""
    name = name.strip().lstrip("-").lower()
    others = {one: text for one, text in preferences.options.items() if one != name}
    if not value.strip():
        return replace(preferences, options=others)
    _check_name(name)
    if len(others) >= MOST_OPTIONS:
        sentence = f"You have {MOST_OPTIONS} options, and that is the most. Take one away first."
        raise Refusal("too_many_options", sentence, field="option")
    _check_length(value, LONGEST_OPTION, "value")
    for one in expand(value):
        parse(one, attached=IN_PLACE_OF_WORDS)
    return replace(preferences, options={**others, name: readable(value).strip()})


def with_suffix(preferences: Preferences, suffix: str) -> Preferences:
    """What is put behind every prompt: parameters only. An empty one takes it away."""
    clean = readable(suffix).strip()
    _check_length(clean, LONGEST_SUFFIX, "suffix")
    typed = typed_in(clean)
    if clean and (not typed or typed[0].position > 1):
        sentence = (
            f"{shown(clean)} at character 1 is no parameter. Only those go here, such as --ar 3:2."
        )
        raise Refusal("suffix_words", sentence, field="suffix", position=1)
    if clean:
        parse(clean, attached=IN_PLACE_OF_WORDS)
    return replace(preferences, suffix=clean)


def with_stylize(preferences: Preferences, stylize: int | None) -> Preferences:
    if stylize is not None:
        check_range("stylize", stylize)
    return replace(preferences, stylize=stylize)


def _suffixed(preferences: Preferences) -> list[Typed]:
    try:
        return typed_in(preferences.suffix)
    except Refusal:  # it was set when the grammar had more
        return []


def _settings(preferences: Preferences) -> Iterator[tuple[Parameter, str]]:
    for name in ("model", "style", "stylize", "raw", "aspect"):
        value = getattr(preferences, name)
        if value not in ("", None, False):
            one = BY_FIELD[name]
            yield one, one.typed if value is True else f"{one.typed} {write(one, value)}"


def _fitting(suffix: list[Typed], there: Collection[str]) -> Iterator[Typed]:
    """What the prompt says itself it says better, but what to leave out adds up."""
    own = {one.parameter.field for one in suffix}
    for one in suffix:
        needed = not one.parameter.needs or one.parameter.needs in own
        adds = one.parameter.kind is Kind.LIST
        if adds or (
            _contradicts_nothing(one.parameter, there) and (needed or _fits(one.parameter, there))
        ):
            yield one


def _fits(one: Parameter, there: Collection[str]) -> bool:
    return _contradicts_nothing(one, there) and (not one.needs or one.needs in there)


def _contradicts_nothing(one: Parameter, there: Collection[str]) -> bool:
    return one.field not in there and not any(other in there for other in one.against)


def _check_name(name: str) -> None:
    if not OPTION.fullmatch(name):
        sentence = (
            f"{shown(name)} is no name. Take a letter, then letters, digits or dashes: my-look."
        )
        raise Refusal("invalid_name", sentence, field="option")
    if name in BY_NAME:
        sentence = (
            f"--{name} means something already. Take another name, for example my-{name[:20]}."
        )
        raise Refusal("reserved_name", sentence, field="option")


def _check_length(text: str, most: int, field: str) -> None:
    if len(text) > most:
        sentence = f"This has {len(text):,} characters and {most} is the most. Leave something out."
        raise Refusal("too_long", sentence, field=field)
