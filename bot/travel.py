"""Which commands people may take along on their accounts, into other servers and private messages.

What moderators and administrators do stays on the servers that the bot is a member of: elsewhere anybody may
have given themselves any permission.
"""

from discord import app_commands

TRAVELLING = frozenset(
    {
        *("imagine", "blend", "describe", "shorten", "show", "info", "help", "privacy"),
        *("settings", "prefer", "turbo", "fast", "relax", "stealth", "public", "remix"),
        *("subscribe", "queue", "cancel", "history", "gallery", "receipt", "verify"),
        *("Describe", "Vary", "Verify"),
    }
)


def pack(tree: app_commands.CommandTree) -> None:
    for command in tree.get_commands():
        if command.name in TRAVELLING and not command.guild_only:
            command.allowed_installs = app_commands.AppInstallationType(guild=True, user=True)
            command.allowed_contexts = app_commands.AppCommandContext(
                guild=True, dm_channel=True, private_channel=True
            )
