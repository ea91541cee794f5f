"""New words for a picture, as people type them into forms: what of them is a zoom, and whether they are new.
Pure."""

import re

from shared.ancestry import LEAST
from shared.errors import Refusal
from shared.jobs import Job
from shared.lineage import MOST_ZOOMED

NO_ZOOM = 1.0  # read as it stands; the desk says that a picture must leave some room around it
_ZOOM = re.compile(r"(?:^|(?<=\s))(?:--|—)zoom(?:[ \t]+(?!--|—)(\S+))?(?=\s|$)")


def new_words(typed: str, job: Job) -> str:
    """Nothing where the words stayed as they were: that is no remix."""
    return "" if " ".join(typed.split()) == " ".join(job.prompt.split()) else typed.strip()


def read_zoom(typed: str) -> tuple[str, float]:
    """The prompt without its --zoom, and how far out."""
    found = list(_ZOOM.finditer(typed))
    if len(found) != 1:
        said = "is missing" if not found else "stands there more than once"
        raise _no_zoom(f"--zoom {said}.")
    text = f"{typed[: found[0].start()].rstrip()} {typed[found[0].end() :].lstrip()}".strip()
    return text, _factor(found[0][1] or "")


def _factor(word: str) -> float:
    try:
        factor = float(word)
    except ValueError:
        raise _no_zoom(f"--zoom takes a number, not “{word[:20]}”.") from None
    if not NO_ZOOM <= factor <= MOST_ZOOMED:
        raise _no_zoom(f"--zoom {factor:g} is out of range.")
    return factor


def _no_zoom(sentence: str) -> Refusal:
    span = f"from {LEAST:g} to {MOST_ZOOMED:g}"
    advice = f"Write it once, {span}, for example --zoom 1.5."
    return Refusal("invalid_value", f"{sentence} {advice}", field="zoom")
