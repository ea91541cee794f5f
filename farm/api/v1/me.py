"""/v1/me: whose key this is, and how they stand."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from farm.api.principals import Principal, Reader
from farm.api.problems import refusals
from farm.api.services import Services
from farm.api.v1.keys import EXAMPLE, Key, key
from shared.orders import Info

_ME: dict[str, Any] = {
    "id": "5b0a4f2e-63f5-4bb0-9f50-4d8f0c6b7f11",
    "object": "account",
    "discord_id": "174401885522996633",
    "name": "Ada",
    "standing": "good",
    "plan": "paid",
    "speeds": ["fast", "relax"],
    "default_speed": "fast",
    "available_ms": 7_200_000,
    "held_ms": 0,
    "expiring_ms": 7_200_000,
    "expires_at": "2026-06-01T00:00:00Z",
    "running": 1,
    "waiting": 0,
    "max_running": 3,
    "max_waiting": 10,
    "moderator": "none",
    "key": EXAMPLE,
}


class Me(BaseModel):
    """The account behind the key: plan, GPU time, what runs, and what the key may do."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ME]})

    id: UUID
    object: str = "account"
    discord_id: str = Field(description="`hf:...` of who signed in with Hugging Face.")
    name: str
    standing: str = Field(description="good, suspended or banned")
    plan: str
    speeds: list[str]
    default_speed: str
    available_ms: int = Field(description="GPU-milliseconds that can be spent.")
    held_ms: int = Field(description="GPU-milliseconds that open jobs hold.")
    expiring_ms: int = Field(description="Of what is available: ends at `expires_at`.")
    expires_at: datetime | None
    running: int
    waiting: int
    max_running: int
    max_waiting: int
    moderator: str = Field(description="none, viewer, moderator or admin, on the key's server")
    key: Key


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["Keys"], responses=refusals())

    @router.get("/me")
    async def who_am_i(who: Reader) -> Me:
        """Tell whose key this is, how they stand, and what it may do."""
        return me(who, await services.desk.info(who.person))

    return router


def me(who: Principal, info: Info) -> Me:
    account, plan, balance = info.account, info.plan, info.balance
    return Me(
        id=account.id,
        discord_id=account.discord_id,
        name=account.name,
        standing=account.standing,
        plan=plan.name,
        speeds=[speed.value for speed in plan.speeds],
        default_speed=account.default_speed or plan.default_speed,
        available_ms=balance.available_ms,
        held_ms=balance.held_ms,
        expiring_ms=balance.expiring_ms,
        expires_at=balance.expires_at,
        running=info.running,
        waiting=info.waiting,
        max_running=plan.max_running,
        max_waiting=plan.max_waiting,
        moderator=who.moderator.rank.name.lower(),
        key=key(who.holder.key),
    )
