"""API keys: how one is made and known again, and what it may be used for. Pure but for the random bits.

A key is shown once. What is kept is its HMAC under the operator's pepper: a copy of the database is worth
nothing to whoever steals it, and equal digests are found by an index, so nothing is compared byte by byte.
"""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from enum import StrEnum

from pydantic import SecretStr

BEGINS = "pk_live_"  # so that scanners of public code know one when they see it
SHOWN = 12  # of the beginning: what a list of keys tells them apart by
_KEY = re.compile(rf"{BEGINS}[A-Za-z0-9_-]{{43}}")


class Scope(StrEnum):
    """What a key may be used for. `moderate` and `admin` are given only to who is that."""

    READ = "read"  # own jobs, pictures, receipts; models, plans, the queue
    DRAW = "draw"  # jobs are made and cancelled, pictures are brought
    TEXT = "text"  # the text service
    UPLOAD = "upload"  # adapters are brought
    HOOKS = "hooks"  # webhooks are kept
    KEYS = "keys"  # own keys are made, turned and revoked
    MODERATE = "moderate"
    ADMIN = "admin"


USUAL = (Scope.READ, Scope.DRAW, Scope.TEXT, Scope.UPLOAD, Scope.HOOKS, Scope.KEYS)


@dataclass(frozen=True, slots=True)
class Minted:
    """`secret` is the key itself: show it, then forget it."""

    secret: str
    prefix: str
    digest: str


def mint(pepper: SecretStr) -> Minted:
    """256 random bits."""
    secret = BEGINS + secrets.token_urlsafe(32)
    return Minted(secret, secret[:SHOWN], digest_of(secret, pepper))


def digest_of(secret: str, pepper: SecretStr) -> str:
    return hmac.new(pepper.get_secret_value().encode(), secret.encode(), hashlib.sha256).hexdigest()


def is_key(text: str) -> bool:
    """Whether it has the form of one: what has not, is not looked up."""
    return _KEY.fullmatch(text) is not None
