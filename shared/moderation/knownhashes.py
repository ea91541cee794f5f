"""The operator's lists of pictures that must never be shown, as hashes. None ships with Pictor."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert

from shared.connections import Session
from shared.moderation.audit import audit
from shared.peopletables import known_hashes

DIGITS = {"md5": 32, "sha256": 64, "pdq": 64}
_HEX = re.compile(r"[0-9a-f]+")
AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class KnownHash:
    algorithm: str
    digest: str


@dataclass(frozen=True, slots=True)
class Reading:
    """`bad` are the numbers of lines, from 1, that hold no hash."""

    hashes: tuple[KnownHash, ...]
    bad: tuple[int, ...]


def read(text: str) -> Reading:
    """Lines `algorithm,digest` (a third column is passed over); a first line of names may be there."""
    hashes: dict[KnownHash, None] = {}
    bad: list[int] = []
    for number, row in _rows(text):
        found = _hash(row)
        if found is not None:
            hashes[found] = None
        elif number > 1 or row[0].strip().lower() not in ("algorithm", "type"):
            bad.append(number)
    return Reading(tuple(hashes), tuple(bad))


async def add(session: Session, hashes: Sequence[KnownHash], *, list_name: str, actor: str) -> int:
    """How many were not known before."""
    added = 0
    for start in range(0, len(hashes), AT_ONCE):
        rows = [
            {
                "algorithm": one.algorithm,
                "digest": one.digest,
                "list_name": list_name,
                "actor": actor,
            }
            for one in hashes[start : start + AT_ONCE]
        ]
        statement = insert(known_hashes).values(rows).on_conflict_do_nothing()
        added += len((await session.execute(statement.returning(known_hashes.c.digest))).all())
    told = {"list": list_name, "read": len(hashes), "added": added}
    await audit(session, actor, "hashes_imported", "hashlist", told)
    return added


async def everything(session: Session) -> list[KnownHash]:
    rows = await session.execute(select(known_hashes.c.algorithm, known_hashes.c.digest))
    return [KnownHash(*row) for row in rows]


async def counts(session: Session) -> dict[str, int]:
    """How many there are of each algorithm."""
    query: Any = select(known_hashes.c.algorithm, func.count()).group_by(known_hashes.c.algorithm)
    return {row[0]: row[1] for row in await session.execute(query)}


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        row = next(csv.reader(io.StringIO(line)), [])
        if row and not row[0].startswith("#"):
            yield number, row


def _hash(row: list[str]) -> KnownHash | None:
    if len(row) < 2:
        return None
    algorithm = row[0].strip().lower().replace("-", "")
    digest = row[1].strip().lower()
    fits = len(digest) == DIGITS.get(algorithm) and _HEX.fullmatch(digest)
    return KnownHash(algorithm, digest) if fits else None
