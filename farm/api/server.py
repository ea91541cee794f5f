"""Wires and runs `pictor api`."""

import uvicorn

from farm.api.app import create_app
from farm.api.services import opened
from farm.inquiries import answering
from shared.config import Settings
from shared.telemetry import configure_logging


async def run_api(settings: Settings) -> None:
    configure_logging(settings.log_level)
    async with opened(settings) as services:
        config = uvicorn.Config(
            create_app(services),
            host=settings.api.host,
            port=settings.api.port,
            log_config=None,
            access_log=False,
        )
        async with answering(settings, services.database, services.store):
            await uvicorn.Server(config).serve()
