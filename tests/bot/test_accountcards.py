"""/info's arithmetic: what is left of what, and what of it ends with the month."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from bot.accountcards import remaining
from shared.config import Settings
from shared.ledger import Balance
from shared.orders import Info
from shared.plans import Plan, read_plans

END = datetime(2026, 12, 31, tzinfo=UTC)


def info(balance: Balance, *, grant_ms: int) -> Info:
    plan: Plan = replace(read_plans(Settings().plans_file).plan("pro"), grant_ms=grant_ms)
    return Info(cast(Any, None), plan, balance, 0, 0, {})


def test_hours_as_midjourney_tells_them() -> None:
    told = remaining(info(Balance(106_452_000, 0), grant_ms=108_000_000))
    assert told == "29.57/30.0 hours (98.57%)"


def test_what_is_held_and_what_ends_with_the_month_is_said() -> None:
    told = remaining(info(Balance(1_800_000, 60_000, 600_000, END), grant_ms=900_000))
    assert told == (
        "30.00/30.0 minutes (100.00%), 60.0 GPU-seconds held; 10.0 GPU-minutes of it end "
        f"<t:{int(END.timestamp())}:D>"
    )
