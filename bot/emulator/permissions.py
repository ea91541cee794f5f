"""Discord's permission bits that matter here, and their names as tests and docs spell them."""

KICK_MEMBERS = 1 << 1
BAN_MEMBERS = 1 << 2
ADMINISTRATOR = 1 << 3
MANAGE_CHANNELS = 1 << 4
MANAGE_GUILD = 1 << 5
ADD_REACTIONS = 1 << 6
VIEW_CHANNEL = 1 << 10
SEND_MESSAGES = 1 << 11
MANAGE_MESSAGES = 1 << 13
EMBED_LINKS = 1 << 14
ATTACH_FILES = 1 << 15
READ_MESSAGE_HISTORY = 1 << 16
MENTION_EVERYONE = 1 << 17
USE_APPLICATION_COMMANDS = 1 << 31
MANAGE_THREADS = 1 << 34
SEND_MESSAGES_IN_THREADS = 1 << 38
MODERATE_MEMBERS = 1 << 40
# Bit 47 stands for nothing.
ALL = ((1 << 53) - 1) & ~(1 << 47)

EVERYONE = (
    VIEW_CHANNEL
    | SEND_MESSAGES
    | EMBED_LINKS
    | ATTACH_FILES
    | READ_MESSAGE_HISTORY
    | USE_APPLICATION_COMMANDS
    | SEND_MESSAGES_IN_THREADS
)
MODERATOR = MANAGE_MESSAGES | MANAGE_THREADS | KICK_MEMBERS | BAN_MEMBERS | MODERATE_MEMBERS
# Both sides of a direct channel may do the same.
DIRECT = EVERYONE | ADD_REACTIONS
# What an application may do in its answers where its bot is no member.
AWAY = ATTACH_FILES | EMBED_LINKS | MENTION_EVERYONE

BITS = {
    "view_channel": VIEW_CHANNEL,
    "send_messages": SEND_MESSAGES,
    "embed_links": EMBED_LINKS,
    "attach_files": ATTACH_FILES,
    "read_message_history": READ_MESSAGE_HISTORY,
    "manage_messages": MANAGE_MESSAGES,
    "send_messages_in_threads": SEND_MESSAGES_IN_THREADS,
}
