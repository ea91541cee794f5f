"""`python -m tests.chaos.client --jobs N --seed S --log FILE`: asks the real front desk for jobs.

It writes down what was accepted before it asks for more: a proof of loss must not rest on the database.
"""

import argparse
import asyncio
import json
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import text

from shared import spec
from shared.admission import FrontDesk, Person, Rulebook, Submission
from shared.bell import Bell
from shared.catalog import read_catalog
from shared.config import Settings
from shared.connections import Database, connect_redis
from shared.errors import Fault, Refusal
from shared.events import Events
from shared.plans import Speed, read_plans
from shared.safety.screen import open_screen
from tests.chaos.wishes import Wish, wishes

AT_ONCE = 6
OPEN_AT_MOST = 300  # so that the load lasts as long as the faults do
LOOK_S, TRY_AGAIN_S = 0.25, 0.3


class Client:
    def __init__(self, desk: FrontDesk, database: Database, log: Path, *, seed: int) -> None:
        self._desk, self._database = desk, database
        self._log = log.open("a")
        self._dice = Random(f"client {seed}")
        self._room = asyncio.Semaphore(0)
        self._given = 0
        self._later: set[asyncio.Task[None]] = set()

    async def run(self, wanted: Sequence[Wish]) -> None:
        queue = iter(wanted)
        watch = asyncio.create_task(self._watch())
        await asyncio.gather(*(self._ask_all(queue) for _ in range(AT_ONCE)))
        watch.cancel()
        await asyncio.gather(*self._later)
        self._write({"event": "done"})

    async def _ask_all(self, queue: Any) -> None:
        for wish in queue:
            await self._room.acquire()
            try:
                job_id = await self._ask(wish)
                if wish.repeated:
                    assert await self._ask(wish) == job_id, "the same key gave another job"
            except Refusal as refusal:  # a wish that the judge will miss
                self._write({"event": "unheard", "key": wish.key, "code": refusal.code})
                continue
            if wish.kind == "cancelled":
                later = asyncio.create_task(self._cancel(wish, job_id))
                self._later.add(later)

    async def _ask(self, wish: Wish) -> UUID:
        """Until it is accepted: an answer that was lost is asked for again, with the same key."""
        submission = Submission(wish.text, _person(wish), None, wish.key, Speed(wish.speed))
        while True:
            try:
                receipt = await self._desk.submit(submission)
                break
            except Fault as fault:
                self._write({"event": "fault", "key": wish.key, "code": fault.code})
                await asyncio.sleep(TRY_AGAIN_S)
        job_id = receipt.jobs[0].id
        told = {"key": wish.key, "kind": wish.kind, "job": str(job_id), "text": wish.text}
        self._write({"event": "accepted", **told})
        return job_id

    async def _cancel(self, wish: Wish, job_id: UUID) -> None:
        await asyncio.sleep(self._dice.uniform(0, 3))
        while True:
            try:
                await self._desk.cancel(_person(wish), job_id)
                self._write({"event": "cancelled", "job": str(job_id)})
            except Refusal as refusal:
                self._write({"event": "refused", "job": str(job_id), "code": refusal.code})
            except Fault:
                await asyncio.sleep(TRY_AGAIN_S)
                continue
            return

    async def _watch(self) -> None:
        """Lets in as many as have left."""
        while True:
            try:
                async with self._database.begin() as session:
                    ended = await session.scalar(
                        text("select count(*) from jobs where finished_at is not null")
                    )
            except Fault:
                ended = 0
            for _ in range((ended or 0) + OPEN_AT_MOST - self._given):
                self._given += 1
                self._room.release()
            await asyncio.sleep(LOOK_S)

    def _write(self, line: dict[str, object]) -> None:
        self._log.write(json.dumps(line) + "\n")
        self._log.flush()


def _person(wish: Wish) -> Person:
    return Person(discord_id=wish.person, name=wish.person, plan=wish.plan)


async def _run(options: argparse.Namespace) -> None:
    settings = Settings()
    spec.IMAGES = 1  # of a grid: what is proved does not depend on how many
    async with AsyncExitStack() as stack:
        database, redis = Database.connect(settings.database), connect_redis(settings.redis)
        bell = Bell(settings.redis)
        for close in (database.close, redis.aclose, bell.close):
            stack.push_async_callback(close)
        desk = FrontDesk(
            database,
            bell,
            Events(redis),
            Rulebook(
                read_plans(settings.plans_file),
                read_catalog(settings.catalog_file),
                open_screen(settings.blocklist_file, settings.policy_file),
            ),
            draw_seed=lambda: 7,
        )
        client = Client(desk, database, options.log, seed=options.seed)
        await client.run(wishes(options.jobs, options.seed))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--log", type=Path, required=True)
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
