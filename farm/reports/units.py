"""Whole numbers as people read them: rounded here, at the edge, and nowhere before. Pure."""

from shared.reports.sheets import Column, Unit

MINUTE_MS = 60_000
# Currencies whose smallest unit is the currency itself.
WHOLE = frozenset({"BIF", "CLP", "DJF", "ISK", "JPY", "KRW", "PYG", "UGX", "VND", "XAF", "XOF"})


def told(value: int, column: Column) -> str:
    """`1,234`, GPU time in minutes as `12.35`, money as `12.34`."""
    match column.unit:
        case Unit.MS:
            return minutes(value)
        case Unit.MINOR:
            return money(value, column.name)
    return f"{value:,}"


def title(column: Column) -> str:
    name = column.name.removesuffix("_ms").replace("_", " ")
    return f"{name} (min)" if column.unit is Unit.MS else name


def minutes(milliseconds: int) -> str:
    """GPU-minutes with two places, half a hundredth rounded up."""
    hundredths = (abs(milliseconds) * 100 + MINUTE_MS // 2) // MINUTE_MS
    sign = "-" if milliseconds < 0 and hundredths else ""
    return f"{sign}{hundredths // 100:,}.{hundredths % 100:02}"


def money(minor: int, currency: str) -> str:
    if currency in WHOLE:
        return f"{minor:,}"
    sign = "-" if minor < 0 else ""
    return f"{sign}{abs(minor) // 100:,}.{abs(minor) % 100:02}"
