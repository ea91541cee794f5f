"""Webhooks: addresses that are told what happens to your jobs, and what they were told."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from farm.api.principals import HookKeeper
from farm.api.problems import refusals
from farm.api.services import Services
from farm.api.v1.watching import EVENTS, Address, Word
from shared import hookdeliveries, hookrows
from shared.hooks import HookEvent, Signer, message_id, number_of

DeliveryId = Annotated[
    str, Path(pattern=r"^msg_[1-9][0-9]{0,17}$", examples=["msg_17"], description="As it was sent.")
]
Cursor = Annotated[
    str | None,
    Query(pattern=r"^msg_[1-9][0-9]{0,17}$", description="The `next_cursor` of the page before."),
]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewWebhook(Strict):
    url: Address = Field(examples=["https://example.com/pictor"], description="https, port 443.")
    events: list[Word] = Field(
        default=[], max_length=20, examples=[["completed"]], description=EVENTS
    )


class WebhookChanges(Strict):
    """What is left out stays."""

    url: Address | None = Field(default=None, examples=["https://example.com/pictor"])
    events: list[Word] | None = Field(default=None, max_length=20, examples=[["job.succeeded"]])
    enabled: bool | None = Field(default=None, examples=[True])


class Webhook(BaseModel):
    """`enabled` is false when you switched it off, or when it took nothing for days: `off_because` says why."""

    id: UUID
    object: Literal["webhook"] = "webhook"
    url: str = Field(examples=["https://example.com/pictor"])
    events: list[HookEvent] = Field(examples=[["job.succeeded", "job.failed"]])
    job: UUID | None = Field(default=None, description="Told of this one job alone.")
    enabled: bool = Field(examples=[True])
    off_because: str | None = Field(default=None, examples=[None])
    failing_since: datetime | None = Field(
        default=None, examples=[None], description="Nothing has been taken since."
    )
    created_at: datetime


class NewSecret(Webhook):
    """Shown now and never again: it verifies the signatures (Standard Webhooks)."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


class JobSecret(BaseModel):
    """What signs for the webhooks that single jobs name (`webhook` of a job)."""

    object: Literal["webhook_secret"] = "webhook_secret"
    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])
    rotated_at: datetime | None = Field(examples=[None])


class Webhooks(BaseModel):
    object: Literal["list"] = "list"
    data: list[Webhook]


class Delivery(BaseModel):
    """`id` is what the receiver sees as `webhook-id`, at each try the same."""

    id: str = Field(examples=["msg_17"])
    object: Literal["webhook_delivery"] = "webhook_delivery"
    event: str = Field(examples=["job.succeeded"])
    job: UUID | None = Field(description="None of a ping.")
    state: Literal["open", "delivered", "given_up"] = Field(examples=["delivered"])
    tries: int = Field(examples=[1])
    status: int | None = Field(examples=[204], description="The receiver's last answer.")
    error: str | None = Field(examples=[None], description="Why the last try failed.")
    happened_at: datetime
    next_try_at: datetime | None = Field(description="While it is open.")
    ended_at: datetime | None


class Deliveries(BaseModel):
    """The newest first. They are kept for 30 days."""

    object: Literal["list"] = "list"
    data: list[Delivery]
    next_cursor: str | None = Field(default=None, examples=["msg_12"])


def routes(services: Services) -> APIRouter:
    router = APIRouter(prefix="/v1/webhooks", tags=["Webhooks"], responses=refusals(404, 409))
    _add_addresses(router, services)
    _add_job_secret(router, services)
    _add_one(router, services)
    _add_log(router, services)
    return router


def _add_addresses(router: APIRouter, services: Services) -> None:
    desk = services.hooks

    @router.post("", status_code=201, summary="Name an address; its secret is shown once")
    async def create_webhook(who: HookKeeper, wanted: NewWebhook) -> NewSecret:
        made, secret = await desk.create(who.holder.key.account_id, wanted.url, wanted.events)
        return _with_secret(made, secret)

    @router.get("", summary="Your webhooks, or those that one of your jobs was given")
    async def list_webhooks(who: HookKeeper, job: UUID | None = None) -> Webhooks:
        mine = who.holder.key.account_id
        found = await (desk.of_job(mine, job) if job else desk.webhooks(mine))
        return Webhooks(data=[_webhook(one) for one in found])


