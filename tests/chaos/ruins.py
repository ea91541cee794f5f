"""A small database as a good run would leave it, written by plain SQL, so that tests can doctor it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import asyncpg
from PIL import Image

from tests.chaos.evidence import Evidence, Row, read_rows

ACCOUNT = "00000000-0000-4000-8000-000000000001"
SHOWN, POISON, VEILED, CALLED_OFF = (
    f"00000000-0000-4000-8000-0000000000{n}" for n in (10, 11, 12, 13)
)
SPEC = {
    "texts": [{"text": "a boat number 0 and 1", "weight": 1.0}],
    "seed": 5,
    "width": 8,
    "height": 8,
    "steps": 3,
    "images": 1,
    "guidance": 4.0,
}
# Without these the doctors could not break what they are to break.
UNDER = [{"type": 1, "components": [{"type": 2, "label": "U1", "custom_id": "x"}]}]
OPENED = """
do $$ declare found record; begin
    for found in select conrelid::regclass as place, conname as name from pg_constraint
        where contype = 'c' and conrelid in ('jobs'::regclass, 'ledger'::regclass, 'balances'::regclass)
    loop execute format('alter table %s drop constraint %I', found.place, found.name); end loop;
end $$;
alter table ledger drop constraint uq_ledger_entry_key;
drop index uq_ledger_job_kind;
"""


class Ruins:
    def __init__(self, connection: "asyncpg.Connection[Any]", folder: Path) -> None:
        self.connection = connection
        self.evidence = Evidence({}, folder / "assets", swept=True)

    async def build(self) -> None:
        await self.connection.execute("set session_replication_role = replica")  # no trigger speaks
        await self.connection.execute(OPENED)
        await self.execute(
            "insert into accounts (id, discord_id, name) values ($1, 'ada', 'Ada')", ACCOUNT
        )
        await self._enter("grant", 1000, None)
        await self._job(SHOWN, "boat", "succeeded", charged=30)
        await self._job(POISON, "kraken", "failed", crashes=5)
        await self._job(VEILED, "veiled", "blocked")
        await self._job(CALLED_OFF, "cancelled", "cancelled")
        await self.execute(
            "insert into balances (account_id, available_ms, held_ms) values ($1, 970, 0)", ACCOUNT
        )
        await self._picture()
        await self._answer()
        self.evidence.witness = await self._marks()
        self.evidence.blows = [_blow("deploy", at=50.0, until=51.0, code=0)]

    async def execute(self, statement: str, *values: object) -> None:
        await self.connection.execute(statement, *values)

    async def read(self) -> Evidence:
        self.evidence.tables = await read_rows(self.connection)
        return self.evidence

    async def _job(
        self, id: str, kind: str, state: str, *, crashes: int = 0, charged: int = 0
    ) -> None:
        prompt, key = f"a {kind} number 0 and 1", f"key-{id}"
        attempts = max(crashes, 1)
        await self.execute(
            """insert into jobs (id, account_id, plan, kind, state, speed, prompt, spec, spec_sha256,
                submission_key, estimate_ms, attempt, crashes, worker, charged_ms, finished_at,
                error_code, error_sentence, passed_verdict, lease_until)
            values ($1, $2, 'pro', 'imagine', $3, 'fast', $4, $5, '', $6, 100, $7, $8, 'w1', $9,
                to_timestamp(100), $10, 'why', $11, to_timestamp(101))""",
            *(id, ACCOUNT, state, prompt, json.dumps(SPEC), key, attempts, crashes, charged),
            *("worker_lost" if crashes else None, 1 if state == "succeeded" else None),
        )
        await self._story(id, state, attempts=attempts, crashes=crashes)
        await self._enter("hold", 100, id)
        if charged:
            await self._enter("settle", charged, id)
        await self._enter("release", 100 - charged, id)
        self.evidence.wished.append({"key": key})
        self.evidence.client.append({"event": "accepted", "key": key, "job": id, "kind": kind})

    async def _story(self, id: str, state: str, *, attempts: int, crashes: int) -> None:
        await self.move(id, None, "waiting", 0, crashes=0, worker=None)
        for attempt in range(1, attempts + 1):
            last, before = attempt == attempts, attempt - 1 if crashes else 0
            await self.move(id, "waiting", "dispatched", attempt, crashes=before)
            await self.move(id, "dispatched", "running", attempt, crashes=before)
            after = before + bool(crashes)
            await self.move(id, "running", state if last else "waiting", attempt, crashes=after)

    async def move(
        self,
        id: str,
        source: str | None,
        target: str,
        attempt: int,
        *,
        crashes: int,
        worker: str | None = "w1",
    ) -> None:
        await self.execute(
            """insert into transitions (job_id, source, target, attempt, crashes, worker, at)
            values ($1, $2, $3, $4, $5, $6, to_timestamp(40))""",
            *(id, source, target, attempt, crashes, worker),
        )

    async def _enter(self, kind: str, amount: int, job: str | None) -> None:
        available, held = f"available:{ACCOUNT}", f"held:{ACCOUNT}"
        sides = {
            "grant": ("issued", available),
            "hold": (available, held),
            "settle": (held, "spent"),
            "release": (held, available),
        }
        await self.execute(
            """insert into ledger (account_id, job_id, kind, debit, credit, amount_ms, entry_key)
            values ($1, $2, $3, $4, $5, $6, gen_random_uuid()::text)""",
            *(ACCOUNT, job, kind, *sides[kind], amount),
        )

    async def _picture(self) -> None:
        await self.execute(
            """insert into verdicts (id, job_id, subject, decision, sha256, policy, attempt)
            values (1, $1, 'job', 'allow', '', 'stub', 1)""",
            SHOWN,
        )
        for kind, mime in (("grid", "WEBP"), ("image", "PNG"), ("recipe", "")):
            key = f"{SHOWN}/1/{kind}"
            path = self.evidence.assets / key
            path.parent.mkdir(parents=True, exist_ok=True)
            if mime:
                _drawn().save(path, mime, lossless=True)
            else:
                path.write_text("{}")
            data = path.read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            await self.execute(
                """insert into assets (job_id, kind, index, key, sha256, size, width, height, mime,
                    verdict_id) values ($1, $2, 0, $3, $4, $5, 8, 8, $6, 1)""",
                *(SHOWN, kind, key, digest, len(data), mime),
            )

    async def _answer(self) -> None:
        for id in (SHOWN, POISON):
            await self.execute(
                "insert into deliveries (job_id, route, state) values ($1, $2, 'delivered')",
                *(id, json.dumps({"message_id": f"m-{id}"})),
            )
        picture = [{"image": {"url": f"http://origin/{SHOWN}/1/grid"}}]
        self.evidence.messages = [
            _message(SHOWN, "boat", "(fast)", embeds=picture, components=UNDER),
            _message(POISON, "kraken", "(Failed)", embeds=[], components=[]),
        ]

    async def _marks(self) -> list[Row]:
        rows = (await read_rows(self.connection))["jobs"]
        return [{"id": row["id"], "mark": row["mark"]} for row in rows]


def _blow(kind: str, **more: object) -> Row:
    return {"kind": kind, "target": "w1", "done": True, **more}


def _message(id: str, kind: str, status: str, **more: object) -> Row:
    return {"id": f"m-{id}", "content": f"**a {kind} number 0 and 1** - <@1> {status}", **more}


def _drawn() -> "Image.Image":
    """As the stub would have drawn SPEC; written out once more, from its description."""
    canonical = json.dumps(SPEC, sort_keys=True, separators=(",", ":"))
    link = hashlib.sha256(f"{canonical} 5".encode()).digest()
    for step in (1, 2, 3):
        link = hashlib.sha256(link + bytes([0, 0, 0, step])).digest()
    return Image.frombytes("RGB", (8, 8), hashlib.shake_256(link).digest(192))
