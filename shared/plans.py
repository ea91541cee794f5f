"""The plans file: every field is checked, and what is wrong is said by its name. Pure but for the reading."""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from shared.errors import Fault
from shared.planbooks import ALONE_FROM as ALONE_FROM
from shared.planbooks import Override as Override
from shared.planbooks import Plan as Plan
from shared.planbooks import PlanBook as PlanBook
from shared.planbooks import Sku as Sku
from shared.planbooks import Speed as Speed
from shared.planbooks import Trial as Trial
from shared.planbooks import Visibility as Visibility
from shared.tomltables import TomlTable

_LONGEST_TRIAL_DAYS = 366
_COUNTS = (
    "step_budget",
    "max_running",
    "max_waiting",
    "max_repeat",
    "max_prompt",
    "weight",
    "max_running_relax",
    "max_permutations",
    "confirm_above",
)
_DEFAULTS = {"max_prompt": 2000, "max_running_relax": 3, "max_permutations": 4, "confirm_above": 5}


def read_plans(path: Path) -> PlanBook:
    """Reads `plans.toml`; a missing, malformed or unknown field is a Fault that names it."""
    try:
        return _book(TomlTable(tomllib.loads(path.read_text())))
    except (OSError, ValueError) as error:
        sentence = f"The plans file {path} cannot be used: {error}."
        raise Fault("plans_unreadable", sentence) from error


def _book(top: TomlTable) -> PlanBook:
    price = _prices(top.table("price"))
    plans = {
        name: _plan(name, table, price)
        for name, table in top.tables("plans", optional=False).items()
    }
    if not plans:
        raise top.wrong("plans", "must have at least one plan")
    first = _known(top, "first", plans, top.text("first", next(iter(plans))))
    lanes = top.table("lanes")
    book = PlanBook(
        plans=plans,
        first=first,
        price=price,
        lane_weights={speed: lanes.whole(speed, least=1) for speed in Speed},
        relax_floor=lanes.number("relax_floor", 0.05, most=0.5),
        reserved=_reserved(top.table("reserved", optional=True)),
        skus={id: _sku(id, table, plans) for id, table in top.tables("skus").items()},
        guilds=_servers(top.tables("guilds"), plans),
        roles=_overrides(top.tables("roles"), plans),
        trial=_trial(top.table("trial"), plans) if "trial" in top else None,
        link=_link(top),
    )
    lanes.close()
    top.close()
    return book


def _plan(name: str, table: TomlTable, price: Mapping[Speed, float]) -> Plan:
    speeds = _speeds(table)
    counts: dict[str, Any] = {
        count: table.whole(count, _DEFAULTS[count], least=1)
        if count in _DEFAULTS
        else table.whole(count, least=1)
        for count in _COUNTS
    }
    plan = Plan(
        name=name,
        title=table.text("title", name.title()),
        speeds=speeds,
        default_speed=_speed(table, "default_speed", table.text("default_speed", speeds[0])),
        grant_ms=table.whole("grant_ms"),
        stealth=table.yes("stealth", False),
        models=_models(table),
        many_at=_many_at(table),
        price=_own_prices(table, price),
        about=table.text("about", ""),
        **counts,
    )
    table.close()
    _check_default(plan, table)
    return plan


def _overridden(table: TomlTable, plans: Mapping[str, Plan]) -> dict[str, Any]:
    """The fields that are otherwise, each tried on every plan: none may come out impossible."""
    readers: dict[str, Any] = {
        "title": partial(table.text, "title"),
        "speeds": partial(_speeds, table),
        "default_speed": lambda: _speed(table, "default_speed", table.text("default_speed")),
        "grant_ms": partial(table.whole, "grant_ms"),
        "stealth": partial(table.yes, "stealth"),
        "models": partial(_models, table),
        "many_at": partial(_many_at, table),
        "price": lambda: _prices(table.table("price")),
        "about": partial(table.text, "about"),
    }
    readers |= {count: partial(table.whole, count, least=1) for count in _COUNTS}
    found = {name: read() for name, read in readers.items() if name in table}
    for plan in plans.values():
        _check_default(replace(plan, **found), table)
    return found


