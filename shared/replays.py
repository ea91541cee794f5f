"""What the prompt screen said, kept as scores: another policy can be tried on it without any text."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import text

from shared.connections import Session

PAGE = 5_000


@dataclass(frozen=True, slots=True)
class Judged:
    """`outcome` is what people made of its case: lifted, upheld, or None when nobody was asked."""

    id: int
    decision: str
    category: str
    scores: Mapping[str, float]
    policy: str
    outcome: str | None


async def judged(session: Session, since: timedelta) -> AsyncIterator[Judged]:
    """Prompts that the screen could answer for, the oldest first, page by page."""
    last = 0
    while True:
        told = {"since": since, "after": last, "page": PAGE}
        rows = (await session.execute(_PAGE, told)).all()
        for row in rows:
            yield Judged(row.id, row.decision, row.category, row.scores, row.policy, row.outcome)
        if len(rows) < PAGE:
            return
        last = rows[-1].id


_PAGE: Any = text(
    """
    select verdicts.id, decision, verdicts.category, scores, policy,
        (select state from cases where verdict_id = verdicts.id and state in ('lifted', 'upheld')) as outcome
    from verdicts
    where subject = 'prompt' and rule not like 'screen_failed%' and rule not like 'lifted:%'
        and at >= clock_timestamp() - cast(:since as interval) and id > :after
    order by id limit :page
    """
)
