"""A small real bot for the tests: discord.py, unchanged, over real sockets."""

import io
import re
from typing import Any

import discord
from discord import app_commands

from tests.bot.emulator.staff import add_staff_commands

COLOURS = ["red", "green", "blue"]
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c63f8cfc0f01f0005000201e5271de30000000049454e44ae426082"
)


class Counter(discord.ui.DynamicItem[discord.ui.Button], template=r"count:(?P<n>\d+)"):
    """A button whose whole state is in its id, so that it outlives the bot."""

    def __init__(self, n: int) -> None:
        super().__init__(discord.ui.Button(label=f"Count {n}", custom_id=f"count:{n}"))
        self.n = n

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction, item: Any, match: re.Match[str], /
    ) -> "Counter":
        return cls(int(match["n"]))

    async def callback(self, interaction: discord.Interaction) -> None:
        view = discord.ui.View(timeout=None)
        view.add_item(Counter(self.n + 1))
        await interaction.response.edit_message(content=f"counted {self.n}", view=view)


class Note(discord.ui.Modal, title="A note"):
    text: discord.ui.TextInput = discord.ui.TextInput(
        label="What is it?", custom_id="text", max_length=50
    )

    async def on_submit(self, interaction: discord.Interaction, /) -> None:
        await interaction.response.send_message(f"noted: {self.text.value}")


class Choices(discord.ui.View):
    @discord.ui.select(
        custom_id="pick",
        placeholder="Pick a colour",
        options=[discord.SelectOption(label=c.title(), value=c) for c in COLOURS],
    )
    async def pick(self, interaction: discord.Interaction, select: discord.ui.Select[Any]) -> None:
        await interaction.response.send_message(f"picked {select.values[0]}", ephemeral=True)

    @discord.ui.button(label="Write", custom_id="write", style=discord.ButtonStyle.primary)
    async def write(self, interaction: discord.Interaction, _: discord.ui.Button[Any]) -> None:
        await interaction.response.send_modal(Note())

    @discord.ui.button(label="Slow", custom_id="slow", emoji="🐢")
    async def slow(self, interaction: discord.Interaction, _: discord.ui.Button[Any]) -> None:
        await interaction.response.defer(ephemeral=True, thinking=True)
        await interaction.followup.send("here at last", ephemeral=True)


class Robot(discord.Client):
    def __init__(self) -> None:
        super().__init__(
            intents=discord.Intents.default(),
            allowed_mentions=discord.AllowedMentions.none(),
            max_ratelimit_timeout=60,
            guild_ready_timeout=0.1,
        )
        self.tree = app_commands.CommandTree(self)
        self.resumes = 0
        self.interactions: list[discord.Interaction] = []
        self.failures: list[Exception] = []
        self.tree.error(self._remember)
        add_commands(self)
        add_staff_commands(self.tree)

    async def setup_hook(self) -> None:
        self.add_dynamic_items(Counter)
        await self.tree.sync()

    async def on_resumed(self) -> None:
        self.resumes += 1

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        self.interactions.append(interaction)

    async def _remember(self, _: discord.Interaction, error: app_commands.AppCommandError) -> None:
        self.failures.append(getattr(error, "original", error))


def add_commands(robot: Robot) -> None:
    tree = robot.tree

    @tree.command(description="Paint something")
    @app_commands.describe(prompt="What to paint", colour="Its colour", count="How many")
    async def paint(
        interaction: discord.Interaction,
        prompt: app_commands.Range[str, 1, 100],
        colour: str = "red",
        count: app_commands.Range[int, 1, 4] = 1,
    ) -> None:
        await interaction.response.defer()
        await interaction.edit_original_response(content=f"{count} {colour} {prompt}")

    @paint.autocomplete("colour")
    async def complete(_: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=c.title(), value=c) for c in COLOURS if typed in c]

    @tree.command(description="A message with a counting button")
    async def counter(interaction: discord.Interaction) -> None:
        view = discord.ui.View(timeout=None)
        view.add_item(Counter(1))
        await interaction.response.send_message("count me", view=view)

    @tree.command(description="Select, modal, slow button")
    async def choices(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("choose", view=Choices(timeout=None))

    @tree.command(description="Only for you")
    async def whisper(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("psst", ephemeral=True)

    @tree.command(description="A picture as a file and in an embed")
    async def picture(interaction: discord.Interaction) -> None:
        await interaction.response.defer()
        embed = discord.Embed(title="Pixel").set_image(url="attachment://pixel.png")
        file = discord.File(io.BytesIO(PIXEL), "pixel.png", description="one pixel")
        await interaction.followup.send(embed=embed, file=file)
        await interaction.followup.send("and a second message")

    @tree.command(description="Nobody answers this in time")
    async def silent(interaction: discord.Interaction) -> None:
        del interaction

    settings = app_commands.Group(name="settings", description="Your defaults")

    @settings.command(description="Your default speed")
    async def speed(interaction: discord.Interaction, value: str) -> None:
        await interaction.response.send_message(f"from now on {value}", ephemeral=True)

    tree.add_command(settings)