def _add_job_secret(router: APIRouter, services: Services) -> None:
    """Before the routes of one webhook: `secret` is no webhook's id."""

    @router.get("/secret", summary="The secret that signs for the webhooks of single jobs")
    async def get_job_secret(who: HookKeeper) -> JobSecret:
        return _job_secret(*await services.hooks.job_secret(who.holder.key.account_id))

    @router.post("/secret/rotate", summary="Another such secret; the old one signs for a day more")
    async def rotate_job_secret(who: HookKeeper) -> JobSecret:
        return _job_secret(*await services.hooks.rotate_job_secret(who.holder.key.account_id))


def _add_one(router: APIRouter, services: Services) -> None:
    desk = services.hooks

    @router.get("/{webhook_id}", summary="One webhook")
    async def get_webhook(who: HookKeeper, webhook_id: UUID) -> Webhook:
        return _webhook(await desk.webhook(who.holder.key.account_id, webhook_id))

    @router.patch("/{webhook_id}", summary="Change its address or events, or switch it on or off")
    async def change_webhook(who: HookKeeper, webhook_id: UUID, changes: WebhookChanges) -> Webhook:
        changed = await desk.change(
            who.holder.key.account_id,
            webhook_id,
            url=changes.url,
            words=changes.events,
            enabled=changes.enabled,
        )
        return _webhook(changed)

    @router.delete("/{webhook_id}", status_code=204, summary="End it: it is told nothing more")
    async def end_webhook(who: HookKeeper, webhook_id: UUID) -> None:
        await desk.end(who.holder.key.account_id, webhook_id)

    @router.post("/{webhook_id}/rotate", summary="Another secret; the old one signs for a day more")
    async def rotate_webhook(who: HookKeeper, webhook_id: UUID) -> NewSecret:
        return _with_secret(*await desk.rotate(who.holder.key.account_id, webhook_id))


def _add_log(router: APIRouter, services: Services) -> None:
    desk = services.hooks

    @router.post("/{webhook_id}/ping", status_code=202, summary="Tell it something, as a test")
    async def ping_webhook(who: HookKeeper, webhook_id: UUID) -> Delivery:
        return _delivery(await desk.ping(who.holder.key.account_id, webhook_id))

    @router.get("/{webhook_id}/deliveries", summary="What it was told, and what became of that")
    async def list_deliveries(
        who: HookKeeper,
        webhook_id: UUID,
        state: Literal["open", "delivered", "given_up"] | None = None,
        cursor: Cursor = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
    ) -> Deliveries:
        found = await desk.deliveries(
            who.holder.key.account_id,
            webhook_id,
            state=state,
            before=number_of(cursor) if cursor else None,
            limit=limit + 1,
        )
        page = [_delivery(one) for one in found[:limit]]
        return Deliveries(data=page, next_cursor=page[-1].id if len(found) > limit else None)

    @router.post(
        "/{webhook_id}/deliveries/{delivery_id}/redeliver",
        status_code=202,
        summary="Tell it again, now, under the same id",
    )
    async def redeliver(who: HookKeeper, webhook_id: UUID, delivery_id: DeliveryId) -> Delivery:
        mine = who.holder.key.account_id
        return _delivery(await desk.redeliver(mine, webhook_id, number_of(delivery_id)))


def _webhook(one: hookrows.Webhook) -> Webhook:
    return Webhook.model_validate(_told(one))


def _with_secret(one: hookrows.Webhook, secret: str) -> NewSecret:
    return NewSecret.model_validate(_told(one) | {"secret": secret})


def _told(one: hookrows.Webhook) -> dict[str, object]:
    same = ("id", "url", "off_because", "failing_since", "created_at")
    told = {name: getattr(one, name) for name in same}
    return told | {"events": one.events, "job": one.job_id, "enabled": one.off_at is None}


def _job_secret(signer: Signer, secret: str) -> JobSecret:
    return JobSecret(secret=secret, rotated_at=signer.rotated_at)


def _delivery(one: hookdeliveries.Delivery) -> Delivery:
    same = ("event", "state", "tries", "status", "error", "ended_at")
    told = {name: getattr(one, name) for name in same}
    about = {"id": message_id(one.id), "job": one.job_id, "happened_at": one.at}
    next_at = one.next_at if one.state == "open" else None
    return Delivery.model_validate(told | about | {"next_try_at": next_at})
