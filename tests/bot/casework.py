"""Cases as the rows would give them, for tests of what moderators read."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from shared.moderation.cases import Case
from tests.bot.making import JOB_ID, NOON

CASE_ID = UUID("3f2a91c0000000000000000000000007")


def make_case(**changes: Any) -> Case:
    fields: dict[str, Any] = {
        "id": CASE_ID,
        "kind": "prompt",
        "state": "open",
        "account_id": UUID(int=1),
        "reporter_id": None,
        "guild_id": "1",
        "job_id": None,
        "picture": None,
        "verdict_id": None,
        "category": "gore",
        "rule": "lexicon:severed",
        "score": 0.91,
        "hard": False,
        "prompt": "a severed head of lettuce",
        "words": "severed head",
        "submission": {},
        "route": None,
        "appeal": None,
        "lifted_job_id": None,
        "at": NOON,
        "opened_at": NOON + timedelta(minutes=1),
        "decided_at": None,
        "decided_by": None,
        "note": None,
    }
    return Case(**(fields | changes))


def reported(**changes: Any) -> Case:
    return make_case(**({"kind": "report", "job_id": JOB_ID, "rule": "report", "score": 0.0,
        "words": None, "submission": None, "appeal": "It frightens me"} | changes))  # fmt: skip
