"""What people do with their webhooks: name an address, change it, read what it was told, have it told again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from shared import hookdeliveries, hookrows
from shared.connections import Database, Session
from shared.errors import Fault, Refusal
from shared.hookdeliveries import Delivery
from shared.hookrows import MOST, Webhook
from shared.hooks import Signer, chosen, secret_of
from shared.safefetch import check

OFF_BY_OWNER = "Its owner switched it off."
ENDED = "The webhook was ended."
WORDS = (
    "A webhook's address begins with https://, names a host that everybody can reach, and no port but 443. "
    "The operator can allow others (PICTOR_API__HOOK_ORIGINS)."
)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Which addresses may be told. `origins` are those that may be private or plain http."""

    origins: Collection[str] = ()

    async def check(self, url: str, *, field: str = "url") -> None:
        """Refusal `bad_webhook`, `webhook_unreachable`. Checked once more at each send."""
        try:
            await check(url, allowed=self.origins)
        except Refusal as refusal:
            if refusal.code == "link_failed":
                sentence = "The host of this address is not known anywhere. Is it spelled right?"
                raise Refusal("webhook_unreachable", sentence, field=field) from refusal
            raise Refusal("bad_webhook", WORDS, field=field) from refusal


class HookDesk:
    """Everybody keeps their own; another's is not found. `pepper` is what secrets are derived from."""

    def __init__(
        self, database: Database, addresses: Addresses, pepper: SecretStr | None = None
    ) -> None:
        self._database = database
        self._addresses = addresses
        self._pepper = pepper

    # --- addresses -------------------------------------------------------------------------------

    async def create(
        self, account_id: UUID, url: str, words: Sequence[str] = ()
    ) -> tuple[Webhook, str]:
        """And its secret, which is shown now. Refusal `too_many_webhooks`, and those of its parts."""
        pepper, events = self._salted(), chosen(words)
        await self._addresses.check(url)
        async with self._database.begin() as session:
            made = await hookrows.add(session, account_id, url, events)
        if made is None:
            sentence = f"These would be more than {MOST} webhooks. End one that is not used."
            raise Refusal("too_many_webhooks", sentence)
        return made, secret_of(made.id, made.generation, pepper)

    async def webhooks(self, account_id: UUID) -> list[Webhook]:
        async with self._database.read() as session:
            return await hookrows.of_account(session, account_id)

    async def of_job(self, account_id: UUID, job_id: UUID) -> list[Webhook]:
        """Those that this job was given; none where it is somebody else's."""
        async with self._database.read() as session:
            return await hookrows.of_job(session, account_id, job_id)

    async def webhook(self, account_id: UUID, hook_id: UUID) -> Webhook:
        """Refusal `unknown_webhook`, as of everything that names one."""
        async with self._database.read() as session:
            return _found(await hookrows.one(session, account_id, hook_id))

    async def change(
        self,
        account_id: UUID,
        hook_id: UUID,
        *,
        url: str | None = None,
        words: Sequence[str] | None = None,
        enabled: bool | None = None,
    ) -> Webhook:
        """What is None stays. What happens while it is off is told to nobody."""
        values: dict[str, Any] = {} if words is None else {"events": list(chosen(words))}
        if url is not None:
            await self._addresses.check(url)
            values["url"] = url
        async with self._database.begin() as session:
            await self._own(session, account_id, hook_id)
            if values:
                await hookrows.change(session, account_id, hook_id, values)
            if enabled is False and await hookrows.switch_off(session, hook_id, OFF_BY_OWNER):
                await hookdeliveries.give_up_all(session, hook_id, OFF_BY_OWNER)
            if enabled:
                await hookrows.switch_on(session, account_id, hook_id)
            return await self._own(session, account_id, hook_id)

    async def end(self, account_id: UUID, hook_id: UUID) -> None:
        async with self._database.begin() as session:
            if not await hookrows.end(session, account_id, hook_id):
                raise _unknown()
            await hookdeliveries.give_up_all(session, hook_id, ENDED)

    # --- secrets ---------------------------------------------------------------------------------

    async def rotate(self, account_id: UUID, hook_id: UUID) -> tuple[Webhook, str]:
        """The new secret; the old one signs beside it for a day. Refusal `signed_by_account` for the
        webhook of a single job."""
        pepper = self._salted()
        async with self._database.begin() as session:
            if (await self._own(session, account_id, hook_id)).job_id is not None:
                sentence = "Webhooks of single jobs share one secret. Rotate that one."
                raise Refusal("signed_by_account", sentence)
            turned = _found(await hookrows.rotate(session, account_id, hook_id))
        return turned, secret_of(turned.id, turned.generation, pepper)

    async def job_secret(self, account_id: UUID) -> tuple[Signer, str]:
        """Of the webhooks that this account's jobs name."""
        pepper = self._salted()
        async with self._database.read() as session:
            signer = await hookrows.job_signer(session, account_id)
        return signer, secret_of(signer.owner, signer.generation, pepper)

    async def rotate_job_secret(self, account_id: UUID) -> tuple[Signer, str]:
        pepper = self._salted()
        async with self._database.begin() as session:
            signer = await hookrows.rotate_job_signer(session, account_id)
        return signer, secret_of(signer.owner, signer.generation, pepper)

    # --- what was told ---------------------------------------------------------------------------

    async def ping(self, account_id: UUID, hook_id: UUID) -> Delivery:
        """Tells the address something that means nothing, even when it is switched off."""
        async with self._database.begin() as session:
            await self._own(session, account_id, hook_id)
            return await hookdeliveries.add_ping(session, hook_id)

    async def deliveries(
        self,
        account_id: UUID,
        hook_id: UUID,
        *,
        state: str | None = None,
        before: int | None = None,
        limit: int = 20,
    ) -> list[Delivery]:
        """The newest first; `before` is the id of the last one seen."""
        async with self._database.read() as session:
            await self._own(session, account_id, hook_id)
            return await hookdeliveries.log(
                session, hook_id, state=state, before=before, limit=limit
            )

    async def redeliver(self, account_id: UUID, hook_id: UUID, delivery_id: int) -> Delivery:
        """Under the same id, so that the receiver knows it again. Refusal `unknown_delivery`."""
        async with self._database.begin() as session:
            await self._own(session, account_id, hook_id)
            again = await hookdeliveries.again(session, hook_id, delivery_id)
        if again is None:
            raise Refusal(
                "unknown_delivery", "This webhook has no such delivery.", field="delivery"
            )
        return again

    async def _own(self, session: Session, account_id: UUID, hook_id: UUID) -> Webhook:
        return _found(await hookrows.one(session, account_id, hook_id))

    def _salted(self) -> SecretStr:
        if self._pepper is None:
            raise Fault("no_pepper", "Webhooks need PICTOR_API__PEPPER, which the operator sets.")
        return self._pepper


def _found(webhook: Webhook | None) -> Webhook:
    if webhook is None:
        raise _unknown()
    return webhook


def _unknown() -> Refusal:
    return Refusal("unknown_webhook", "There is no such webhook of yours.", field="webhook")
