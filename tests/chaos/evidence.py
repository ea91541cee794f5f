"""What a run left behind: rows by plain SQL, files, the local Discord's messages, and the run's own logs.

The checker stands on this alone. It imports nothing of the product, so it cannot share its mistakes.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

Row = dict[str, Any]
JOBS = """select id::text, account_id::text, state, prompt, spec, spec_sha256, submission_key, attempt, crashes,
    worker, charged_ms, error_code, passed_verdict, md5(j::text) as mark from jobs j"""
QUERIES = {
    "jobs": JOBS,
    "transitions": "select job_id::text, source, target, attempt, crashes, worker, "
    "extract(epoch from at)::float8 as at from transitions order by id",
    "ledger": "select account_id::text, job_id::text, kind, debit, credit, amount_ms from ledger",
    "balances": "select account_id::text, available_ms, held_ms from balances",
    "assets": "select job_id::text, kind, index, key, sha256, size, width, height from assets",
    "verdicts": "select id, job_id::text, attempt, decision from verdicts where job_id is not null",
    "deliveries": "select job_id::text, route->>'message_id' as message, state, last_error from deliveries",
}


@dataclass
class Evidence:
    """Rows by table, and what was written down beside them. Times are seconds since 1970."""

    tables: dict[str, list[Row]]
    assets: Path
    wished: list[Row] = field(default_factory=list)
    client: list[Row] = field(default_factory=list)
    blows: list[Row] = field(default_factory=list)
    deaths: list[Row] = field(default_factory=list)
    witness: list[Row] = field(default_factory=list)
    messages: list[Row] = field(default_factory=list)
    swept: bool = False  # the sweeper has had its time: whatever no row names must be gone

    @property
    def jobs(self) -> dict[str, Row]:
        return {row["id"]: row for row in self.tables["jobs"]}

    def of_jobs(self, table: str) -> dict[str, list[Row]]:
        """Rows of a table by job, in their order."""
        found: dict[str, list[Row]] = defaultdict(list)
        for row in self.tables[table]:
            if row["job_id"] is not None:
                found[row["job_id"]].append(row)
        return found

    def kinds(self) -> dict[str, str]:
        """What each job was asked to be, by the word in its prompt."""
        return {row["id"]: row["prompt"].split()[1] for row in self.tables["jobs"]}


async def read_rows(connection: "asyncpg.Connection[Any]") -> dict[str, list[Row]]:
    return {
        table: [dict(row) for row in await connection.fetch(query)]
        for table, query in QUERIES.items()
    }


def read_lines(path: Path) -> list[Row]:
    """A log of one JSON object a line; a last line cut short by a kill is none."""
    return list(_parsed(path.read_text().splitlines())) if path.exists() else []


def _parsed(lines: Iterable[str]) -> Iterable[Row]:
    for line in lines:
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue
