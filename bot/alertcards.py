"""What a moderators' channel is told: what happened and what waits; never a prompt or a picture. Pure."""

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

from bot.cards import PANEL_LIMIT, Action, Card, Colour, Knob, Panel, custom_id
from bot.messages import quote
from bot.modcards import KINDS, ago, short
from bot.naming import category_name, counted
from shared.oversight.alerts import Alert, Counters

CASES = ("case_opened", "hard_case")
GRAVE = ("hard_case", "ban", "pause", "mismatch")
MOST_KNOBS = 5
_SCOPES = {"everywhere": "everywhere", "safety": "for safety, everywhere"}
_CONSEQUENCES = {
    "warn": "close to a suspension",
    "day": "suspended for a day",
    "week": "suspended for a week",
    "ban": "whether to ban is for you to decide",
}


def alert_card(alerts: Sequence[Alert], counters: Counters) -> Card:
    """One message for all that came up since the last one."""
    lines = [f"- {line_of(alert)} · {ago(alert.at)}" for alert in alerts]
    colour = Colour.FAILED if any(one.action in GRAVE for one in alerts) else Colour.STOPPED
    panel = Panel(
        "\n".join(lines)[:PANEL_LIMIT], colour, title="Moderation", footer=_counted(counters)
    )
    opened = dict.fromkeys(UUID(_id_of(one)) for one in alerts if one.action in CASES)
    knobs = tuple(_knob(case_id) for case_id in list(opened)[-MOST_KNOBS:])
    return Card(panel=panel, rows=(knobs,) if knobs else ())


def _knob(case_id: UUID) -> Knob:
    return Knob(f"Review {short(case_id)}", custom_id(Action.REVIEW, case_id))


def line_of(alert: Alert) -> str:
    told = _LINES.get(alert.action)
    return told(alert) if told else f"{alert.action.replace('_', ' ')}: {alert.subject}"


def _counted(counters: Counters) -> str:
    reports = counters.waiting.get("report", 0)
    return (
        f"Cases that wait: {sum(counters.waiting.values())} (reports {reports}, appeals"
        f" {counters.appeals}) · strikes in 24 hours: {counters.strikes}"
    )


def _case(alert: Alert) -> str:
    kind = KINDS.get(str(alert.detail.get("kind")), "Case")
    about = category_name(str(alert.detail.get("category")))
    if alert.action == "hard_case":
        return f"🔴 **{kind}** ({about}): no setting and no moderator lifts it"
    return f"**{_why(alert, kind)}** ({about}) waits"


def _why(alert: Alert, kind: str) -> str:
    appealed = alert.actor.startswith("account:") and alert.detail.get("kind") != "report"
    return f"Appeal, {kind.lower()}" if appealed else kind


def _threshold(alert: Alert) -> str:
    weight, follows = alert.detail.get("weight"), str(alert.detail.get("consequence"))
    told = _CONSEQUENCES.get(follows, follows)
    return f"**Strikes** add up to {weight}: {told}{_who(alert)}"


def _punished(alert: Alert) -> str:
    days = alert.detail.get("days")
    span = f" for {counted(round(days), 'day')}" if days else ""
    word = "Banned" if alert.action == "ban" else "Suspended"
    return f"**{word}**{span}{_who(alert)}{_by(alert)}"


def _paused(alert: Alert) -> str:
    where = _SCOPES.get(alert.subject, "here")
    if alert.action == "resume":
        return f"▶️ **Resumed** {where}{_by(alert)}"
    reason = quote(str(alert.detail.get("reason", "")), 200)
    return f"⏸️ **Paused** {where}{_by(alert)}: {reason}"


def _proposed(alert: Alert) -> str:
    what = "New thresholds" if alert.action == "policy_proposed" else "To lift a ban"
    how = "/mod policy approve" if alert.action == "policy_proposed" else "/mod unban"
    return f"**{what}** proposed{_by(alert)}; a second person agrees with `{how}`"


def _changed(alert: Alert) -> str:
    return f"**Thresholds changed**{_by(alert)}"


def _unbanned(alert: Alert) -> str:
    return f"**Ban lifted**{_who(alert)}{_by(alert)}"


def _mismatched(alert: Alert) -> str:
    checks = quote(", ".join(map(str, alert.detail)), 200)
    return f"🔴 **The books disagree** ({checks}): `pictor report reconcile` names what"


def _who(alert: Alert) -> str:
    return f", account `{_id_of(alert)[:8]}`"


def _by(alert: Alert) -> str:
    """A mention that rings at nobody's."""
    kind, _, id = alert.actor.partition(":")
    return f" by <@{id}>" if kind == "discord" else f" by the {alert.actor}"


def _id_of(alert: Alert) -> str:
    return alert.subject.partition(":")[2]


_LINES: Mapping[str, Callable[[Alert], str]] = {
    "case_opened": _case,
    "hard_case": _case,
    "threshold_passed": _threshold,
    "suspension": _punished,
    "ban": _punished,
    "pause": _paused,
    "resume": _paused,
    "unban_proposed": _proposed,
    "policy_proposed": _proposed,
    "policy_changed": _changed,
    "unban": _unbanned,
    "mismatch": _mismatched,
}
