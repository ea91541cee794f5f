"""What stays of the name of somebody who had themselves deleted."""

import hashlib
import hmac
from uuid import UUID

from pydantic import SecretStr

ERASED = "erased"


def of_nobody(account_id: UUID) -> str:
    """In the place of a Discord id: unique, and it leads nowhere."""
    return f"{ERASED}:{account_id}"


def is_pseudonym(discord_id: str) -> bool:
    return discord_id.startswith(f"{ERASED}:")


def mark_of(discord_id: str, pepper: SecretStr) -> str:
    """By which a ban knows somebody again, and by which nobody else does: Discord ids are few enough to
    be tried one by one, and only the key keeps that from working."""
    key = pepper.get_secret_value().encode()
    return hmac.new(key, discord_id.encode(), hashlib.sha256).hexdigest()
