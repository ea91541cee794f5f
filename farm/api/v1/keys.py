"""/v1/keys: own keys, and the exchange of a Hugging Face token for one."""

from datetime import datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from farm.api.principals import KeyHolder
from farm.api.problems import refusals
from farm.api.services import Services
from shared.apikeys import USUAL, Scope
from shared.errors import Refusal
from shared.keychain import LONGEST_NAME, MOST_DAYS, MOST_OVERLAP_S, Made, Wanted
from shared.keyrows import ApiKey

_ID = "0f6f3c1e-8f3a-4a55-9f7c-1f2f6f6b7f10"
EXAMPLE: dict[str, Any] = {
    "id": _ID,
    "object": "key",
    "name": "render farm",
    "prefix": "pk_live_Ab3d",
    "scopes": ["read", "draw"],
    "guild_id": None,
    "plan": None,
    "created_at": "2026-05-04T12:00:00Z",
    "expires_at": "2026-08-02T12:00:00Z",
    "last_used_at": None,
}


class KeyWanted(BaseModel):
    """A key with at most the scopes of the one that asks for it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "render farm", "scopes": ["read", "draw"]}]},
    )

    name: str = Field(min_length=1, max_length=LONGEST_NAME)
    scopes: list[Scope] = Field(default_factory=lambda: list(USUAL), min_length=1, max_length=8)
    expires_in_days: int | None = Field(
        default=None, ge=1, le=MOST_DAYS, description="As is usual here if left out."
    )


class Rotation(BaseModel):
    """How long the old key still opens, so that nothing stops while you change it everywhere."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"overlap_s": 3600}]})

    overlap_s: int = Field(default=0, ge=0, le=MOST_OVERLAP_S)


class Exchange(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "laptop"}]})

    name: str = Field(default="Hugging Face", min_length=1, max_length=LONGEST_NAME)
    expires_in_days: int | None = Field(default=None, ge=1, le=MOST_DAYS)


class Key(BaseModel):
    """What is told of a key once it was shown."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    id: UUID
    object: str = "key"
    name: str
    prefix: str = Field(description="The key's first letters, to know it by.")
    scopes: list[str]
    guild_id: str | None = Field(description="The server whose rules and plan it has.")
    plan: str | None
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")


class NewKey(Key):
    """With the key itself. It is shown this once."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [EXAMPLE | {"key": "pk_live_Ab3d..."}]}
    )

    key: str


class KeyList(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"object": "list", "data": [EXAMPLE]}]}
    )

    object: str = "list"
    data: list[Key]


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1/keys", tags=["Keys"], responses=refusals())
    chain = services.keychain

    @router.post("", status_code=201, responses=refusals(409, 422))
    async def create_key(who: KeyHolder, wanted: KeyWanted, response: Response) -> NewKey:
        """Make a key. It is shown this once."""
        terms = Wanted(wanted.name, tuple(wanted.scopes), wanted.expires_in_days)
        made = await chain.make(who.account_id, terms, who.standing)
        response.headers["Location"] = f"/v1/keys/{made.key.id}"
        return new_key(made)

    @router.get("")
    async def list_keys(who: KeyHolder) -> KeyList:
        """List your keys that are good, the newest first."""
        return KeyList(data=[key(one) for one in await chain.keys(who.account_id)])

    @router.post("/exchange", status_code=201, responses=refusals(409, 422, 503))
    async def exchange_token(who: KeyHolder, wanted: Exchange | None = None) -> NewKey:
        """Exchange a Hugging Face token, sent as bearer, for a key of this farm."""
        if services.huggingface is None or not services.huggingface.is_guest(who.holder):
            sentence = "Send a Hugging Face token of type Read as bearer; a key needs no exchange."
            raise Refusal("no_token", sentence, field="Authorization")
        wanted = wanted or Exchange()
        terms = Wanted(wanted.name, days=wanted.expires_in_days)
        return new_key(await chain.make(who.account_id, terms, who.standing))

    @router.get("/{id}", responses=refusals(404, 422))
    async def get_key(who: KeyHolder, id: UUID) -> Key:
        """Tell of one of your keys."""
        return key(await chain.key(who.account_id, id))

    @router.post("/{id}/rotate", responses=refusals(404, 422))
    async def rotate_key(who: KeyHolder, id: UUID, rotation: Rotation | None = None) -> NewKey:
        """Put another key in the place of this one. It is shown this once."""
        overlap_s = rotation.overlap_s if rotation else 0
        turned = await chain.rotate(who.account_id, id, who.standing, overlap_s=overlap_s)
        return new_key(turned)

    @router.delete("/{id}", status_code=204, responses=refusals(404, 422))
    async def revoke_key(who: KeyHolder, id: UUID) -> None:
        """Revoke a key. It opens nothing from then on."""
        await chain.revoke(who.account_id, id)

    return router


def key(one: ApiKey) -> Key:
    return Key(**_told(one))


def new_key(made: Made) -> NewKey:
    return NewKey(**_told(made.key), key=made.secret)


def _told(one: ApiKey) -> dict[str, Any]:
    same = ("id", "name", "prefix", "guild_id", "created_at", "expires_at", "last_used_at")
    told = {name: getattr(one, name) for name in same}
    return told | {"scopes": list(one.scopes), "plan": one.plan or None}
