"""/imagine and /blend: words and pictures in, a job's message out."""

from collections.abc import Sequence
from typing import Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.enhancing import Enhancing, wants_it
from bot.ordering import Ordering
from bot.pickers import Choices, Pickers, plain_choices
from bot.reception import Interaction, Reception, open_private, open_public, venue_of
from bot.suggestions import LONGEST, completions
from shared.jobs import Route
from shared.orders import Ask

File = discord.Attachment
MOST_IDEAS = 10
_SHAPES = [
    app_commands.Choice(name="Square 1:1", value="square"),
    app_commands.Choice(name="Portrait 2:3", value="portrait"),
    app_commands.Choice(name="Landscape 3:2", value="landscape"),
]


class Imagine(commands.Cog):
    def __init__(
        self,
        ordering: Ordering,
        reception: Reception,
        *,
        pickers: Pickers,
        enhancing: Enhancing,
        examples: Sequence[str],
    ) -> None:
        self._ordering, self._reception = ordering, reception
        self._pickers, self._enhancing = pickers, enhancing
        self._examples = tuple(examples)

    @app_commands.command(description="Draw four pictures from your words")
    @app_commands.describe(
        prompt="What to draw; parameters last, like --ar 3:2 --seed 7 --no birds",
        image1="A picture to start from",
        image2="Another one",
        image3="Another one",
        image4="Another one",
        image5="Another one",
        model="The checkpoint that draws",
        style="A style of the checkpoint",
        lora="A LoRA; more of them go into the prompt: --lora neon:0.8, sepia",
        sampler="The way from noise to picture",
    )
    async def imagine(
        self,
        interaction: Interaction,
        prompt: str,
        image1: File | None = None,
        image2: File | None = None,
        image3: File | None = None,
        image4: File | None = None,
        image5: File | None = None,
        model: str | None = None,
        style: str | None = None,
        lora: str | None = None,
        sampler: str | None = None,
    ) -> None:
        chosen = {"model": model, "style": style, "lora": lora, "sampler": sampler}
        text = with_parameters(prompt, **chosen)
        images = links_of(image1, image2, image3, image4, image5)
        if wants_it(text):
            await open_private(interaction)
            self._enhancing.check()
            await self._enhancing.propose(
                interaction, await self._ask(interaction, None, text=text, images=images)
            )
            return
        route = await open_public(interaction)
        ask = await self._ask(interaction, route, text=text, images=images)
        await self._ordering.order(interaction, ask)

    @app_commands.command(description="Mix two to five pictures")
    @app_commands.describe(
        image1="The first picture",
        image2="The second picture",
        image3="Another one",
        image4="Another one",
        image5="Another one",
        dimensions="The shape of the mix; left out, it is square",
    )
    @app_commands.choices(dimensions=_SHAPES)
    async def blend(
        self,
        interaction: Interaction,
        image1: File,
        image2: File,
        image3: File | None = None,
        image4: File | None = None,
        image5: File | None = None,
        dimensions: str = "",
    ) -> None:
        route = await open_public(interaction)
        images = links_of(image1, image2, image3, image4, image5)
        ask = await self._ask(interaction, route, verb="blend", images=images, manner=dimensions)
        await self._ordering.order(interaction, ask)

    async def _ask(
        self, interaction: Interaction, route: Route | None, *, verb: str = "imagine", **said: Any
    ) -> Ask:
        person = await self._reception.person(interaction)
        return Ask(verb, person, venue_of(interaction), str(interaction.id), route, **said)

    @imagine.autocomplete("prompt")
    async def suggest(self, interaction: Interaction, current: str) -> Choices:
        """Ideas for an empty box, and the parameter at the end of one that is being filled."""
        if current.strip():
            shelf = self._pickers.shelf
            if "lora" in current.casefold():
                shelf = await self._pickers.with_brought(interaction)
            return plain_choices(completions(current, shelf))
        ideas = [text for text in self._examples if len(text) <= LONGEST]
        return plain_choices(ideas[:MOST_IDEAS])

    @imagine.autocomplete("model")
    async def models(self, interaction: Interaction, current: str) -> Choices:
        return await self._pickers.model(interaction, current)

    @imagine.autocomplete("style")
    async def styles(self, interaction: Interaction, current: str) -> Choices:
        return await self._pickers.style(interaction, current)

    @imagine.autocomplete("lora")
    async def loras(self, interaction: Interaction, current: str) -> Choices:
        return await self._pickers.lora(interaction, current)

    @imagine.autocomplete("sampler")
    async def samplers(self, interaction: Interaction, current: str) -> Choices:
        return await self._pickers.sampler(interaction, current)


def with_parameters(prompt: str, **chosen: str | None) -> str:
    """What was picked in boxes beside the prompt, written into it: the grammar says what does not fit."""
    said = [f"--{name} {value.strip()}" for name, value in chosen.items() if value]
    return " ".join([prompt, *said])


def links_of(*files: File | None) -> tuple[str, ...]:
    return tuple(file.url for file in files if file is not None)
