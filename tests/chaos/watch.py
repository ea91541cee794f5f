"""Who looks on while a run goes: how far it is, and what finished rows look like."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

EVERY_S = 0.25
PROGRESS = """select count(*) as jobs, count(finished_at) as ended,
    (select count(*) from deliveries where state = 'open') as open,
    (select count(*) from assets) as assets from jobs"""
FINISHED = """select id::text, md5(j::text) as mark, extract(epoch from finished_at)::float8 as at
    from jobs j where finished_at > to_timestamp($1)"""
SEEN_AGAIN_S = 5.0  # clocks of transactions: a row may become visible a little later than another


@dataclass
class Watch:
    """`host` is where the sockets of Postgres lie; its connections may be cut at any time."""

    host: Path
    database: str
    witness: Path
    jobs: int = 0
    ended: int = 0
    open: int = 0
    assets: int = 0
    seen: dict[str, str] = field(default_factory=dict)
    newest: float = 0.0

    async def run(self) -> None:
        while True:
            try:
                connection = await self.connect()
                try:
                    while True:
                        await self._look(connection)
                        await asyncio.sleep(EVERY_S)
                finally:
                    await connection.close(timeout=1)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                await asyncio.sleep(EVERY_S)

    async def connect(self) -> "asyncpg.Connection[Any]":
        return await asyncpg.connect(
            host=str(self.host), user="postgres", database=self.database, timeout=3
        )

    async def _look(self, connection: "asyncpg.Connection[Any]") -> None:
        row = await connection.fetchrow(PROGRESS)
        assert row is not None
        self.jobs, self.ended, self.open = row["jobs"], row["ended"], row["open"]
        self.assets = row["assets"]
        for found in await connection.fetch(FINISHED, self.newest - SEEN_AGAIN_S):
            self.newest = max(self.newest, found["at"])
            if found["id"] not in self.seen:
                self.seen[found["id"]] = found["mark"]
                self._write({"id": found["id"], "mark": found["mark"]})

    def _write(self, line: dict[str, str]) -> None:
        with self.witness.open("a") as log:
            log.write(json.dumps(line) + "\n")
