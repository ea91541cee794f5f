"""House rules: pauses, and words that are stopped."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from farm.api.principals import Staff
from farm.api.problems import refusals
from farm.api.services import Services
from farm.api.v1.fields import Line, Words
from shared.moderation.pauses import Pause as Held
from shared.oversight.house import House

Scope = Literal["server", "everywhere", "safety"]


class Pause(BaseModel):
    scope: str = Field(examples=["guild:1042"])
    reason: str = Field(examples=["Back at six."])
    actor: str = Field(examples=["discord:9"])
    at: datetime


class PauseList(BaseModel):
    object: Literal["list"] = "list"
    data: list[Pause]
    changed: bool = Field(description="Whether this request changed it.")


class PauseWish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Annotated[Words, Field(min_length=1, max_length=200)] = Field(
        examples=["Back at six."], description="People will read this."
    )


class Term(BaseModel):
    model_config = ConfigDict(extra="forbid")

    term: Line = Field(examples=["a word"])
    category: Line = Field(examples=["hate"])
    strength: Literal["explicit", "strong", "weak"] = Field(default="strong")


class BlockedTerm(Term):
    guild_id: str | None = Field(examples=["1042"], description="null: everywhere.")
    actor: str = Field(examples=["discord:9"])
    at: datetime


class TermList(BaseModel):
    object: Literal["list"] = "list"
    data: list[BlockedTerm]


class Spelt(BaseModel):
    """As the screen spells it: however it is disguised, it is this."""

    object: Literal["term"] = "term"
    term: str = Field(examples=["a word"])


class TermWish(BaseModel):
    model_config = ConfigDict(extra="forbid")

    term: Line = Field(examples=["a word"])


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1/moderation", tags=["Moderation"], responses=refusals(404, 409))
    house = services.oversight.house

    @router.get("/pauses", summary="What is paused")
    async def list_pauses(who: Staff) -> PauseList:
        return await _pauses(house, who.moderator, changed=False)

    @router.put("/pauses/{scope}", summary="Take no new prompts; what is in line stays there")
    async def pause(who: Staff, scope: Scope, wish: PauseWish) -> PauseList:
        changed = await house.pause(who.moderator, wish.reason, scope=_scope(scope))
        return await _pauses(house, who.moderator, changed=changed)

    @router.delete("/pauses/{scope}", summary="Take new prompts again")
    async def resume(who: Staff, scope: Scope) -> PauseList:
        changed = await house.resume(who.moderator, scope=_scope(scope))
        return await _pauses(house, who.moderator, changed=changed)

    @router.get("/terms", summary="Words that are stopped here")
    async def list_terms(who: Staff) -> TermList:
        found = await house.terms(who.moderator)
        names = BlockedTerm.model_fields
        told = [BlockedTerm(**{name: getattr(one, name) for name in names}) for one in found]
        return TermList(data=told)

    @router.post("/terms", summary="Stop a word or a phrase", status_code=201)
    async def block_term(who: Staff, wish: Term) -> Spelt:
        spelt = await house.block_term(
            who.moderator, wish.term, wish.category, strength=wish.strength
        )
        return Spelt(term=spelt)

    @router.post("/terms/remove", summary="Let a word through again")
    async def unblock_term(who: Staff, wish: TermWish) -> Spelt:
        """The word comes in the body: an address is logged by whatever stands in between."""
        return Spelt(term=await house.unblock_term(who.moderator, wish.term))

    return router


def _scope(scope: Scope) -> str | None:
    return None if scope == "server" else scope


async def _pauses(house: House, mod: Any, *, changed: bool) -> PauseList:
    return PauseList(data=[_pause(one) for one in await house.pauses(mod)], changed=changed)


def _pause(one: Held) -> Pause:
    return Pause(scope=one.scope, reason=one.reason, actor=one.actor, at=one.at)
