"""A real client that only acknowledges, so that there is a message to deliver to."""

import asyncio

import discord
from discord import app_commands

from bot.reception import open_public
from shared.jobs import Route


class Clerk(discord.Client):
    """Acknowledges /imagine and nothing else."""

    def __init__(self) -> None:
        super().__init__(intents=discord.Intents(guilds=True), max_ratelimit_timeout=30.0)
        self.routes: asyncio.Queue[Route] = asyncio.Queue()
        self.tree = app_commands.CommandTree(self)
        self.tree.add_command(
            app_commands.Command(name="imagine", description="-", callback=self.take)
        )

    async def setup_hook(self) -> None:
        await self.tree.sync()

    async def take(self, interaction: discord.Interaction, prompt: str) -> None:
        self.routes.put_nowait(await open_public(interaction))
