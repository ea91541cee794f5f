"""The ways to whoever asked, and which follows when one is shut. Pure: all of RELIABILITY's routes.

| reach    | who                                      | ways, in order                                      |
|----------|------------------------------------------|-----------------------------------------------------|
| bot_edit | the bot is a member of the place         | token, edit as the bot, new message, direct message |
| token    | private answers, accounts' installations | token, direct message                               |
| new_msg  | a job that has no message yet            | new message, direct message                         |
| dm       | the bot's own direct messages            | token, edit as the bot, new message                 |
| api_only | nobody listens in Discord                | none: /gallery and the API have it                  |
"""

from datetime import datetime, timedelta
from enum import StrEnum

from shared.jobs import Reach, Route

# An edit that starts just before Discord's 15 minutes end would be refused and counted against us.
TOKEN_MARGIN = timedelta(minutes=1)

UNKNOWN_CHANNEL, UNKNOWN_MESSAGE = 10003, 10008
MISSING_ACCESS, NOT_TO_THIS_USER, MISSING_PERMISSIONS = 50001, 50007, 50013
THREAD_ARCHIVED, TOO_OLD = 50083, 30046
AUTOMOD = frozenset({200000, 240000})
# The bot is not let in any more: nothing of ours has to be tried there for a while.
DEAD = frozenset({UNKNOWN_CHANNEL, MISSING_ACCESS, MISSING_PERMISSIONS})
CHANNEL_SHUT = DEAD | AUTOMOD


class Way(StrEnum):
    TOKEN = "token"  # noqa: S105  (edit with the interaction's token)
    EDIT = "edit"  # edit as the bot
    POST = "post"  # a new message in the channel
    DIRECT = "direct"  # a direct message


REPAINTING = frozenset({Way.TOKEN, Way.EDIT})  # neither opens a new message
BY_BOT = frozenset({Way.EDIT, Way.POST})


def reach_of(*, member: bool, direct: bool, ephemeral: bool) -> Reach:
    """What can reach whoever opens an interaction. `member`: the bot is one of the place."""
    if ephemeral or not member:
        return Reach.TOKEN
    return Reach.DM if direct else Reach.BOT_EDIT


def first_way(route: Route, now: datetime) -> Way | None:
    if route.reach is Reach.API_ONLY:
        return None
    if not route.message_id:
        return Way.DIRECT if route.reach is Reach.TOKEN else Way.POST
    if token_alive(route, now):
        return Way.TOKEN
    return Way.DIRECT if route.reach is Reach.TOKEN else Way.EDIT


def token_alive(route: Route, now: datetime) -> bool:
    if not (route.token and route.token_expires_at and route.application_id):
        return False
    return now < route.token_expires_at - TOKEN_MARGIN


def next_way(way: Way, code: int, reach: Reach) -> Way | None:
    """None when the person cannot be reached. `code` is Discord's for what went wrong."""
    if way is Way.TOKEN:
        return _after_token(code, reach)
    last = None if reach is Reach.DM else Way.DIRECT
    if way is Way.EDIT:
        return last if code in CHANNEL_SHUT else Way.POST
    return last if way is Way.POST else None


def _after_token(code: int, reach: Reach) -> Way | None:
    if reach is Reach.TOKEN:
        return Way.DIRECT
    if code in CHANNEL_SHUT:
        return None if reach is Reach.DM else Way.DIRECT
    # A token may be refused early, so the bot tries too; a message that is gone it cannot edit either.
    return Way.POST if code in (UNKNOWN_MESSAGE, THREAD_ARCHIVED) else Way.EDIT
