"""What one writes in an afternoon: FastAPI, arq, and a Redis channel for each job.

`python -m tests.bench.plaindoor PORT`.
No key, no check, no price, no books, nothing durable: what was submitted is in Redis alone, and an event that
nobody heard is gone.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import uvicorn
from arq.connections import ArqRedis
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from pydantic import BaseModel
from redis.asyncio import ConnectionPool

from shared.config import Settings


class Asked(BaseModel):
    prompt: str


def channel(job_id: str) -> str:
    return f"plain:{job_id}"


def create_app(url: str) -> FastAPI:
    pool = ArqRedis(ConnectionPool.from_url(url))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await pool.aclose()

    app = FastAPI(lifespan=lifespan)

    @app.post("/jobs")
    async def submit(asked: Asked) -> dict[str, str]:
        job_id = uuid4().hex
        await pool.enqueue_job("draw", asked.prompt, _job_id=job_id, _queue_name="plain")
        return {"id": job_id}

    @app.websocket("/jobs/{job_id}/events")
    async def events(socket: WebSocket, job_id: str) -> None:
        await socket.accept()
        async with pool.pubsub(ignore_subscribe_messages=True) as heard:
            await heard.subscribe(channel(job_id))
            await socket.send_json({"type": "state"})
            try:
                async for message in heard.listen():
                    await socket.send_text(message["data"].decode())
            except WebSocketDisconnect:
                return

    return app


def main(port: int) -> None:
    settings = Settings()
    assert settings.redis.url
    app = create_app(settings.redis.url.get_secret_value())
    # Its sockets wait for Redis alone, and would never end.
    uvicorn.run(app, port=port, log_level="warning", timeout_graceful_shutdown=1)


if __name__ == "__main__":
    main(int(sys.argv[1]))
