"""The audit book's links: each is a hash over the link before it and its row. Read once, in order.

A changed letter, a missing or an added row is found. What the links alone cannot tell is an end that was
cut off, or a chain that somebody who may switch triggers off has written anew: for that, keep the head
that `verify` names somewhere else, and ask for it again (`expected`).
"""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Text, cast, extract, select

from shared.connections import Session
from shared.peopletables import audit_chain
from shared.tables import audit

PAGE = 2_000
_APART = "\x1f"


@dataclass(frozen=True, slots=True)
class Finding:
    """`head` is the last link. `broken` names the first row that is wrong, and `why`; None: all is well."""

    rows: int
    head: str
    broken: int | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the book and its link; `link` None: nobody linked it."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    detail: str
    link: str | None


async def verify(session: Session, *, expected: str | None = None) -> Finding:
    """All rows of one moment, if the session's transaction is. `expected` is a head of before."""
    head, rows, met = "", 0, expected is None
    async for link in _links(session):
        if link.id is None:
            return Finding(rows, head, link.audit_id, "the row is gone")
        line = _APART.join((str(link.id), link.moment, *link.words))
        head = hashlib.sha256((head + line).encode()).hexdigest()
        if head != link.hash:
            sentence = "the row, or a link before it, is not as it was written"
            return Finding(rows, head, link.audit_id, sentence)
        rows, met = rows + 1, met or head == expected
    unlinked = await _first_unlinked(session)
    if unlinked is not None:
        return Finding(rows, head, unlinked, "the row has no link: it was put in past the book")
    if not met:
        return Finding(
            rows, head, 0, "the expected head is not in the chain: it was cut or rewritten"
        )
    return Finding(rows, head)


async def entries(
    session: Session, *, since: datetime | None = None, until: datetime | None = None
) -> AsyncIterator[Entry]:
    """Rows from `since` (that moment too) to before `until`, in their order."""
    last = 0
    while True:
        query = _ENTRIES.where(audit.c.id > last).order_by(audit.c.id).limit(PAGE)
        if since is not None:
            query = query.where(audit.c.at >= since)
        if until is not None:
            query = query.where(audit.c.at < until)
        page = (await session.execute(query)).all()
        for row in page:
            yield Entry(*row)
        if len(page) < PAGE:
            return
        last = page[-1].id


@dataclass(frozen=True, slots=True)
class _Link:
    number: int
    audit_id: int
    hash: str
    id: int | None
    moment: str
    words: tuple[str, ...]


async def _links(session: Session) -> AsyncIterator[_Link]:
    last = 0
    while True:
        query = _LINKS.where(audit_chain.c.id > last).order_by(audit_chain.c.id).limit(PAGE)
        page = (await session.execute(query)).all()
        for number, audit_id, hash_, id_, moment, *words in page:
            yield _Link(number, audit_id, hash_, id_, moment, tuple(words))
        if len(page) < PAGE:
            return
        last = page[-1][0]


async def _first_unlinked(session: Session) -> int | None:
    linked = select(audit_chain.c.id).where(audit_chain.c.audit_id == audit.c.id).exists()
    found = await session.execute(select(audit.c.id).where(~linked).order_by(audit.c.id).limit(1))
    number: int | None = found.scalar_one_or_none()
    return number


# The same text as the trigger hashes (migrations, audit_line).
_LINKS: Any = select(
    audit_chain.c.id,
    audit_chain.c.audit_id,
    audit_chain.c.hash,
    audit.c.id.label("row"),
    cast(extract("epoch", audit.c.at), Text),
    audit.c.actor,
    audit.c.action,
    audit.c.subject,
    cast(audit.c.detail, Text),
).join_from(audit_chain, audit, audit.c.id == audit_chain.c.audit_id, isouter=True)
_ENTRIES: Any = select(
    audit.c.id,
    audit.c.at,
    audit.c.actor,
    audit.c.action,
    audit.c.subject,
    cast(audit.c.detail, Text),
    audit_chain.c.hash,
).join_from(audit, audit_chain, audit.c.id == audit_chain.c.audit_id, isouter=True)
