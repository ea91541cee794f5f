"""Where a page ended, as text that means nothing to whoever carries it."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from uuid import UUID

from shared.errors import Refusal
from shared.jobs import Job

Place = tuple[datetime, UUID]


def write_cursor(job: Job) -> str:
    told = f"{job.submitted_at.astimezone(UTC).isoformat()} {job.id.hex}"
    return urlsafe_b64encode(told.encode()).decode().rstrip("=")


def read_cursor(text: str | None) -> Place | None:
    """Refusal `invalid_cursor`."""
    if text is None:
        return None
    try:
        at, job_id = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode().split(" ")
        return datetime.fromisoformat(at).astimezone(UTC), UUID(hex=job_id)
    except (ValueError, OverflowError):
        sentence = "No page ended there. Use the `next_cursor` of the page before, as it is."
        raise Refusal("invalid_cursor", sentence, field="cursor") from None
