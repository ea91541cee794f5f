"""What one person alone reads: refusals, apologies, notices, /info, /queue, /settings. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.cards import PANEL_LIMIT, Card, Colour, Panel
from bot.messages import UNCHARGED, duration, gpu_time, quote
from shared.errors import Fault, Refusal
from shared.jobs import Job, JobState
from shared.orders import Info
from shared.plans import Plan, Speed

_TITLES: Mapping[str, str] = {
    "empty_prompt": "Nothing to draw yet",
    "prompt_too_long": "That prompt is too long",
    "unknown_parameter": "Unknown parameter",
    "invalid_value": "Invalid value",
    "too_many_steps": "More steps than your plan has",
    "no_credit": "Not enough GPU time left",
    "too_many_waiting": "Your line is full",
    "not_yours": "That is somebody else's",
    "already_finished": "Too late for that",
    "prompt_blocked": "This prompt was blocked",
}
_STATES = {
    JobState.WAITING: "waiting",
    JobState.DISPATCHED: "starting",
    JobState.RUNNING: "running",
}
UNKNOWN_FAULT = "Please try again. If it happens again, tell an operator the number below."
QUEUE_LINES = 15


def refusal_card(refusal: Refusal) -> Card:
    title = _TITLES.get(refusal.code, "That does not work like this")
    return _private(refusal.sentence, Colour.STOPPED, title=title, footer="Nothing was charged.")


def fault_card(error: Exception, incident: str) -> Card:
    """A Fault's own sentence is fit to show; any other error shows nothing of itself."""
    text = error.sentence if isinstance(error, Fault) else UNKNOWN_FAULT
    footer = f"{UNCHARGED} Incident {incident}"
    return _private(text, Colour.FAILED, title="Something went wrong on our side", footer=footer)


def notice_card(notices: Sequence[str]) -> Card:
    return _private("\n".join(notices), Colour.WAITING, title="A note on your words")


def outdated_card(text: str) -> Card:
    return _private(text, Colour.STOPPED, title="This is from another time")


def info_card(info: Info) -> Card:
    plan = info.plan
    held = f" ({gpu_time(info.balance.held_ms)} held)" if info.balance.held_ms else ""
    speed = info.account.default_speed or plan.default_speed
    lines = (
        ("Plan", plan.title),
        ("Speed", f"{speed} by default, of {', '.join(plan.speeds)}"),
        ("GPU time left", gpu_time(info.balance.available_ms) + held),
        ("Running", f"{info.running} of {plan.max_running}"),
        ("Waiting", f"{info.waiting} of {plan.max_waiting}"),
        ("Finished", finished(info.counts)),
        ("Limits", _limits(plan)),
    )
    return _private("\n".join(f"**{name}** {value}" for name, value in lines), title="Your account")


def _limits(plan: Plan) -> str:
    steps = f"{plan.step_budget} steps a picture"
    return steps if plan.max_repeat <= 1 else f"{steps}, --repeat up to {plan.max_repeat}"


def finished(counts: Mapping[str, int]) -> str:
    """`counts` are an account's jobs by state; only the ended ones are told."""
    told = [
        f"{counts[state]} {state}" for state in JobState if state.terminal and counts.get(state)
    ]
    return ", ".join(told) or "none yet"


def queue_card(jobs: Sequence[Job], now: datetime) -> Card:
    if not jobs:
        return _private(
            "Nothing of yours is waiting or running. /imagine something!", title="Your jobs"
        )
    lines = [queue_line(job, now) for job in jobs[:QUEUE_LINES]]
    if len(jobs) > QUEUE_LINES:
        lines.append(f"and {len(jobs) - QUEUE_LINES} more")
    return _private("\n".join(lines), title="Your jobs", footer="Stop one with /cancel.")


def queue_line(job: Job, now: datetime) -> str:
    age = duration(now - job.submitted_at)
    return f"**{_STATES.get(job.state, job.state)}** {quote(job.prompt, 120)} ({job.speed}, {age})"


def choice_label(job: Job) -> str:
    """One line for the picker of /cancel: at most 100 characters, plain text."""
    label = f"{_STATES.get(job.state, job.state)}: {' '.join(job.prompt.split())}"
    return label if len(label) <= 100 else label[:99] + "…"


def cancelled_card(job: Job) -> Card:
    return _private(f"Cancelled: {quote(job.prompt, 300)}. {UNCHARGED}", Colour.STOPPED)


def speed_card(speed: Speed, plan: Plan, *, changed: bool) -> Card:
    said = (
        f"Your pictures now run at **{speed}**" if changed else f"Your pictures run at **{speed}**"
    )
    text = f"{said} unless a prompt says otherwise. Your plan has: {', '.join(plan.speeds)}."
    return _private(text, title="Settings")


def _private(
    text: str, colour: Colour = Colour.RUNNING, *, title: str = "", footer: str = ""
) -> Card:
    cut = text if len(text) <= PANEL_LIMIT else text[: PANEL_LIMIT - 1] + "…"
    return Card(panel=Panel(cut, colour, title=title, footer=footer))
