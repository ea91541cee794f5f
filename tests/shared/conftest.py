"""A front desk on real servers, and variants of it."""

import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from shared.admission import FrontDesk, Rulebook
from shared.bell import Bell
from shared.catalog import read_catalog
from shared.config import RedisSettings, SafetySettings, Settings
from shared.connections import Database, connect_redis
from shared.events import Events
from shared.intake import Intake
from shared.moderation.strikes import DEFAULT
from shared.outlooks import Outlooks
from shared.safety.screen import PromptScreen, open_screen
from shared.storage import LocalStore
from tests.shared.rows import BOOK

Build = Callable[..., FrontDesk]


@pytest.fixture
async def build(settings: Settings, database: Database) -> AsyncIterator[Build]:
    """Makes desks: other plans, another Redis, a default checkpoint of another size."""
    opened: list[Any] = []

    def make(
        *,
        redis: RedisSettings = settings.redis,
        vram_gb: float = 0,
        screen: PromptScreen | None = None,
        safety: SafetySettings = DEFAULT,
        intake: Intake | None = None,
        **plan_changes: Any,
    ) -> FrontDesk:
        client, bell, seeds = connect_redis(redis), Bell(redis), count(100)
        opened.extend((client.aclose, bell.close))
        plans = {name: replace(plan, **plan_changes) for name, plan in BOOK.plans.items()}
        catalog = read_catalog(settings.catalog_file)
        default = replace(catalog.get(catalog.default), vram_gb=vram_gb)
        return FrontDesk(
            database,
            bell,
            Events(client),
            Rulebook(
                replace(BOOK, plans=plans),
                replace(catalog, checkpoints=catalog.checkpoints | {default.name: default}),
                screen or open_screen(settings.blocklist_file, settings.policy_file),
                safety,
            ),
            draw_seed=lambda: next(seeds),
            outlooks=Outlooks(client),
            intake=intake,
        )

    yield make
    for close in opened:
        await close()


@pytest.fixture
def desk(build: Build) -> FrontDesk:
    return build()


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Intake, LocalStore]:
    """An intake for tests that host their own pictures, and where it keeps them."""
    store = LocalStore(tmp_path, "http://pictures.test")
    return Intake(store), store


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever connects has failed the test."""

    def connect(*_: object, **__: object) -> None:
        raise AssertionError("it was connected to")

    monkeypatch.setattr(socket, "create_connection", connect)
