"""What moderators read of people and of their server's rules. Pure."""

from collections.abc import Mapping, Sequence

from bot.cards import PANEL_LIMIT, Card, Colour, Panel
from bot.messages import gpu_time, quote
from bot.modcards import KINDS, STATES, ago, short
from bot.naming import category_name
from shared.accounts import Standing
from shared.ledger import Balance
from shared.moderation.bans import Ban
from shared.moderation.cases import Case
from shared.moderation.pauses import Pause
from shared.moderation.proposals import POLICY, Proposal
from shared.moderation.strikes import Consequence, Strike
from shared.moderation.terms import BlockedTerm
from shared.oversight.discipline import Record
from shared.oversight.house import Import
from shared.oversight.pairs import PolicyView
from shared.safety.policy import Band

REACHED = "They were told in a direct message."
UNREACHED = "They take no direct messages from Pictor, so they were not told."
FOLLOWS: Mapping[Consequence, str] = {
    Consequence.NONE: "",
    Consequence.WARN: " They are close to a suspension.",
    Consequence.DAY: " They are suspended for a day.",
    Consequence.WEEK: " They are suspended for a week.",
    Consequence.BAN: " It adds up to a ban: that is for you to decide.",
}
_STANDINGS = {Standing.GOOD: "good", Standing.SUSPENDED: "suspended", Standing.BANNED: "banned"}
SHOWN_LINES = 5


def record_card(record: Record) -> Card:
    account = record.account
    jobs = ", ".join(f"{count} {state}" for state, count in sorted(record.jobs.items()) if count)
    counts = f"strikes that count: {record.weight}.{FOLLOWS[record.consequence]}"
    parts = [
        f"**Standing** {_STANDINGS[account.standing]}, {counts}",
        f"**Plan** {account.plan} · {gpu_time(record.balance.available_ms)} left",
        f"**Jobs** {jobs or 'none'}",
        _part("Bans", [_ban(ban) for ban in record.bans]),
        _part("Strikes", [_strike(strike) for strike in record.strikes]),
        _part("Cases", [_case(case) for case in record.cases]),
    ]
    return _panel("\n".join(filter(None, parts)), title=f"{quote(account.name, 60)}")


def _part(title: str, lines: Sequence[str]) -> str:
    if not lines:
        return ""
    more = [f"and {len(lines) - SHOWN_LINES} more"] if len(lines) > SHOWN_LINES else []
    return "\n".join([f"**{title}**", *(f"- {line}" for line in [*lines[:SHOWN_LINES], *more])])


def _ban(ban: Ban) -> str:
    where = "everywhere" if ban.guild_id is None else "on this server"
    until = f", ends {ago(ban.until)}" if ban.until else ""
    return f"{ban.kind} {where} since {ago(ban.at)}{until}: {quote(ban.reason, 120)}"


def _strike(strike: Strike) -> str:
    kind = f"strike of weight {strike.weight}" if strike.weight else "warning"
    gone = " (lifted)" if strike.lifted_at else ""
    return f"{kind}{gone}, {ago(strike.at)}: {quote(strike.reason, 120)}"


def _case(case: Case) -> str:
    told = f"{KINDS[case.kind]}, {category_name(case.category)}, {STATES[case.state]}"
    return f"`{short(case.id)}` {told}, {ago(case.at)}"


def balance_card(who: str, balance: Balance) -> Card:
    return _panel(f"{who} has {gpu_time(balance.available_ms)} left.", title="Done")


def refunded_card(back_ms: int) -> Card:
    return _panel(f"{gpu_time(back_ms)} went back to who paid for it.", title="Done")


def proposed_card(made: Proposal) -> Card:
    what = "These thresholds hold" if made.action == POLICY else "The ban is lifted"
    how = "`/mod policy approve`" if made.action == POLICY else "`/mod unban`, too"
    text = f"{what} once somebody else agrees with {how}. It is forgotten {ago(made.expires_at)}."
    return _panel(text, title=f"Proposal {made.id}")


def proposal_label(one: Proposal) -> str:
    """For the picker: at most 100 characters."""
    return f"{one.id}: {one.action} {_bands(one)}"[:100]


def _bands(one: Proposal) -> str:
    bands = one.detail.get("bands", {})
    told = ", ".join(f"{name} {_limits(limits)}" for name, limits in bands.items())
    return told or "all as the operator has them"


def _limits(limits: Sequence[float]) -> str:
    review, block = limits
    return f"{review:g}/{_number(block)}"


def approved_card(decided: Proposal) -> Card:
    text = (
        "Somebody proposed it and you agreed: it holds from now on, and both names are on record."
    )
    return _panel(text, title=f"Proposal {decided.id} is approved")


def rejected_card(decided: Proposal) -> Card:
    return _panel("It changes nothing.", title=f"Proposal {decided.id} is rejected")


def policy_card(view: PolicyView, waiting: Sequence[Proposal]) -> Card:
    """Every category, the server's own ones in bold."""
    rows = [_band(name, band, own=name in view.own) for name, band in view.effective.items()]
    text = (
        "From **review** on pictures are judged strictly, from **block** on a prompt is refused.\n"
    )
    waits = "".join(
        f"\nProposal `{one.id}` waits for a second person: {_bands(one)}" for one in waiting
    )
    footer = (
        f"Version {view.number} of this server's own."
        if view.number
        else "The operator's, unchanged."
    )
    return _panel(text + "\n".join(rows) + waits, title="Thresholds here", footer=footer)


def _band(name: str, band: Band, *, own: bool) -> str:
    told = f"{category_name(name)}: review {band.review:g}, block {_number(band.block)}"
    return f"- **{told}**" if own else f"- {told}"


def _number(block: float) -> str:
    return "never" if block > 1 else f"{block:g}"


def terms_card(terms: Sequence[BlockedTerm]) -> Card:
    lines = [
        f"- ||{quote(term.term, 80)}|| {category_name(term.category)}, {term.strength}"
        f"{'' if term.guild_id else ' (the operator’s)'}"
        for term in terms
    ]
    return _panel("\n".join(lines) or "None.", title="Blocked words here")


def import_card(done: Import) -> Card:
    bad = f" Lines that hold no hash: {', '.join(map(str, done.bad[:20]))}." if done.bad else ""
    text = f"{done.read} hashes were read, {done.added} of them are new.{bad}"
    return _panel(text, title="Known pictures")


def pauses_card(pauses: Sequence[Pause], *, changed: str) -> Card:
    lines = [
        f"- **{pause.scope.partition(':')[0]}** since {ago(pause.at)}: {quote(pause.reason, 200)}"
        for pause in pauses
    ]
    return _panel("\n".join([changed, *lines]), title="Pauses")


def _panel(text: str, *, title: str, footer: str = "") -> Card:
    cut = text if len(text) <= PANEL_LIMIT else text[: PANEL_LIMIT - 1] + "…"
    return Card(panel=Panel(cut, Colour.RUNNING, title=title, footer=footer))
