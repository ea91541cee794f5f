"""The key that opens the demo's page: its owner's on the local Discord, kept in the demo's folder."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import Any

from pydantic import SecretStr

from shared.apikeys import USUAL, Scope
from shared.connections import Database
from shared.keychain import Keychain, Standing, Wanted
from shared.moderation.ranks import Rank
from shared.plans import PlanBook

OWNER_ID = "1100000000000000016"  # of the local Discord's server
PEPPER, KEY = "api-pepper", "api-key"  # files of the demo's folder
SCOPES = (*USUAL, Scope.MODERATE)
_PLANS = ("pro", "paid")  # roles that are called so, the best first


@dataclass(frozen=True, slots=True)
class Owner:
    """Whoever owns the server of a local Discord, with what they are there."""

    discord_id: str
    name: str
    guild_id: str
    roles: tuple[str, ...]
    plan: str


def pepper_of(folder: Path) -> str:
    """Made on first use; keys are good for as long as it is kept."""
    path = folder / PEPPER
    if not path.exists():
        _keep(path, token_urlsafe(32))
    return path.read_text().strip()


def owner_in(state: bytes, plans: PlanBook) -> Owner:
    """Of what the local Discord tells its page."""
    told: dict[str, Any] = json.loads(state)
    guild = told["guild"]
    person = next(one for one in told["people"] if one["user"]["id"] == guild["owner_id"])
    names = {role["id"]: role["name"].lower() for role in guild["roles"]}
    roles = tuple(person["roles"])
    has = {names[role] for role in roles}
    plan = next((name for name in _PLANS if name in has and name in plans.plans), plans.first)
    return Owner(guild["owner_id"], person["name"], guild["id"], roles, plan)


async def key_of(folder: Path, owner: Owner, database: Database, book: PlanBook, days: int) -> str:
    """The one of the last time while it is good, else another."""
    chain = Keychain(database, book, SecretStr(pepper_of(folder)), days)
    path = folder / KEY
    known = path.read_text().strip() if path.exists() else ""
    if await chain.holder(known) is not None:
        return known
    account = await chain.account(owner.discord_id, owner.name)
    standing = Standing(frozenset(SCOPES), owner.guild_id, owner.plan, owner.roles, rank=Rank.ADMIN)
    made = await chain.make(account.id, Wanted("Demo", SCOPES), standing)
    _keep(path, made.secret)
    return made.secret


def _keep(path: Path, secret: str) -> None:
    """For nobody else's eyes."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secret)
