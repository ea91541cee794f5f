"""`pictor simulate record`: the arrivals of the last days from the jobs table, without anybody's name."""

import hashlib
import re
import secrets
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

from farm.simulate.recording import write_recording
from shared import joblists
from shared.config import Settings
from shared.connections import Database
from shared.errors import Refusal
from shared.joblists import Asked

UNITS = {"d": "days", "h": "hours", "m": "minutes"}


async def record_since(settings: Settings, since: timedelta, *, output: Path) -> int:
    """How many jobs it wrote. Prompts stay where they are."""
    database = Database.connect(settings.database)
    try:
        async with database.read() as session:
            asked = await joblists.asked_since(session, since)
    finally:
        await database.close()
    if not asked:
        sentence = "Nobody submitted anything in that time. Try a longer --since."
        raise Refusal("nothing_recorded", sentence, field="since")
    return write_recording(output, _rows(asked, salt=secrets.token_bytes(16)))


def span(text: str) -> timedelta:
    """`7d`, `36h` or `90m`."""
    found = re.fullmatch(r"(\d{1,5})([dhm])", text.strip())
    if not found or not int(found[1]):
        sentence = f"“{text[:20]}” is no span of time. Write 7d, 36h or 90m."
        raise Refusal("bad_span", sentence, field="since")
    return timedelta(**{UNITS[found[2]]: int(found[1])})


def _rows(asked: Sequence[Asked], *, salt: bytes) -> Iterator[dict[str, object]]:
    began = asked[0].submitted_at
    for one in asked:
        yield {
            "at": round((one.submitted_at - began).total_seconds(), 3),
            "account": _pseudonym(one, salt),
            "plan": one.plan,
            "speed": one.speed.value,
            "checkpoint": one.checkpoint,
            "steps": max(one.steps, 1),
            "cost_ms": max(one.estimate_ms, 1),
            "work_ms": one.gpu_ms or None,
        }


def _pseudonym(one: Asked, salt: bytes) -> str:
    """The same account has the same name within one recording, and nobody has the salt afterwards."""
    return hashlib.blake2b(one.account_id.bytes, key=salt, digest_size=6).hexdigest()
