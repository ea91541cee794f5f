"""Asks the real front desk for one job at a time, from this process."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from pydantic import SecretStr

from shared import spec
from shared.admission import FrontDesk, Person, Rulebook, Submission
from shared.bell import Bell
from shared.catalog import read_catalog
from shared.config import SHARED, DatabaseSettings, RedisSettings
from shared.connections import Database, connect_redis
from shared.events import Events
from shared.plans import read_plans
from shared.safety.screen import open_screen
from tests.chaos.town import Town

ADA = Person("ada", "Ada", "pro")


class Asker:
    def __init__(self, desk: FrontDesk) -> None:
        self._desk = desk

    @classmethod
    @asynccontextmanager
    async def open(cls, town: Town, *, images: int) -> "AsyncIterator[Asker]":
        vars(spec)["IMAGES"] = images
        database = DatabaseSettings(url=SecretStr(town.servers.database_url()))
        redis = RedisSettings(url=SecretStr(town.servers.redis_url()))
        async with AsyncExitStack() as stack:
            doors, client, bell = Database.connect(database), connect_redis(redis), Bell(redis)
            for close in (doors.close, client.aclose, bell.close):
                stack.push_async_callback(close)
            desk = FrontDesk(
                doors,
                bell,
                Events(client),
                Rulebook(
                    read_plans(town.folder / "plans.toml"),
                    read_catalog(SHARED / "catalog.toml"),
                    open_screen(
                        SHARED / "safety" / "blocklist.toml", SHARED / "safety" / "policy.toml"
                    ),
                ),
                draw_seed=lambda: 7,
            )
            yield cls(desk)

    async def ask(self, prompt: str) -> str:
        key = secrets.token_hex(16)
        receipt = await self._desk.submit(Submission(prompt, ADA, None, key))
        return str(receipt.jobs[0].id)
