"""What a picture shows, for who does not see it. It is read aloud, so no sign in it is markdown. Pure."""

from bot.captions import deed_of
from bot.cards import ALTERNATIVE_LIMIT
from bot.quoting import plain, shortened
from shared.jobs import Job, JobKind

_COUNTS = {1: "One picture", 2: "Two pictures", 3: "Three pictures", 4: "Four pictures"}
_PLACES = {
    2: "1 on the left, 2 on the right",
    3: "1 and 2 above, 3 below",
    4: "1 and 2 above, 3 and 4 below",
}


def grid_text(job: Job) -> str:
    """`Four pictures of: a red sailboat. 1 and 2 above, 3 and 4 below.`"""
    count = min(max(job.spec.images, 1), 4)
    lead = f"{_COUNTS[count]}{_how(job)}"
    return _told(lead, subject_of(job), _PLACES.get(count, ""))


def picture_text(job: Job) -> str:
    """Of one picture: what it is of, and where it comes from."""
    number = (job.parent_index or 0) + 1
    origin = f"Number {number} of its grid" if job.parent_id else ""
    return _told(f"One picture{_how(job)}", subject_of(job), origin)


def preview_text(job: Job) -> str:
    return _told("An unfinished picture", subject_of(job), "")


def subject_of(job: Job) -> str:
    """The words that were drawn, without parameters; what was taken away with a weight below 0 is not there."""
    words = [plain(one.text) for one in job.spec.texts if one.weight > 0]
    return ", ".join(word for word in words if word)


def _how(job: Job) -> str:
    deed = "" if job.kind is JobKind.UPSCALE and not job.manner else deed_of(job)
    return f" ({deed})" if deed else ""


def _told(lead: str, subject: str, rest: str) -> str:
    tail = f". {rest}." if rest else "."
    if not subject:
        return lead + tail
    room = ALTERNATIVE_LIMIT - len(lead) - len(" of: ") - len(tail)
    return f"{lead} of: {shortened(subject, room)}{tail}"
