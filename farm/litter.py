"""Which files of the store nobody will ever name. Pure.

A job's files are named by one transaction, the one that ends it, and that holds only while the row
says `running` at the attempt in the file's key. An attempt only grows and an ended row never moves.
So a file whose attempt is over, and which no row names, is dead for ever:

- a commit on its way, however slow, is still `running` to whoever looks, and its files are kept;
- when it is through, the same moment shows the job ended and the files named;
- once the row waits again, that attempt's commit matches nothing (the fence), whoever was slow;
- so the time between the look and the deletion may be as long as it likes.

The rows and the names must come from one snapshot of the database, which is looked at after the store
was listed. The grace is not what makes this safe: it spares a preview that people still look at.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from shared.attestation import INBOX
from shared.jobs import JobState
from shared.uploads import BROUGHT, UPLOADS

_KEY = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/([0-9]{1,9})/[^/]+")


@dataclass(frozen=True, slots=True)
class Origin:
    """Whose file it is: the job and the attempt that put it there."""

    job_id: UUID
    attempt: int


@dataclass(frozen=True, slots=True)
class Standing:
    state: JobState
    attempt: int


def origin(key: str) -> Origin | None:
    """None for what no job of ours has made."""
    match = _KEY.fullmatch(key)
    return None if match is None else Origin(UUID(match[1]), int(match[2]))


def forgotten(keys: Collection[str]) -> list[str]:
    """Of files older than the grace: those of inquiries, which are answered or given up in a minute."""
    return [key for key in keys if key.startswith(INBOX)]


def brought(keys: Collection[str]) -> list[str]:
    """Copies of what people brought, and masks. They are stored before the rows that name them, so a young
    one may be somebody's; of older ones, those that no row names are nobody's."""
    return [key for key in keys if key.startswith(UPLOADS)]


def loras(keys: Collection[str]) -> list[str]:
    """Files of LoRAs that people brought. They are stored before their row, too."""
    return [key for key in keys if key.startswith(BROUGHT)]


def dead(
    files: Mapping[str, Origin], *, standings: Mapping[UUID, Standing], named: Collection[str]
) -> list[str]:
    """A job that this database does not know may be another farm's, or younger than a restored backup."""
    return [
        key
        for key, file in files.items()
        if key not in named
        and (standing := standings.get(file.job_id)) is not None
        and _is_over(file.attempt, standing)
    ]


def _is_over(attempt: int, standing: Standing) -> bool:
    """Whether this attempt can never again end its job."""
    current = attempt == standing.attempt
    given_up = standing.state is JobState.WAITING or standing.state.terminal
    return attempt < standing.attempt or (current and given_up)
