"""Where people write: channels of our server and their threads, direct messages, and places that the
application's bot is no member of."""

from dataclasses import dataclass

from bot.emulator import people

GUILD_TEXT, DM, GROUP_DM, PUBLIC_THREAD = 0, 1, 3, 11
# The contexts of interactions.
IN_GUILD, IN_BOT_DM, IN_PRIVATE = 0, 1, 2


@dataclass(slots=True)
class Channel:
    id: str
    type: int
    name: str = ""
    topic: str = ""
    position: int = 0
    recipient: str | None = None
    private_to: str | None = None
    nsfw: bool = False
    last_message_id: str | None = None
    guild: str | None = people.GUILD_ID
    members: tuple[str, ...] = ()
    parent: str | None = None
    owner: str | None = None
    archived: bool = False
    locked: bool = False

    @property
    def home(self) -> bool:
        """The bot is a member here, or it is one side of it."""
        return self.type == DM or self.guild == people.GUILD_ID

    @property
    def direct(self) -> bool:
        return self.type in (DM, GROUP_DM)

    @property
    def thread(self) -> bool:
        return self.type == PUBLIC_THREAD

    @property
    def context(self) -> int:
        return {DM: IN_BOT_DM, GROUP_DM: IN_PRIVATE}.get(self.type, IN_GUILD)


def first_channels() -> list[Channel]:
    return [*_of_the_server(), *_elsewhere()]


def _of_the_server() -> list[Channel]:
    staff = people.MODERATOR_ROLE.id
    return [
        Channel(
            people.IMAGINE_CHANNEL_ID,
            GUILD_TEXT,
            name="imagine",
            topic="Type /imagine and describe a picture",
        ),
        Channel(
            people.AFTER_DARK_CHANNEL_ID,
            GUILD_TEXT,
            name="after-dark",
            topic="For adults",
            position=1,
            nsfw=True,
        ),
        Channel(
            people.MODERATORS_CHANNEL_ID,
            GUILD_TEXT,
            name="moderators",
            topic="Reports and appeals",
            position=2,
            private_to=staff,
        ),
        Channel(
            people.MOD_LOG_CHANNEL_ID,
            GUILD_TEXT,
            name="mod-log",
            topic="What moderators and filters did",
            position=3,
            private_to=staff,
        ),
    ]


def _elsewhere() -> list[Channel]:
    """Where only those can use the application who have added it to their account."""
    return [
        Channel(
            people.LOUNGE_CHANNEL_ID,
            GUILD_TEXT,
            name="lounge",
            topic="Another server, which the bot is no member of",
            guild=people.OTHER_GUILD_ID,
        ),
        Channel(
            people.GROUP_CHANNEL_ID,
            GROUP_DM,
            name="Finn, Paula, Priya",
            guild=None,
            members=(people.FINN.id, people.PAULA.id, people.PRIYA.id),
        ),
    ]
