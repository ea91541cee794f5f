"""Pictures that people bring: where our own copies lie, and the links by which a text names them. Pure.

A link to somebody else's server dies, often within a day. What is kept of a prompt therefore names our copy.
Its address leads nowhere (RFC 2606 keeps .invalid for that): a copy has passed no filter, so nothing serves it.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from secrets import token_hex
from uuid import UUID

from pydantic import SecretStr

UPLOADS = "uploads/"  # in the store: what strangers sent, and masks of ours
BROUGHT = "loras/"  # in the store: weights that people brought
HOST = "https://pictor.invalid/"
_LINK = re.compile(r"https?://[^\s{},<>\"'“”]+?(?=::|[\s{},<>\"'“”]|$)", re.IGNORECASE)
_OWN = re.compile(r"https://pictor\.invalid/([0-9a-f]{32}\.(?:png|jpg|webp|gif))")


def new_key(ending: str) -> str:
    """128 random bits: who does not know it does not find it."""
    return f"{UPLOADS}{token_hex(16)}.{ending}"


def lasting_key(ending: str, whose: UUID, data: bytes, pepper: SecretStr) -> str:
    """The same for the same bytes of the same account, and for nobody to guess: who brings a picture twice
    asks for the same thing twice."""
    secret = hmac.new(pepper.get_secret_value().encode(), b"upload:" + whose.bytes, hashlib.sha256)
    secret.update(data)
    return f"{UPLOADS}{secret.hexdigest()[:32]}.{ending}"


def link_of(key: str) -> str:
    return HOST + key.removeprefix(UPLOADS)


def key_of(link: str) -> str | None:
    """None for a link to anywhere else."""
    own = _OWN.fullmatch(link)
    return UPLOADS + own[1] if own else None


def links_in(text: str) -> list[str]:
    """Every link that a text names, whatever stands around it, once each."""
    return list(dict.fromkeys(_LINK.findall(text)))


def among(keys: Iterable[str]) -> list[str]:
    """Those that lie here."""
    return [key for key in keys if key.startswith(UPLOADS)]


def named_in(text: str) -> list[str]:
    """Keys of every copy that a text names."""
    return [UPLOADS + name for name in _OWN.findall(text)]


def renamed(text: str, links: Mapping[str, str]) -> str:
    """The text with each link in place of the one it was, the longest first: one may begin another."""
    for link in sorted(links, key=len, reverse=True):
        text = text.replace(link, links[link])
    return text
