"""Wires and runs `pictor api`."""

import uvicorn

from farm.api.app import create_app
from farm.inquiries import answering
from shared.config import Settings
from shared.connections import Database, connect_redis
from shared.storage import open_store
from shared.telemetry import configure_logging


async def run_api(settings: Settings) -> None:
    configure_logging(settings.log_level)
    database = Database.connect(settings.database)
    redis = connect_redis(settings.redis)
    store = open_store(settings.storage)
    app = create_app(
        database=database,
        redis=redis,
        store=store,
        silent_s=settings.farm.worker_silent_s,
    )
    config = uvicorn.Config(
        app, host=settings.api.host, port=settings.api.port, log_config=None, access_log=False
    )
    try:
        async with answering(settings, database, store):
            await uvicorn.Server(config).serve()
    finally:
        await redis.aclose()
        await database.close()
