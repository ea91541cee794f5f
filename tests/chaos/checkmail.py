"""The judge's reading of the local Discord: one message a job, and it shows how the job ended."""

from collections.abc import Iterator

from tests.chaos.evidence import Evidence, Row
from tests.reading import buttons_of, headline_of, pictures_of

SAYS = {"failed": "(Failed)", "blocked": "(Blocked)", "cancelled": "(Cancelled)"}
Broken = Iterator[str]


def unanswered(evidence: Evidence) -> Broken:
    """Each delivery is closed, and its message is the last word: the picture, or the reason."""
    messages = {message["id"]: message for message in evidence.messages}
    grids = {a["job_id"]: a["key"] for a in evidence.tables["assets"] if a["kind"] == "grid"}
    for delivery in evidence.tables["deliveries"]:
        job = evidence.jobs[delivery["job_id"]]
        if delivery["state"] != "delivered":
            yield f"the answer to job {job['id']} is {delivery['state']}: {delivery['last_error']}"
        elif wrong := _wrong_word(job, messages.get(delivery["message"]), grids.get(job["id"])):
            yield f"the message of job {job['id']} ({job['state']}) {wrong}"
    prompts = {job["prompt"] for job in evidence.jobs.values()}
    for message in evidence.messages:
        if (prompt := _prompt_of(message)) and prompt not in prompts:
            yield f"a message promises {prompt!r}, and there is no such job"


def duplicates(evidence: Evidence) -> Broken:
    told = [prompt for message in evidence.messages if (prompt := _prompt_of(message))]
    for delivery in evidence.tables["deliveries"]:
        job = evidence.jobs[delivery["job_id"]]
        if told.count(job["prompt"]) > 1:
            yield f"job {job['id']} has {told.count(job['prompt'])} messages"


def _wrong_word(job: Row, message: Row | None, grid: str | None) -> str:
    if message is None:
        return "is gone"
    if _prompt_of(message) != job["prompt"]:
        return f"is about {headline_of(message)[:80]!r}"
    if job["state"] != "succeeded":
        return (
            "" if SAYS[job["state"]] in headline_of(message) else f"says {headline_of(message)!r}"
        )
    shown = pictures_of(message)
    if not grid or not any(url.endswith(grid) for url in shown):
        return f"shows {shown}"
    return "" if buttons_of(message) else "has no buttons"


def _prompt_of(message: Row) -> str:
    """`**prompt** - <@owner> (status)`; "" for a message that is about no job."""
    content = headline_of(message)
    return content[2:].split("**")[0] if content.startswith("**") else ""
