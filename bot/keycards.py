"""What /key shows. Pure."""

from collections.abc import Sequence

from bot.answers import private_card
from bot.cards import Card, Colour
from bot.plancards import day_of
from shared.keychain import Made
from shared.keyrows import ApiKey

NONE = "You have no API keys. **/key create** makes one."


def made_card(made: Made, url: str, *, turned: bool = False) -> Card:
    key = made.key
    title = "Your key, turned" if turned else "Your new key"
    text = "\n".join(
        (
            f"```\n{made.secret}\n```",
            "Copy it now: it is shown this once. Whoever has it can draw on your account.",
            f"It opens {url} as `Authorization: Bearer ...`.",
            "",
            _line(key),
        )
    )
    return private_card(text, Colour.DONE, title=title)


def keys_card(keys: Sequence[ApiKey]) -> Card:
    text = "\n".join(map(_line, keys)) or NONE
    return private_card(text, title="Your API keys")


def revoked_card(key: ApiKey) -> Card:
    return private_card(f"`{key.prefix}…` opens nothing any more.", title="Revoked")


def label_of(key: ApiKey) -> str:
    return f"{key.name} ({key.prefix}…)"[:100]


def _line(key: ApiKey) -> str:
    """`**farm** pk_live_Ab3d… · read, draw · on this server's plan · until <date> · used <date>`"""
    told = [f"`{key.prefix}…`", ", ".join(key.scopes)]
    told += ["of a server"] if key.guild_id else []
    told += [f"until {day_of(key.expires_at)}"] if key.expires_at else []
    told += [f"used {day_of(key.last_used_at)}" if key.last_used_at else "never used"]
    return f"**{_plain(key.name)}** " + " · ".join(told)


def _plain(name: str) -> str:
    """A name is its owner's: it must not break out of its line."""
    return name.replace("*", "").replace("`", "")
