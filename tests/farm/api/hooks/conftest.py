"""A stack whose webhooks lead to a receiver of the test's own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import pytest

from farm.api.hooks import sender
from farm.api.services import Services
from shared import accounts, hookrows
from shared.accounts import Account
from shared.config import Settings
from shared.connections import Database
from shared.hooks import HookEvent, Patience, secret_of
from shared.jobs import JobState
from tests.farm.api.conftest import PEPPER
from tests.farm.api.receiver import Receiver
from tests.shared.rows import BOOK, bring_to, make_job

QUICK = Patience(24, first_s=0.02, longest_s=0.1)
Drawn = Callable[..., Awaitable[UUID]]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    await made.start()
    yield made
    with suppress(ConnectionError):
        await made.die()


@pytest.fixture
def settings(settings: Settings, receiver: Receiver) -> Settings:
    origins = (f"http://127.0.0.1:{receiver.port}",)
    api = settings.api.model_copy(update={"hook_origins": origins})
    return settings.model_copy(update={"api": api})


@pytest.fixture
async def account(database: Database) -> Account:
    async with database.begin() as session:
        told: dict[str, Any] = {"plan": "free", "book": BOOK}
        return await accounts.ensure(session, "1001", "Person 1001", **told)


@pytest.fixture
async def sending(services: Services, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """A sender that tries again soon."""
    monkeypatch.setattr(sender, "IDLE_S", 0.02)
    monkeypatch.setattr(sender, "Patience", lambda _: QUICK)
    async with sender.sending(services):
        yield


@pytest.fixture
async def hook(database: Database, account: Account, receiver: Receiver) -> hookrows.Webhook:
    """Of everything that happens to the account's jobs."""
    async with database.begin() as session:
        made = await hookrows.add(session, account.id, receiver.url, tuple(HookEvent))
    assert made is not None
    return made


@pytest.fixture
def drawn(database: Database, account: Account) -> Drawn:
    async def draw(state: JobState = JobState.SUCCEEDED, **fields: Any) -> UUID:
        async with database.begin() as session:
            job = await make_job(session, account, **fields)
            await bring_to(session, job, state)
        return job.id

    return draw


def secret(webhook: hookrows.Webhook, generation: int = 0) -> str:
    return secret_of(webhook.id, generation, PEPPER)
