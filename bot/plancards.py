"""What /subscribe shows: what somebody has, what each plan gives, and where it is bought. Pure."""

from datetime import datetime

from bot.cards import Action, Card, Colour, Knob, Look, Panel, Rows, custom_id
from shared.cashier import Membership
from shared.ledger import Balance, gpu_time
from shared.plangrants import PlanGrant, Source
from shared.plans import Plan, PlanBook, Sku

BUTTONS_A_ROW, MOST_ROWS = 5, 5
# Currencies whose smallest unit is a whole one.
_WHOLE = frozenset({"JPY", "KRW", "VND", "CLP", "ISK", "HUF"})
_FROM = {
    Source.ADMIN: "given to you",
    Source.ENTITLEMENT: "bought on Discord",
    Source.TRIAL: "your trial",
}


def subscribe_card(book: PlanBook, member: Membership) -> Card:
    plans = "\n\n".join(_offer(plan, book) for plan in _by_weight(book))
    top_ups = "\n".join(
        f"**{sku.title}** {_gift(sku)}" for sku in book.skus.values() if sku.consumable
    )
    parts = [_standing(member), plans, *([top_ups] if top_ups else []), *_nowhere(book)]
    panel = Panel("\n\n".join(parts), Colour.RUNNING, title="Plans")
    return Card(panel=panel, rows=_rows(book, member))


def money(amount: int, currency: str) -> str:
    """`amount` in minor units: `10.00 USD`, `1500 JPY`."""
    return f"{amount} {currency}" if currency in _WHOLE else f"{amount / 100:.2f} {currency}"


def time_left(balance: Balance) -> str:
    """`12 min, 10 min of them until <date>`."""
    left = gpu_time(balance.available_ms)
    if not balance.expiring_ms or balance.expires_at is None:
        return left
    return f"{left}, {gpu_time(balance.expiring_ms)} of it until {day_of(balance.expires_at)}"


def _standing(member: Membership) -> str:
    grant = next((one for one in member.given if one.plan == member.plan.name), None)
    has = f"You have the **{member.plan.title}** plan{_since(grant)}."
    return f"{has}\nGPU time left: {time_left(member.balance)}."


def _since(grant: PlanGrant | None) -> str:
    if grant is None:
        return ""
    until = f" until {day_of(grant.until)}" if grant.until else ""
    return f", {_FROM[grant.source]}{until}"


def _offer(plan: Plan, book: PlanBook) -> str:
    skus = [sku for sku in book.skus.values() if sku.plan == plan.name]
    price = ", ".join(money(sku.price, sku.currency) for sku in skus)
    lines = [f"**{plan.title}**{f' · {price}' if price else ''}", plan.about, _given(plan)]
    return "\n".join(line for line in lines if line)


def _given(plan: Plan) -> str:
    told = [
        f"{gpu_time(plan.grant_ms)} of GPU time each month",
        " and ".join(plan.speeds),
        f"{plan.max_running} at once ({plan.max_running_relax} at relax), {plan.max_waiting} waiting",
        f"{plan.step_budget} steps",
        f"permutations up to {plan.max_permutations}",
    ]
    return " · ".join([*told, *(["stealth"] if plan.stealth else [])])


def _gift(sku: Sku) -> str:
    return f"· {money(sku.price, sku.currency)} · {gpu_time(sku.top_up_ms)} that never end"


def _nowhere(book: PlanBook) -> list[str]:
    sold = book.skus or book.link
    return [] if sold else ["Plans are given here by the people who run this bot."]


def _rows(book: PlanBook, member: Membership) -> Rows:
    knobs = [Knob(target=sku.id, look=Look.PREMIUM) for sku in book.skus.values()]
    if book.trial is not None and not member.tried and _is_more(book, member):
        title = book.plan(book.trial.plan).title
        target = custom_id(Action.TRIAL, member.account.id)
        label = f"Try {title} for {book.trial.days:g} days"
        knobs.insert(0, Knob(label=label, target=target, look=Look.GOOD))
    if book.link:
        knobs.append(Knob(label="Plans on the web", target=book.link, look=Look.LINK))
    rows = [tuple(knobs[at : at + BUTTONS_A_ROW]) for at in range(0, len(knobs), BUTTONS_A_ROW)]
    return tuple(rows[:MOST_ROWS])


def _is_more(book: PlanBook, member: Membership) -> bool:
    return book.trial is not None and book.plan(book.trial.plan).weight > member.plan.weight


def _by_weight(book: PlanBook) -> list[Plan]:
    return sorted(book.plans.values(), key=lambda plan: plan.weight)


def day_of(at: datetime) -> str:
    """Discord shows it in each reader's own time."""
    return f"<t:{int(at.timestamp())}:D>"
