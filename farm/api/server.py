"""Wires and runs `pictor api`."""

import socket

import uvicorn
from fastapi import FastAPI

from farm.api.app import create_app
from farm.api.following import Following
from farm.api.hooks.sender import sending
from farm.api.services import opened
from farm.inquiries import answering
from shared.config import ApiSettings, Settings
from shared.telemetry import configure_logging

PARTING_S = 5  # for answers that are on their way when the process is told to end
HEARD_BYTES = 2**12  # of a message to a socket, which nobody listens to


class Server(uvicorn.Server):
    """Streams never end by themselves: when it is told to leave, they are."""

    def __init__(self, config: uvicorn.Config, following: Following) -> None:
        super().__init__(config)
        self.following = following

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.following.release()
        await super().shutdown(sockets)


async def run_api(settings: Settings) -> None:
    configure_logging(settings.log_level)
    async with opened(settings) as services:
        services.following.start()  # steps are known from now on, whoever follows
        server = Server(served(create_app(services), settings.api), services.following)
        answers = answering(settings, services.database, services.store)
        async with answers, sending(services):
            await server.serve()


def served(app: FastAPI, settings: ApiSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=PARTING_S,
        ws_max_size=HEARD_BYTES,
    )
