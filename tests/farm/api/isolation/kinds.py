"""Who is let in by which kind of route. A route's kind is declared in tests/farm/api/isolation/declared.py."""

from collections.abc import Mapping
from enum import StrEnum

from tests.farm.api.direct import Answered

# Codes of what is not there, or is not told. Another 404 (no text service) lets in and has nothing to give.
ABSENT = ("not_found", "unknown_", "model_not_found")
LET_IN = ("unknown_worker",)  # none runs here; only the operator gets so far


class Role(StrEnum):
    ANONYMOUS = "anonymous"
    OTHER = "other user"  # on the owner's server
    ABROAD = "other guild"
    FOREIGN = "other guild's admin"
    MODERATOR = "moderator"  # of the owner's server
    ADMIN = "admin"  # the operator
    OWNER = "owner"  # the last one: what they ask for may be gone then


class Met(StrEnum):
    IN = "let in"
    STRANGER = "401"
    FORBIDDEN = "403"
    HIDDEN = "404"
    BROKEN = "broken"


Expected = Mapping[Role, Met]
KEYED = [role for role in Role if role is not Role.ANONYMOUS]
_STAFF = (Role.FOREIGN, Role.MODERATOR, Role.ADMIN)


def met(answered: Answered, *, absent_too: str = "-") -> Met:
    if answered.status == 401:
        return Met.STRANGER
    if answered.status == 403:
        return Met.FORBIDDEN
    if answered.code in LET_IN:
        return Met.IN
    if answered.status == 404 and (
        not answered.code or answered.code.startswith((*ABSENT, absent_too))
    ):
        return Met.HIDDEN
    return Met.BROKEN if answered.status in (0, 405) or answered.status >= 500 else Met.IN


def _for(anonymous: Met, *, others: Met, **more: Met) -> Expected:
    told = dict.fromkeys(Role, others) | {Role.ANONYMOUS: anonymous}
    return told | {Role[name]: how for name, how in more.items()}


PUBLIC = _for(Met.IN, others=Met.IN)
# Everybody with a key, each with what is their own.
OWN = _for(Met.STRANGER, others=Met.IN)
# One thing that is somebody's: to everybody else it is not there.
THING = _for(Met.STRANGER, others=Met.HIDDEN, OWNER=Met.IN)
# The desk of whoever moderates: each server's staff sees their own.
STAFF = _for(Met.STRANGER, others=Met.FORBIDDEN, **{role.name: Met.IN for role in _STAFF})
# One thing that happened on the owner's server.
STAFF_THING = {**STAFF, Role.FOREIGN: Met.HIDDEN}
# What the admins of a server do, each on their own.
SERVER = {**STAFF, Role.MODERATOR: Met.FORBIDDEN}
# What concerns every server.
OPERATOR = _for(Met.STRANGER, others=Met.FORBIDDEN, ADMIN=Met.IN)
