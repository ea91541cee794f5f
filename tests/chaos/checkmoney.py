"""The judge's books: one hold a job, settled if it succeeded, given back if not, and sums that agree."""

from collections import Counter
from collections.abc import Iterator

from tests.chaos.evidence import Evidence, Row

TERMINAL = {"succeeded", "failed", "blocked", "cancelled"}
Broken = Iterator[str]


def double_entries(evidence: Evidence) -> Broken:
    for id, entries in evidence.of_jobs("ledger").items():
        for kind, count in Counter(entry["kind"] for entry in entries).items():
            if count > 1:
                yield f"job {id} has {count} entries of {kind}"


def money_of_jobs(evidence: Evidence) -> Broken:
    """One hold each; what succeeded is settled, the rest goes back, and nothing stays held."""
    entries = evidence.of_jobs("ledger")
    for id, row in evidence.jobs.items():
        sums: Counter[str] = Counter()
        for entry in entries.get(id, []):
            sums[entry["kind"]] += entry["amount_ms"]
        kinds = {entry["kind"] for entry in entries.get(id, [])}
        if wrong := _wrong_money(row, kinds, sums):
            yield f"job {id} ({row['state']}): {wrong}; {dict(sums)}"


def _wrong_money(row: Row, kinds: set[str], sums: Counter[str]) -> str:
    if "hold" not in kinds:
        return "it has no hold"
    if ("settle" in kinds) != (row["state"] == "succeeded"):
        return "settled is not what it is"
    if row["state"] in TERMINAL and sums["hold"] != sums["settle"] + sums["release"]:
        return "held is not settled and released"
    if row["state"] in TERMINAL and row["charged_ms"] != sums["settle"]:
        return f"charged {row['charged_ms']}"
    return ""


def pots(evidence: Evidence) -> Broken:
    """Each pot is the sum of its entries, none is negative, and all together are nothing."""
    sums: Counter[str] = Counter()
    for entry in evidence.tables["ledger"]:
        sums[entry["credit"]] += entry["amount_ms"]
        sums[entry["debit"]] -= entry["amount_ms"]
    if sum(sums.values()):
        yield f"the book's grand total is {sum(sums.values())}"
    for row in evidence.tables["balances"]:
        for name in ("available", "held"):
            kept, told = row[f"{name}_ms"], sums.pop(f"{name}:{row['account_id']}", 0)
            if kept != told or kept < 0:
                yield f"{name} of {row['account_id']} is {kept}, the book says {told}"
    for pot, left in sums.items():
        if ":" in pot and left:
            yield f"{pot} holds {left} of nobody"
