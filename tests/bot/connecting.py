"""A client of the local Discord for as long as a block."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import discord

from bot.emulator.client import LocalDiscord


@asynccontextmanager
async def connected(client: discord.Client, local: LocalDiscord) -> AsyncIterator[None]:
    """Logged in, ready, commands published; gone after the block."""
    task = asyncio.create_task(client.start(local.token))
    ready = asyncio.create_task(local.wait_bot())
    try:
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED, timeout=20)
        if task.done():
            task.result()
        yield
    finally:
        ready.cancel()
        await client.close()
        await asyncio.wait({task}, timeout=5)
