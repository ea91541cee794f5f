"""The moderators' desk on real servers, beside the front desk that it lifts prompts at."""

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from shared.admission import FrontDesk
from shared.bell import Bell
from shared.config import SafetySettings, Settings
from shared.connections import Database, connect_redis
from shared.events import Events
from shared.oversight.desk import open_desk
from shared.safety.policy import read_policy
from shared.storage import LocalStore
from tests.shared.conftest import Build
from tests.shared.oversight.people import ADMIN, BLOCKED, House

SAFETY = SafetySettings(pepper=SecretStr("pepper"), home_guild="7")


@pytest.fixture
def desk(build: Build) -> FrontDesk:
    return build(safety=SAFETY)


@pytest.fixture
async def house(settings: Settings, database: Database, desk: FrontDesk) -> AsyncIterator[House]:
    redis, bell = connect_redis(settings.redis), Bell(settings.redis)
    store = LocalStore(settings.storage.folder, "http://images.example")
    oversight = open_desk(
        database,
        bell,
        Events(redis),
        store,
        front_desk=desk,
        policy=read_policy(settings.policy_file),
        safety=SAFETY,
    )
    await oversight.house.block_term(ADMIN, BLOCKED, "gore", strength="explicit")
    yield House(database, desk, oversight, store, bell)
    await bell.close()
    await redis.aclose()
