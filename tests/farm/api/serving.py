"""The app over a real socket, for clients that bring their own network."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from farm.api.server import Server, served
from farm.api.services import Services


@asynccontextmanager
async def serving(app: FastAPI, services: Services) -> AsyncIterator[str]:
    """Its address, without a slash at the end. The caller's loop serves."""
    server = Server(
        served(app, services.settings.api.model_copy(update={"port": 0})), services.following
    )
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.005)
            if task.done():
                await task
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task
