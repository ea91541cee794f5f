"""A farm for each proof. What it leaves must be as promised: money, jobs, and who moved them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.config import Settings
from shared.connections import Database
from tests.proof.farm import Farm


@pytest.fixture
async def farm(settings: Settings, database: Database, tmp_path: Path) -> AsyncIterator[Farm]:
    farm = Farm(settings, tmp_path, database)
    try:
        yield farm
        assert await farm.wrongs() == []
    finally:
        await farm.close()
