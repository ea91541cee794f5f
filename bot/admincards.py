"""What a server's admins read: its settings, its figures, what was given; and /policy explain. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from bot.cards import PANEL_LIMIT, Card, Colour, Panel
from bot.messages import gpu_time, quote
from bot.naming import counted
from shared.access import Decision
from shared.guilds import COUNTS, EVERYONE, GuildSettings, Limits, Mature
from shared.oversight.administration import Figures
from shared.oversight.explanations import Explanation
from shared.reports.sheets import Row, Sheet
from shared.reports.spans import month_name

SHOWN = 10  # lines of one setting, or rows of a table
_MATURE = {
    Mature.CHANNEL: "only where a channel is marked as age-restricted",
    Mature.NEVER: "never",
}


def settings_card(settings: GuildSettings, *, changed: bool = False) -> Card:
    common = settings.limits.get(EVERYONE, Limits())
    lines = (
        ("Channels", _named(f"<#{one}>" for one in settings.channels) or "all"),
        ("Models", _models(settings.models)),
        (
            "Default model",
            quote(settings.default_model, 80) if settings.default_model else "the operator's",
        ),
        ("Fastest speed", common.speed or "what each plan has"),
        ("Limits", _limits(settings.limits)),
        ("NSFW", _MATURE[settings.nsfw]),
        ("Stealth", "where a plan has it" if settings.stealth else "not on this server"),
        ("Spoilers", _spoilers(settings)),
    )
    text = "\n".join(f"**{name}** {told}" for name, told in lines)
    title = "This server's settings" + (", as they are now" if changed else "")
    footer = "They narrow what the operator's plans give, and never widen it."
    return _panel(
        text, title=title, footer=footer, colour=Colour.DONE if changed else Colour.RUNNING
    )


def given_card(who: str, plan: str, days: float | None) -> Card:
    """`who` is a mention."""
    until = "for good" if days is None else f"for {days:g} days"
    text = f"{who} has the {quote(plan, 40)} plan {until}, from their next request on."
    return _panel(text, title="Done", colour=Colour.DONE)


def taken_card(who: str, plan: str, gifts: int) -> Card:
    text = f"{counted(gifts, 'gift')} of the {quote(plan, 40)} plan ended for {who}."
    return _panel(text, title="Done", colour=Colour.DONE)


def usage_card(figures: Figures) -> Card:
    """The month's figures, then who and what took most of it."""
    total = figures.models
    where = "every server" if figures.everywhere else "this server"
    if not total.rows:
        return _panel("Nothing was drawn.", title=f"{month_name(figures.span)} on {where}")
    jobs, done = total.total("jobs"), total.total("succeeded")
    measured, charged = (gpu_time(total.total(name)) for name in ("gpu_ms", "charged_ms"))
    lines = [
        f"**Jobs** {jobs:,}, {done / jobs:.0%} of them succeeded ({_ends(total)})",
        f"**Pictures** {total.total('pictures'):,}",
        f"**GPU time** {measured} measured, {charged} charged",
        "",
        "**Models**",
        *_heaviest(total),
        "",
        "**People**",
        *_heaviest(figures.people),
    ]
    footer = "/admin export gives all of it as a file."
    title = f"{month_name(figures.span)} on {where}"
    return _panel("\n".join(lines), title=title, footer=footer)


def export_card(name: str, rows: int) -> Card:
    text = f"`{name}` holds {counted(rows, 'row')}, GPU time in milliseconds."
    return _panel(text, title="Your export", colour=Colour.DONE)


def explained_card(who: str, where: str, told: Explanation, now: datetime) -> Card:
    """`who` and `where` are mentions."""
    decision = told.decision
    verdict = "may" if decision.allowed else "may **not**"
    head = f"{who} {verdict} draw with `{quote(told.model, 80)}` in {where}."
    lines = [f"- {'yes' if one.allowed else '**no**'}: {one.line}" for one in told.said]
    why = f"**Decided by** {decision.line}"
    fix = "" if decision.allowed else f"\n{_fix(decision)}"
    every = "\n\n" + "\n".join(lines) if len(lines) > 1 else ""
    colour = Colour.DONE if decision.allowed else Colour.STOPPED
    title = "Allowed" if decision.allowed else "Denied"
    footer = f"{told.plan} plan, as of {now:%Y-%m-%d %H:%M} UTC"
    return _panel(f"{head}\n{why}{fix}{every}", title=title, footer=footer, colour=colour)


def _fix(denied: Decision) -> str:
    """Its line is told already."""
    return denied.sentence.partition(f"{denied.line}. ")[2] or denied.sentence


def _ends(sheet: Sheet) -> str:
    names = ("failed", "blocked", "cancelled")
    return ", ".join(f"{sheet.total(name):,} {name}" for name in names)


def _heaviest(sheet: Sheet) -> list[str]:
    at = sheet.names.index("gpu_ms")
    rows = sorted(sheet.rows, key=lambda row: (-row.values[at], row.key))
    lines = [_line(row, at) for row in rows[:SHOWN]]
    return [*lines, *([f"and {len(rows) - SHOWN} more"] if len(rows) > SHOWN else [])]


def _line(row: Row, at: int) -> str:
    return f"- {quote(row.label, 60)}: {counted(row.values[0], 'job')}, {gpu_time(row.values[at])}"


def _models(models: Mapping[str, tuple[str, ...]]) -> str:
    lines = [
        f"\n- {quote(name, 60)}: {_named(map(who_name, who)) or 'nobody'}"
        for name, who in models.items()
    ]
    return _cut(lines) or "all, for everyone"


def _limits(limits: Mapping[str, Limits]) -> str:
    return _cut([f"\n- {who_name(who)}: {_limit(one)}" for who, one in limits.items()]) or "none"


def _limit(limits: Limits) -> str:
    told = [f"{name} {getattr(limits, name)}" for name in COUNTS if getattr(limits, name)]
    return ", ".join([*([f"no faster than {limits.speed}"] if limits.speed else []), *told])


def _spoilers(settings: GuildSettings) -> str:
    if settings.spoilers:
        return "on every picture"
    named = _named(f"<#{one}>" for one in settings.spoiler_channels)
    return f"in {named}" if named else "none"


def who_name(who: str) -> str:
    """Mentions never ping: the bot allows none."""
    kind, _, name = who.partition(":")
    return {"role": f"<@&{name}>", "plan": f"the {name} plan"}.get(kind, who)


def _named(names: Iterable[str]) -> str:
    found = list(names)
    more = [f"{len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return ", ".join([*found[:SHOWN], *more])


def _cut(lines: list[str]) -> str:
    more = [f"\n- and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "".join([*lines[:SHOWN], *more])


def _panel(text: str, *, title: str, footer: str = "", colour: Colour = Colour.RUNNING) -> Card:
    cut = text if len(text) <= PANEL_LIMIT else text[: PANEL_LIMIT - 1] + "…"
    return Card(panel=Panel(cut, colour, title=title, footer=footer))
