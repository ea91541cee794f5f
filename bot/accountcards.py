"""/info as Midjourney's users know it. Pure."""

from collections.abc import Mapping

from bot.answers import private_card
from bot.cards import Card
from bot.measures import gpu_time
from bot.plancards import day_of
from shared.jobs import JobState
from shared.lifetimes import Lifetime, Used
from shared.orders import Info
from shared.plans import Plan, Speed
from shared.preferences import Preferences

_HOUR, _MINUTE = 3_600_000, 60_000
_QUICK = (Speed.TURBO, Speed.FAST)


def info_card(info: Info, used: Lifetime, preferences: Preferences) -> Card:
    plan, quick, relaxed = info.plan, used.of(*_QUICK), used.of(Speed.RELAX)
    speed = info.account.default_speed or plan.default_speed
    lines = (
        ("Subscription", f"{plan.title}: {', '.join(plan.speeds)}"),
        ("Job Mode", speed.value.title()),
        ("Visibility Mode", preferences.visibility.value.title()),
        ("Fast Time Remaining", remaining(info)),
        ("Lifetime Usage", usage(used.of())),
        ("Relaxed Usage", usage(relaxed)),
        ("Queued Jobs (fast)", f"{quick.waiting}"),
        ("Queued Jobs (relax)", f"{relaxed.waiting}"),
        ("Running Jobs", f"{info.running} of {plan.max_running}"),
        ("Waiting Jobs", f"{info.waiting} of {plan.max_waiting}"),
        ("Finished", finished(info.counts)),
        ("Limits", limits(plan)),
    )
    text = "\n".join(f"**{name}**: {value}" for name, value in lines)
    return private_card(text, title="Your account")


def remaining(info: Info) -> str:
    """`29.57/30.0 hours (98.58%)`: of what the plan gives, or of what is there if that is more."""
    left, given = info.balance.available_ms, info.plan.grant_ms
    unit, name = (_HOUR, "hours") if max(left, given) >= _HOUR else (_MINUTE, "minutes")
    whole = max(left, given) or 1
    held = f", {gpu_time(info.balance.held_ms)} held" if info.balance.held_ms else ""
    return (
        f"{left / unit:.2f}/{whole / unit:.1f} {name} ({left / whole:.2%}){held}{month_end(info)}"
    )


def month_end(info: Info) -> str:
    """`; 12.0 GPU-minutes of it end <date>`, where some of it goes with the month."""
    balance = info.balance
    if not balance.expiring_ms or balance.expires_at is None:
        return ""
    return f"; {gpu_time(balance.expiring_ms)} of it end {day_of(balance.expires_at)}"


def usage(used: Used) -> str:
    """`102 images (1.77 hours)`"""
    return f"{used.pictures:,} images ({used.gpu_ms / _HOUR:.2f} hours)"


def limits(plan: Plan) -> str:
    steps = f"{plan.step_budget} steps a picture"
    return steps if plan.max_repeat <= 1 else f"{steps}, --repeat up to {plan.max_repeat}"


def finished(counts: Mapping[str, int]) -> str:
    """`counts` are an account's jobs by state; only the ended ones are told."""
    told = [
        f"{counts[state]} {state}" for state in JobState if state.terminal and counts.get(state)
    ]
    return ", ".join(told) or "none yet"