def _servers(tables: Mapping[str, TomlTable], plans: Mapping[str, Plan]) -> dict[str, Override]:
    """A month's grant is a person's own, wherever they are: no server has another."""
    for table in tables.values():
        if "grant_ms" in table:
            raise table.wrong("grant_ms", "belongs to a plan or a role: a server has no months")
    return _overrides(tables, plans)


def _overrides(tables: Mapping[str, TomlTable], plans: Mapping[str, Plan]) -> dict[str, Override]:
    found = {}
    for name, table in tables.items():
        plan = _known(table, "plan", plans, table.text("plan")) if "plan" in table else None
        found[name] = Override(plan, _overridden(table, plans))
        table.close()
    return found


def _sku(id: str, table: TomlTable, plans: Mapping[str, Plan]) -> Sku:
    if not id.isdecimal():
        raise table.wrong("", "is named by no SKU id of Discord's, which is a number")
    if ("plan" in table) == ("top_up_ms" in table):
        raise table.wrong("plan", "or top_up_ms: a SKU gives one of the two")
    plan = _known(table, "plan", plans, table.text("plan")) if "plan" in table else None
    sku = Sku(
        id=id,
        title=table.text("title"),
        plan=plan,
        top_up_ms=table.whole("top_up_ms", 0, least=0 if plan else 1),
        price=table.whole("price"),
        currency=table.text("currency", "USD"),
    )
    if not (len(sku.currency) == 3 and sku.currency.isascii() and sku.currency.isupper()):
        raise table.wrong("currency", f"must be three capital letters, not {sku.currency!r}")
    table.close()
    return sku


def _trial(table: TomlTable, plans: Mapping[str, Plan]) -> Trial:
    trial = Trial(
        plan=_known(table, "plan", plans, table.text("plan")),
        days=table.number("days", least=0.01, most=_LONGEST_TRIAL_DAYS),
        grant_ms=table.whole("grant_ms"),
    )
    table.close()
    return trial


def _prices(table: TomlTable) -> dict[Speed, float]:
    prices = {speed: table.number(speed) for speed in Speed}
    table.close()
    return prices


def _own_prices(table: TomlTable, price: Mapping[Speed, float]) -> Mapping[Speed, float]:
    return _prices(table.table("price")) if "price" in table else price


def _reserved(table: TomlTable) -> dict[Speed, int]:
    slots = {speed: table.whole(speed, 0) for speed in Speed if speed in table}
    table.close()
    return slots


def _models(table: TomlTable) -> tuple[str, ...] | None:
    if "models" not in table:
        return None
    try:
        every = table.text("models") == "all"
    except ValueError:
        return table.texts("models")
    if not every:
        raise table.wrong("models", 'must be "all" or a list of names of checkpoints')
    return None


def _many_at(table: TomlTable) -> tuple[Speed, ...]:
    """Midjourney's: everything but relax, where nobody would pay for them."""
    if "many_at" not in table:
        return Speed.TURBO, Speed.FAST
    return tuple(_speed(table, "many_at", name) for name in table.texts("many_at"))


def _speeds(table: TomlTable) -> tuple[Speed, ...]:
    return tuple(_speed(table, "speeds", name) for name in table.texts("speeds"))


def _speed(table: TomlTable, name: str, value: str) -> Speed:
    try:
        return Speed(value)
    except ValueError:
        known = ", ".join(Speed)
        raise table.wrong(name, f"names {value!r}; the speeds are {known}") from None


def _known(table: TomlTable, name: str, plans: Mapping[str, Plan], value: str) -> str:
    if value not in plans:
        raise table.wrong(name, f"names {value!r}, which is no plan of this file")
    return value


def _check_default(plan: Plan, table: TomlTable) -> None:
    if plan.default_speed not in plan.speeds:
        what = f"({plan.default_speed.value}) is not among the speeds of {plan.name}"
        raise table.wrong("default_speed", what)


def _link(top: TomlTable) -> str:
    link = top.text("link", "")
    if link and not link.startswith("https://"):
        raise top.wrong("link", "must begin with https://")
    return link
