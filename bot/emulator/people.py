"""Who lives in the local Discord: fixed ids, so that demos and tests can name them."""

from dataclasses import dataclass

APPLICATION_ID = "1100000000000000001"
GUILD_ID = "1100000000000000100"
IMAGINE_CHANNEL_ID = "1100000000000000201"
MODERATORS_CHANNEL_ID = "1100000000000000202"

VIEW_CHANNEL = 1 << 10
SEND_MESSAGES = 1 << 11
MANAGE_MESSAGES = 1 << 13
EMBED_LINKS = 1 << 14
ATTACH_FILES = 1 << 15
READ_MESSAGE_HISTORY = 1 << 16
USE_APPLICATION_COMMANDS = 1 << 31
MANAGE_GUILD = 1 << 5
BAN_MEMBERS = 1 << 2
KICK_MEMBERS = 1 << 1
MODERATE_MEMBERS = 1 << 40

EVERYONE_PERMISSIONS = (
    VIEW_CHANNEL
    | SEND_MESSAGES
    | EMBED_LINKS
    | ATTACH_FILES
    | READ_MESSAGE_HISTORY
    | USE_APPLICATION_COMMANDS
)
MODERATOR_PERMISSIONS = (
    MANAGE_MESSAGES | MANAGE_GUILD | BAN_MEMBERS | KICK_MEMBERS | MODERATE_MEMBERS
)

PERMISSION_BITS = {
    "view_channel": VIEW_CHANNEL,
    "send_messages": SEND_MESSAGES,
    "embed_links": EMBED_LINKS,
    "attach_files": ATTACH_FILES,
    "read_message_history": READ_MESSAGE_HISTORY,
    "manage_messages": MANAGE_MESSAGES,
}


@dataclass(frozen=True, slots=True)
class Role:
    id: str
    name: str
    color: int
    position: int
    permissions: int
    hoist: bool = True


@dataclass(frozen=True, slots=True)
class Person:
    id: str
    username: str
    global_name: str
    roles: tuple[str, ...]
    bot: bool = False
    bio: str = ""


FREE_ROLE = Role("1100000000000000301", "Free", 0x8FA3B8, 1, 0)
PAID_ROLE = Role("1100000000000000302", "Paid", 0x57B894, 2, 0)
PRO_ROLE = Role("1100000000000000303", "Pro", 0xE8A33D, 3, 0)
MODERATOR_ROLE = Role("1100000000000000304", "Moderator", 0xE56B6F, 5, MODERATOR_PERMISSIONS)
BOT_ROLE = Role("1100000000000000305", "Pictor", 0x7C8CFF, 4, MANAGE_MESSAGES)
EVERYONE_ROLE = Role(GUILD_ID, "@everyone", 0, 0, EVERYONE_PERMISSIONS, hoist=False)
ROLES = (EVERYONE_ROLE, FREE_ROLE, PAID_ROLE, PRO_ROLE, BOT_ROLE, MODERATOR_ROLE)

FINN = Person("1100000000000000011", "finn", "Finn", (FREE_ROLE.id,), bio="On the Free plan")
PAULA = Person("1100000000000000012", "paula", "Paula", (PAID_ROLE.id,), bio="On the Paid plan")
PRIYA = Person("1100000000000000013", "priya", "Priya", (PRO_ROLE.id,), bio="On the Pro plan")
MONA = Person(
    "1100000000000000014", "mona", "Mona", (MODERATOR_ROLE.id, PRO_ROLE.id), bio="Moderator"
)
PICTOR = Person(
    APPLICATION_ID, "pictor", "Pictor", (BOT_ROLE.id,), bot=True, bio="Type /imagine and a wish"
)
MEMBERS = (FINN, PAULA, PRIYA, MONA)
PEOPLE = (*MEMBERS, PICTOR)
PEOPLE_BY_ID = {person.id: person for person in PEOPLE}


def permissions_of(person: Person) -> int:
    granted = EVERYONE_PERMISSIONS
    for role in ROLES:
        if role.id in person.roles:
            granted |= role.permissions
    return granted
