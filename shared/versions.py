"""Versions: what --version and --niji call a checkpoint. Pure."""

import re
from collections.abc import Mapping
from typing import Any

from shared import places
from shared.errors import Refusal
from shared.places import require

NIJI = "niji"
NEWEST = ("newest", "latest")
_VERSION = re.compile(r"(?:niji )?[0-9a-z][0-9a-z._+-]{0,31}")

Called = Mapping[str, tuple[str, ...]]  # checkpoint -> its versions


def read_versions(value: Any) -> tuple[str, ...]:
    named = places.texts(value)
    for one in named:
        good = _VERSION.fullmatch(one) and one not in (NIJI, *NEWEST)
        require(bool(good), f"must be such as 6.1 or niji 6, not {one!r}")
    return named


def check_unique(called: Called) -> None:
    every = [version for versions in called.values() for version in versions]
    twice = sorted({version for version in every if every.count(version) > 1})
    require(not twice, f"versions: {', '.join(twice)} is more than one checkpoint's")


def find(version: str, called: Called) -> str:
    """The checkpoint of this version. `newest`, and `niji` without a number, are the newest of their line.
    Refusal that names the versions there are."""
    names = {one: name for name, versions in called.items() for one in versions}
    line = [one for one in names if one.startswith(NIJI) == (version == NIJI)]
    wanted = max(line, key=_age, default="") if version in (NIJI, *NEWEST) else version
    if wanted not in names:
        raise _unknown(version, sorted(names, key=_age))
    return names[wanted]


def _age(version: str) -> tuple[bool, list[int], str]:
    """Numbers count as numbers, so that 10 is newer than 9; niji is a line of its own, behind."""
    return version.startswith(NIJI), [int(part) for part in re.findall(r"[0-9]+", version)], version


def _unknown(version: str, known: list[str]) -> Refusal:
    asked = f"--{version}" if version.startswith(NIJI) else f"--v {version}"
    typed = [f"--{one}" if one.startswith(NIJI) else f"--v {one}" for one in known]
    there = f"These exist: {', '.join(typed)}." if typed else "Choose a checkpoint by --model."
    return Refusal("unknown_version", f"No checkpoint here is {asked}. {there}", field="version")
