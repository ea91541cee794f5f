"""Who lives in the local Discord: fixed ids, so that demos and tests can name them."""

from dataclasses import dataclass

from bot.emulator import permissions

APPLICATION_ID = "1100000000000000001"
GUILD_ID = "1100000000000000100"
IMAGINE_CHANNEL_ID = "1100000000000000201"
MODERATORS_CHANNEL_ID = "1100000000000000202"
MOD_LOG_CHANNEL_ID = "1100000000000000203"
AFTER_DARK_CHANNEL_ID = "1100000000000000204"
# Places that the bot is no member of.
OTHER_GUILD_ID = "1100000000000000900"
LOUNGE_CHANNEL_ID = "1100000000000000901"
GROUP_CHANNEL_ID = "1100000000000000902"


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
BOT_ROLE = Role("1100000000000000305", "Pictor", 0x7C8CFF, 4, permissions.MANAGE_MESSAGES)
MODERATOR_ROLE = Role("1100000000000000304", "Moderators", 0xE56B6F, 5, permissions.MODERATOR)
ADMIN_ROLE = Role("1100000000000000306", "Admins", 0xC58AF9, 6, permissions.ADMINISTRATOR)
EVERYONE_ROLE = Role(GUILD_ID, "@everyone", 0, 0, permissions.EVERYONE, hoist=False)
ROLES = (EVERYONE_ROLE, FREE_ROLE, PAID_ROLE, PRO_ROLE, BOT_ROLE, MODERATOR_ROLE, ADMIN_ROLE)
ROLES_BY_ID = {role.id: role for role in ROLES}

FINN = Person("1100000000000000011", "finn", "Finn", (FREE_ROLE.id,), bio="On the Free plan")
PAULA = Person("1100000000000000012", "paula", "Paula", (PAID_ROLE.id,), bio="On the Paid plan")
PRIYA = Person("1100000000000000013", "priya", "Priya", (PRO_ROLE.id,), bio="On the Pro plan")
MONA = Person(
    "1100000000000000014", "mona", "Mona", (MODERATOR_ROLE.id, PRO_ROLE.id), bio="Moderator"
)
# Two of each, because some decisions want two people.
MAX = Person(
    "1100000000000000015", "max", "Max", (MODERATOR_ROLE.id, PAID_ROLE.id), bio="Moderator"
)
ADA = Person("1100000000000000016", "ada", "Ada", (ADMIN_ROLE.id, PRO_ROLE.id), bio="Owner")
OTTO = Person("1100000000000000017", "otto", "Otto", (ADMIN_ROLE.id, FREE_ROLE.id), bio="Admin")
OWNER = ADA
PICTOR = Person(
    APPLICATION_ID, "pictor", "Pictor", (BOT_ROLE.id,), bot=True, bio="Type /imagine and a wish"
)
MEMBERS = (FINN, PAULA, PRIYA, MONA, MAX, ADA, OTTO)
PEOPLE = (*MEMBERS, PICTOR)
PEOPLE_BY_ID = {person.id: person for person in PEOPLE}


def permissions_of(person: Person) -> int:
    """Of all roles together, before any channel's overwrites; owner and administrators have all."""
    granted = permissions.EVERYONE
    for role in person.roles:
        granted |= ROLES_BY_ID[role].permissions
    if person is OWNER or granted & permissions.ADMINISTRATOR:
        return permissions.ALL
    return granted
