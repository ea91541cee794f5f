"""Was this picture made here, and what has been done to it since? Pure: from what was read and found.

Three signs, of falling weight: a manifest under our root proves; a mark that our key reads says so to an
honest asker; looks are a likeness. That none is there proves nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from farm.safety import alterations
from farm.safety.examination import Examination
from farm.safety.looks import ALIKE, distance
from farm.safety.manifests import Manifest, State
from farm.safety.watermark import WHOLE, code_of
from shared.attestation import Answer, Sign
from shared.fingerprints import GRID, Made


class Origin(StrEnum):
    PROVEN = "proven"
    MARKED = "marked"
    ALIKE = "alike"
    UNKNOWN = "unknown"


HEADLINES = {
    Origin.PROVEN: "Made here.",
    Origin.MARKED: "Made here, and changed since.",
    Origin.ALIKE: "It looks like a picture of ours, which is no proof.",
    Origin.UNKNOWN: "Nothing says that it was made here.",
}


@dataclass(frozen=True, slots=True)
class Found:
    """What the rows say: the file itself, pictures of the manifest's job and of the mark's, and alike ones.
    `asked` is False where there is no database to ask."""

    by_file: Sequence[Made] = ()
    by_manifest: Sequence[Made] = ()
    by_mark: Sequence[Made] = ()
    alike: Sequence[Made] = ()
    asked: bool = True


def answer(seen: Examination, found: Found) -> Answer:
    origin, made = _origin(seen, found)
    job = str(made.job_id) if made else _job_said(seen, origin)
    return Answer(
        origin=origin.value,
        headline=HEADLINES[origin],
        manifest=_manifest_sign(seen.manifest),
        watermark=_mark_sign(seen),
        looks=_looks_sign(seen, found),
        changes=tuple(
            alterations.told(seen, made, found_file=bool(found.by_file), asked=found.asked)
        )
        if origin is not Origin.UNKNOWN
        else (),
        made_at=_made_at(seen, made, origin),
        job=job,
        picture=made.picture if made else _picture_said(seen, origin),
        owner=made.discord_id if made else None,
        guild=made.guild_id if made else None,
    )


def _origin(seen: Examination, found: Found) -> tuple[Origin, Made | None]:
    """The heaviest sign that holds, and the picture that it means. A manifest made for other bytes counts
    only beside another sign of the same job: anybody can glue it to anything."""
    if found.by_file:
        return Origin.PROVEN, found.by_file[0]
    if seen.manifest.state is State.OURS:
        return Origin.PROVEN, _named(found.by_manifest, seen.manifest.picture)
    if seen.mark is not None:
        return Origin.MARKED, _placed(found.by_mark, seen.mark.index)
    if found.alike:
        return Origin.ALIKE, _nearest(seen, found.alike)
    return Origin.UNKNOWN, None


def _named(made: Sequence[Made], picture: str) -> Made | None:
    kind, _, number = picture.partition(" ")
    place = GRID if kind == "grid" else int(number) if number.isdigit() else None
    return next((one for one in made if one.picture == place), None)


def _placed(made: Sequence[Made], index: int) -> Made | None:
    place = GRID if index == WHOLE else index
    return next((one for one in made if one.picture == place), made[0] if made else None)


def _nearest(seen: Examination, alike: Sequence[Made]) -> Made:
    """Of the manifest's own job, if it names one of them."""
    mine = [one for one in alike if str(one.job_id) == seen.manifest.job]
    return min(mine or alike, key=lambda one: distance(one.looks or 0, seen.looks))


def _job_said(seen: Examination, origin: Origin) -> str | None:
    """Without rows: the manifest tells the job, the mark the first half of its id."""
    if origin is Origin.PROVEN:
        return seen.manifest.job or None
    if origin is Origin.MARKED and seen.mark is not None:
        return f"{UUID(int=seen.mark.code << 64)}"[:18] + "-…"
    return None


def _picture_said(seen: Examination, origin: Origin) -> int | None:
    if origin is Origin.MARKED and seen.mark is not None:
        return GRID if seen.mark.index == WHOLE else seen.mark.index
    return None


def _made_at(seen: Examination, made: Made | None, origin: Origin) -> str | None:
    if made is not None:
        return made.at.isoformat(timespec="seconds")
    return (seen.manifest.made_at or None) if origin is Origin.PROVEN else None


MANIFEST_WORDS = {
    State.ABSENT: "There is none.",
    State.OURS: "Ours, and not one byte that it covers has changed.",
    State.ALTERED: "Ours, but made for other bytes: the file was edited after it was signed, or the manifest"
    " of another picture was put on it.",
    State.EXPIRED: "Signed by a certificate whose time is over: whose it was can no longer be checked.",
    State.BROKEN: "There is one, and it is damaged or forged.",
}


def _manifest_sign(manifest: Manifest) -> Sign:
    if manifest.state is State.FOREIGN:
        return Sign(
            False, f"Whole, and not ours: it says to be signed by “{manifest.signer[:60]}”."
        )
    return Sign(manifest.state is State.OURS, MANIFEST_WORDS[manifest.state])


def _mark_sign(seen: Examination) -> Sign:
    if seen.mark is None:
        return Sign(False, "Our mark was not found in its pixels.")
    sure = f"Our mark is in its pixels ({seen.mark.confidence:.0%} of the evidence)"
    claimed = seen.manifest.job
    if claimed and code_of(UUID(claimed)) != seen.mark.code:
        return Sign(True, f"{sure}, and it names another job than the manifest does.")
    return Sign(True, f"{sure}.")


def _looks_sign(seen: Examination, found: Found) -> Sign:
    if not found.asked:
        return Sign(False, "Not compared: there is no database to ask here.")
    known = [*found.by_file, *found.by_manifest, *found.by_mark, *found.alike]
    apart = [distance(one.looks, seen.looks) for one in known if one.looks is not None]
    if not apart or min(apart) > ALIKE:
        return Sign(False, "It looks like no picture of ours.")
    return Sign(True, f"It looks like a picture of ours ({min(apart)} of 64 bits differ).")
