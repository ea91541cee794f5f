"""/help, by topic or by parameter."""

from discord import app_commands
from discord.ext import commands

from bot.helpcards import PARAMETERS, TOPICS, help_card, parameter_card, parameter_names
from bot.pickers import Choices, plain_choices
from bot.reception import Interaction, tell

_TOPICS = [app_commands.Choice(name=title, value=key) for key, (title, _) in TOPICS.items()]
_TOPICS.append(app_commands.Choice(name="Parameters", value=PARAMETERS))


class Help(commands.Cog):
    @app_commands.command(name="help", description="What you can type and press")
    @app_commands.describe(topic="About what", parameter="One parameter, such as --chaos")
    @app_commands.choices(topic=_TOPICS)
    async def tell_of(
        self, interaction: Interaction, topic: str = "start", parameter: str | None = None
    ) -> None:
        """It needs nobody, so it also answers while everything else is away."""
        card = help_card(topic) if parameter is None else parameter_card(parameter)
        await tell(interaction, card)

    @tell_of.autocomplete("parameter")
    async def parameters(self, interaction: Interaction, current: str) -> Choices:
        return plain_choices(parameter_names(current))
