"""What the test's robot offers to moderators: groups, forms, menus, private messages that change."""

from typing import Any

import discord
from discord import app_commands

TERMS = ["first term", "second term"]


class Appeal(discord.ui.Modal, title="Appeal"):
    about: discord.ui.Label = discord.ui.Label(
        text="What is it about?",
        description="Choose one",
        component=discord.ui.Select(
            custom_id="about",
            options=[discord.SelectOption(label=w.title(), value=w) for w in ("words", "picture")],
        ),
    )
    reason: discord.ui.Label = discord.ui.Label(
        text="Why was it wrong?",
        component=discord.ui.TextInput(
            custom_id="reason",
            style=discord.TextStyle.paragraph,
            min_length=10,
            max_length=200,
            placeholder="Tell the moderators",
        ),
    )
    name: discord.ui.TextInput = discord.ui.TextInput(
        label="Your name", custom_id="name", required=False
    )

    async def on_submit(self, interaction: discord.Interaction, /) -> None:
        if self.name.value == "nobody":
            raise LookupError(self.name.value)  # discord.py lets the form be sent again
        if self.name.value == "again":
            await interaction.response.send_modal(Appeal())
        about, reason = self.about.component, self.reason.component
        assert isinstance(about, discord.ui.Select)
        assert isinstance(reason, discord.ui.TextInput)
        text = f"{about.values[0]}: {reason.value}"
        if interaction.message is None:
            await interaction.response.send_message(text, ephemeral=True)
        else:
            await interaction.response.edit_message(content=text, view=None)

    async def on_error(  # type: ignore[override]
        self, interaction: discord.Interaction[Any], error: Exception, /
    ) -> None:
        interaction.client.failures.append(error)


class Review(discord.ui.View):
    """A private message whose buttons change it."""

    @discord.ui.button(label="Appeal", custom_id="appeal", style=discord.ButtonStyle.primary)
    async def appeal(self, interaction: discord.Interaction, _: discord.ui.Button[Any]) -> None:
        await interaction.response.send_modal(Appeal())

    @discord.ui.button(label="Uphold", custom_id="uphold", style=discord.ButtonStyle.danger)
    async def uphold(self, interaction: discord.Interaction, _: discord.ui.Button[Any]) -> None:
        await interaction.response.edit_message(content="upheld", view=None)
        await interaction.followup.send("and told to its author", ephemeral=True)

    @discord.ui.button(label="Later", custom_id="later")
    async def later(self, interaction: discord.Interaction, _: discord.ui.Button[Any]) -> None:
        await interaction.response.defer()
        await interaction.edit_original_response(content="put aside")

    @discord.ui.select(
        custom_id="pages",
        min_values=0,
        max_values=2,
        options=[discord.SelectOption(label=w, value=w) for w in "abc"],
    )
    async def pages(self, interaction: discord.Interaction, select: discord.ui.Select[Any]) -> None:
        await interaction.response.edit_message(content=f"pages {','.join(select.values)}")

    @discord.ui.select(cls=discord.ui.UserSelect, custom_id="who", placeholder="Whose?")
    async def who(
        self, interaction: discord.Interaction, select: discord.ui.UserSelect[Any]
    ) -> None:
        (chosen,) = select.values
        assert isinstance(chosen, discord.Member)
        roles = [role.name for role in chosen.roles]
        await interaction.response.edit_message(content=f"of {chosen.name} {roles}")


mod = app_commands.Group(
    name="mod",
    description="For moderators",
    guild_only=True,
    default_permissions=discord.Permissions(moderate_members=True),
)
blocklist = app_commands.Group(name="blocklist", description="Words", parent=mod)


@mod.command(description="What waits")
async def queue(interaction: discord.Interaction) -> None:
    await interaction.response.send_message("one case", view=Review(timeout=None), ephemeral=True)


@mod.command(description="One person")
async def user(
    interaction: discord.Interaction,
    who: discord.Member,
    days: app_commands.Range[int, 1, 30],
    quiet: bool = False,
    proof: discord.Attachment | None = None,
) -> None:
    granted = who.resolved_permissions or discord.Permissions.none()
    text = f"{who.name} {days} {quiet} {granted.manage_messages}"
    if proof is not None:
        text += f" {proof.filename} {proof.width}x{proof.height} {len(await proof.read())}"
    await interaction.response.send_message(text, ephemeral=True)


@blocklist.command(description="Add a term")
async def add(interaction: discord.Interaction, term: str, category: str) -> None:
    await interaction.response.send_message(f"{category}: {term}", ephemeral=True)


@add.autocomplete("term")
async def complete(_: discord.Interaction, typed: str) -> list[app_commands.Choice[str]]:
    return [app_commands.Choice(name=t, value=t) for t in TERMS if typed in t]


@app_commands.command(description="Say why it was wrong")
async def appeal(interaction: discord.Interaction) -> None:
    await interaction.response.send_modal(Appeal())


@app_commands.command(description="For adults", nsfw=True)
async def adult(interaction: discord.Interaction) -> None:
    channel = interaction.channel
    assert isinstance(channel, discord.TextChannel)
    await interaction.response.send_message(f"nsfw {channel.nsfw}")


@app_commands.context_menu(name="Report picture")
async def report(interaction: discord.Interaction, message: discord.Message) -> None:
    text = f"reported {message.author.name}: {message.content}"
    await interaction.response.send_message(text, ephemeral=True)


@app_commands.context_menu(name="Show strikes")
@app_commands.default_permissions(moderate_members=True)
@app_commands.guild_only()
async def strikes(interaction: discord.Interaction, member: discord.Member) -> None:
    await interaction.response.send_message(f"strikes of {member.name}")


def add_staff_commands(tree: app_commands.CommandTree[Any]) -> None:
    offered: tuple[Any, ...] = (mod, appeal, adult, report, strikes)
    for command in offered:
        tree.add_command(command)
