"""The line over a job's pictures, as Midjourney's users know it. Pure."""

from bot.cards import CONTENT_LIMIT
from bot.news import News
from bot.quoting import quote
from shared.jobs import Job, JobKind, JobState, Visibility
from shared.plans import Speed

REMIX = "remix"  # stands before a job's manner when its words were changed
ENDED = {
    JobState.FAILED: "(Failed)",
    JobState.BLOCKED: "(Blocked)",
    JobState.CANCELLED: "(Cancelled)",
}
_SPEEDS = {Speed.RELAX: "relaxed"}
_VERBS = {
    JobKind.VARY: "Variations",
    JobKind.REGION: "Variations (Region)",
    JobKind.UPSCALE: "Upscaled",
    JobKind.ZOOM: "Zoom Out",
    JobKind.PAN: "Pan",
    JobKind.SQUARE: "Make Square",
    JobKind.BLEND: "Blend",
}
_WITH_MANNER = "{verb} ({manner})"
_PHRASES = {JobKind.VARY: _WITH_MANNER, JobKind.UPSCALE: _WITH_MANNER, JobKind.PAN: "Pan {manner}"}


def headline(job: Job, owner: str, status: str) -> str:
    """`**prompt** - <@owner> (status)`; a long prompt gives way so that the rest stays whole."""
    tail = f" - {byline(job, owner)} {status}"
    room = CONTENT_LIMIT - len(tail) - len("****")
    return f"**{quote(job.prompt, room)}**{tail}"


def byline(job: Job, owner: str) -> str:
    """`Variations (Strong) by <@owner>`, or only who, for what was drawn from words."""
    if job.kind is JobKind.UPSCALE and not job.manner:
        return f"Image #{(job.parent_index or 0) + 1} <@{owner}>"
    deed = deed_of(job)
    return f"{deed} by <@{owner}>" if deed else f"<@{owner}>"


def deed_of(job: Job) -> str:
    """What a button made of a picture: `Zoom Out`, `Remix (Subtle)`; nothing of words alone."""
    changed, manner = _manner_of(job)
    if not changed or job.kind is JobKind.REGION:  # other words are a region's usual way
        return _phrase(job.kind, manner)
    if job.kind is JobKind.VARY and manner:
        return f"Remix ({manner.title()})"
    verb = _phrase(job.kind, manner)
    return f"Remix ({verb})" if verb else "Remix"


def _manner_of(job: Job) -> tuple[bool, str]:
    first, _, rest = job.manner.partition(" ")
    return (True, rest) if first == REMIX else (False, job.manner)


def _phrase(kind: JobKind, manner: str) -> str:
    verb = _VERBS.get(kind, "")
    phrase = _PHRASES.get(kind) if manner else None
    return phrase.format(verb=verb, manner=manner.title()) if phrase else verb


def status_of(job: Job, news: News) -> str:
    """`(Waiting to start)`, `(31%) (fast)`, and at last `(relaxed, stealth)`."""
    if job.state is JobState.WAITING:
        return "(Waiting to start)"
    if job.state is JobState.DISPATCHED:
        return f"(Starting) {modes(job)}"
    if job.state is JobState.RUNNING:
        return f"({news.fraction:.0%}) {modes(job)}"
    return ENDED.get(job.state) or modes(job)


def modes(job: Job) -> str:
    speed = _SPEEDS.get(job.speed, job.speed.value)
    return f"({speed}, stealth)" if job.visibility is Visibility.STEALTH else f"({speed})"
