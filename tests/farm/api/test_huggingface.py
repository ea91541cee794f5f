"""Sign-in with Hugging Face: people with tokens that only read; asked seldom, kept nowhere."""

import logging
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from farm.api.services import Services
from shared.config import ApiSettings, Settings
from tests.farm.api.conftest import PEPPER, Open
from tests.farm.api.hub import Hub, hub, person

ADA, BO, MAKER, GROUP = (f"hf_{name * 6}" for name in ("adaa", "bobo", "make", "team"))


@pytest.fixture
def hf() -> Iterator[Hub]:
    with hub() as running:
        running.people = {
            ADA: person("ada"),
            BO: person("bo"),
            MAKER: person("maker", role="write"),
            GROUP: person("team", kind="org"),
        }
        yield running


@pytest.fixture
def settings(settings: Settings, hf: Hub) -> Settings:
    api = ApiSettings(pepper=PEPPER, huggingface_url=hf.url, address_requests_per_minute=5)
    return settings.model_copy(update={"api": api})


async def code(client_of: Open, token: str) -> tuple[int, str]:
    answer = await (await client_of(token)).get("/v1/me")
    return answer.status_code, answer.json().get("code", "")


async def test_a_token_is_asked_about_once_and_exchanged_for_a_key(
    hf: Hub, client_of: Open, caplog: pytest.LogCaptureFixture, services: Services, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    client = await client_of(ADA)
    for _ in range(3):
        told = (await client.get("/v1/me")).json()
    assert (told["discord_id"], told["name"]) == ("hf:5f0cada", "ada")
    assert hf.asked == [ADA]
    made = (await client.post("/v1/keys/exchange", json={"expires_in_days": 2})).json()
    assert made["key"].startswith("pk_live_")
    mine = await client_of(made["key"])
    assert (await mine.get("/v1/me")).json()["id"] == told["id"]
    hf.status = 503  # a key of ours needs nobody
    assert (await mine.get("/v1/me")).status_code == 200
    no_token = await mine.post("/v1/keys/exchange")
    assert (no_token.status_code, no_token.json()["code"]) == (422, "no_token")
    assert ADA not in caplog.text
    kept = [await services.redis.get(name) for name in await services.redis.keys("*hf:*")]
    assert kept
    assert ADA.encode() not in b"".join(kept)


@pytest.mark.parametrize(
    ("token", "status", "refused"),
    [
        (MAKER, 403, "token_too_strong"),
        (GROUP, 403, "not_a_person"),
        ("hf_" + "n" * 20, 401, "bad_key"),
        ("hf_not-a-token", 401, "bad_key"),
    ],
)
async def test_who_may_not_come_in_is_told_why_and_asked_about_once(
    hf: Hub, client_of: Open, token: str, status: int, refused: str
) -> None:
    for _ in range(2):
        assert await code(client_of, token) == (status, refused)
    assert len(hf.asked) <= 1


async def test_while_it_is_away_who_is_known_stays_and_nobody_new_comes(
    hf: Hub, client_of: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm.api.huggingface.FRESH_S", 0)
    assert await code(client_of, ADA) == (200, "")
    hf.status = 500
    for _ in range(2):
        assert await code(client_of, ADA) == (200, "")
    assert await code(client_of, BO) == (503, "signin_away")
    assert hf.asked.count(ADA) == 2  # not again with each request
    hf.status = None
    assert await code(client_of, BO) == (200, "")


async def test_a_token_that_was_revoked_is_known_no_longer_than_five_minutes(
    hf: Hub, client_of: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm.api.huggingface.FRESH_S", 0)
    assert await code(client_of, ADA) == (200, "")
    del hf.people[ADA]
    assert await code(client_of, ADA) == (401, "bad_key")


async def test_an_answer_that_does_not_come_is_not_waited_for(
    hf: Hub, client_of: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farm.api.huggingface.WITHIN_S", 0.1)
    hf.slow_s = 0.4
    assert await code(client_of, ADA) == (503, "signin_away")


async def test_who_tries_tokens_is_stopped_before_anybody_is_asked(
    hf: Hub, client_of: Open
) -> None:
    told = [await code(client_of, f"hf_guess{number:020}") for number in range(8)]
    assert told[-1] == (429, "too_many_requests")
    assert len(hf.asked) <= 5


async def test_without_the_setting_a_token_is_no_key(client_of: Open, services: Services) -> None:
    object.__setattr__(services, "huggingface", None)
    assert await code(client_of, ADA) == (401, "bad_key")
    assert isinstance(await client_of(None), httpx.AsyncClient)
