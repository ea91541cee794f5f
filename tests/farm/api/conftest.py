"""The API in this process, over the real desk, Postgres and Redis; and people with keys."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from farm.api.services import Services, opened
from shared import accounts, apikeys, keyrows
from shared.apikeys import USUAL
from shared.config import ApiSettings, Settings
from shared.moderation import terms
from tests.farm.api.standin import Apps

PEPPER = SecretStr("of these tests alone, thirty-two bytes and more")

NewKey = Callable[..., Awaitable[str]]
Open = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"api": ApiSettings(pepper=PEPPER)})


@pytest.fixture
async def services(settings: Settings) -> AsyncIterator[Services]:
    async with opened(settings) as made:
        yield made


@pytest.fixture(scope="session")
def apps() -> Apps:
    return Apps()


@pytest.fixture
def app(services: Services, apps: Apps) -> FastAPI:
    """It answers other tests too: who changes it, builds one of their own."""
    return apps.of(services)


@pytest.fixture
def new_key(services: Services) -> NewKey:
    """`await new_key("1001")` is a key of that person, who is made on first sight."""

    async def make(
        discord_id: str = "1001", *, scopes: tuple[str, ...] = USUAL, **more: Any
    ) -> str:
        minted = apikeys.mint(PEPPER)
        ends = datetime.now(UTC) + timedelta(days=1)
        async with services.database.begin() as session:
            account = await accounts.ensure(
                session,
                discord_id,
                f"Person {discord_id}",
                plan=services.plans.first,
                book=services.plans,
            )
            told: dict[str, Any] = {"name": "test", "expires_at": ends, "scopes": scopes} | more
            await keyrows.add(session, account.id, minted, **told)
        return minted.secret

    return make


@pytest.fixture
async def client_of(app: FastAPI) -> AsyncIterator[Open]:
    """`await client_of(key)`; None is a stranger. Errors of ours come as answers, as they do over a socket."""
    async with AsyncExitStack() as stack:

        async def make(key: str | None) -> httpx.AsyncClient:
            headers = {"Authorization": f"Bearer {key}"} if key else {}
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            made = httpx.AsyncClient(transport=transport, base_url="http://api", headers=headers)
            return await stack.enter_async_context(made)

        yield make


@pytest.fixture
async def client(client_of: Open, new_key: NewKey) -> httpx.AsyncClient:
    """A person's own, with every usual scope."""
    return await client_of(await new_key())


@pytest.fixture
async def stranger(client_of: Open) -> httpx.AsyncClient:
    return await client_of(None)


@pytest.fixture
async def forbidden(services: Services) -> str:
    """Plain words that a moderator's list blocks everywhere."""
    words, told = "velvet hedgehog", {"category": "gore", "strength": "explicit", "actor": "test"}
    async with services.database.begin() as session:
        await terms.add(session, words, guild_id=None, **told)
    return words
