"""What one person alone reads: refusals, apologies, notices, /queue. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import accumulate
from uuid import UUID

from bot.cards import PANEL_LIMIT, Card, Colour, Panel
from bot.messages import (
    UNCHARGED,
    News,
    appeal_knob,
    category_and_rule,
    duration,
    quote,
    steps_line,
)
from shared.errors import Fault, Refusal
from shared.jobs import Job, JobState
from shared.orders import PromptBlocked, Prospects
from shared.waits import Told, place_and_time

_TITLES: Mapping[str, str] = {
    "empty_prompt": "Nothing to draw yet",
    "prompt_too_long": "That prompt is too long",
    "unknown_parameter": "Unknown parameter",
    "invalid_value": "Invalid value",
    "too_many_steps": "More steps than your plan has",
    "no_credit": "Not enough GPU time left",
    "too_many_waiting": "Your line is full",
    "too_many_at_once": "More than may wait at once",
    "no_gpu_large_enough": "No GPU here is large enough",
    "not_yours": "That is somebody else's",
    "already_finished": "Too late for that",
    "prompt_blocked": "This prompt was blocked",
    "paused": "Paused",
    "paused_for_safety": "Paused for safety",
    "banned_here": "You are banned here",
    "not_allowed": "That is not yours to do",
    "no_self_approval": "That takes somebody else",
    "already_decided": "Somebody was first",
    "appealed_before": "Your appeal is in line",
    "reported_before": "You reported this already",
    "never_revealed": "Nobody sees this picture",
    "no_picture": "There is no picture there",
    "no_text_service": "No text service",
    "text_busy": "One at a time",
    "unknown_draft": "That is no longer kept",
    "draft_used": "That was confirmed already",
}
_STATES = {
    JobState.WAITING: "waiting",
    JobState.DISPATCHED: "starting",
    JobState.RUNNING: "running",
    JobState.SUCCEEDED: "done",
}
UNKNOWN_FAULT = "Please try again. If it happens again, tell an operator the number below."
QUEUE_JOBS = 15


def refusal_card(refusal: Refusal, *, priced: bool = True) -> Card:
    """`priced`: it was about something that costs."""
    title = _TITLES.get(refusal.code, "That does not work like this")
    footer = "Nothing was charged." if priced else ""
    return private_card(refusal.sentence, Colour.STOPPED, title=title, footer=footer)


def blocked_card(blocked: PromptBlocked) -> Card:
    """Category, rule and words, for whoever typed them; and the way to a person, where there is one."""
    verdict = blocked.verdict
    facts = [category_and_rule(verdict.category, verdict.rule)]
    facts += [f"**Fired on** {quote(verdict.words, 200)}"] if verdict.words else []
    card = refusal_card(blocked)
    assert card.panel is not None
    panel = replace(card.panel, text=f"{card.panel.text}\n\n{' · '.join(facts)}")
    if blocked.case_id is None:
        return replace(card, panel=panel)
    return replace(card, panel=panel, rows=((appeal_knob(blocked.case_id),),))


def fault_card(error: Exception, incident: str) -> Card:
    """A Fault's own sentence is fit to show; any other error shows nothing of itself."""
    text = error.sentence if isinstance(error, Fault) else UNKNOWN_FAULT
    footer = f"{UNCHARGED} Incident {incident}"
    return private_card(
        text, Colour.FAILED, title="Something went wrong on our side", footer=footer
    )


def notice_card(notices: Sequence[str]) -> Card:
    return private_card("\n".join(notices), Colour.WAITING, title="A note on your words")


def outdated_card(text: str) -> Card:
    return private_card(text, Colour.STOPPED, title="This is from another time")


def queue_card(ahead: Prospects, now: datetime, *, news: Callable[[UUID], News]) -> Card:
    """`news` knows the progress of jobs whose messages are open."""
    if not ahead.jobs:
        return private_card(
            "Nothing of yours is waiting or running. /imagine something!", title="Your jobs"
        )
    told = {job.id: _told(ahead, job, news(job.id)) for job in ahead.jobs}
    jobs = sorted(ahead.jobs, key=lambda job: _turn(job, told[job.id]))[:QUEUE_JOBS]
    entries = _fitting([queue_entry(job, told[job.id], news(job.id), now=now) for job in jobs])
    if len(ahead.jobs) > len(entries):
        entries.append(f"and {len(ahead.jobs) - len(entries)} more")
    if ahead.waiting and ahead.outlooks is None:
        entries.append("How long the wait is, nobody can say at the moment.")
    return private_card("\n\n".join(entries), title="Your jobs", footer=_caps(ahead))


def _told(ahead: Prospects, job: Job, news: News) -> Told | None:
    """Of those far back the board knows nothing; their messages may."""
    return ahead.outlook(job) or (news.waiting if ahead.outlooks is not None else None)


def _turn(job: Job, outlook: Told | None) -> tuple[bool, bool, int]:
    """Those at work first, then the next in line, then those whose place nobody knows."""
    place = outlook.position if outlook else None
    return job.state is JobState.WAITING, place is None, place or 0


def queue_entry(job: Job, outlook: Told | None, news: News, *, now: datetime) -> str:
    """What it is, and below it how it stands."""
    age = timedelta(seconds=round((now - job.submitted_at).total_seconds()))
    parts = [f"{_state(job, news)} ({job.speed})", *_how_it_stands(job, outlook, news, age=age)]
    return f"**{quote(job.prompt, 80)}**\n" + " · ".join(part for part in parts if part)


def _state(job: Job, news: News) -> str:
    if job.state is JobState.RUNNING:
        return f"drawing, {news.fraction:.0%}" if news.fraction else "drawing"
    return _STATES.get(job.state, job.state)


def _how_it_stands(
    job: Job, outlook: Told | None, news: News, *, age: timedelta
) -> tuple[str, ...]:
    if job.state is JobState.RUNNING:
        return (steps_line(news),)
    if job.state is not JobState.WAITING or outlook is None:
        return (f"for {duration(age)}",)
    return place_and_time(outlook), outlook.reason or ""


def _fitting(entries: Sequence[str]) -> list[str]:
    """The first of them that leave room for a last word."""
    ends = accumulate(len(entry) + 2 for entry in entries)
    return [entry for entry, end in zip(entries, ends, strict=True) if end <= PANEL_LIMIT - 100]


def _caps(ahead: Prospects) -> str:
    plan = ahead.plan
    return (
        f"{ahead.running} of {plan.max_running} running, {ahead.waiting} of {plan.max_waiting}"
        " waiting. Stop one with /cancel."
    )


def choice_label(job: Job) -> str:
    """One line for pickers: at most 100 characters, plain text."""
    label = f"{_STATES.get(job.state, job.state)}: {' '.join(job.prompt.split())}"
    return label if len(label) <= 100 else label[:99] + "…"


def cancelled_card(job: Job) -> Card:
    return private_card(f"Cancelled: {quote(job.prompt, 300)}. {UNCHARGED}", Colour.STOPPED)


def private_card(
    text: str, colour: Colour = Colour.RUNNING, *, title: str = "", footer: str = ""
) -> Card:
    cut = text if len(text) <= PANEL_LIMIT else text[: PANEL_LIMIT - 1] + "…"
    return Card(panel=Panel(cut, colour, title=title, footer=footer))
