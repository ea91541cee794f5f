"""The text service over the API: what it writes is screened before it is told, and its absence is plain."""

import json
from collections.abc import AsyncIterator
from io import BytesIO

import httpx
import pytest
from PIL import Image

from shared.config import Settings
from tests.farm.api.conftest import NewKey, Open
from tests.shared.test_scribe import UNSAFE
from tests.textservice import Reply, TextService, listed, text_service

TALE = "A boat comes in. Nobody waits for it! The sea is calm, and the night is long."


@pytest.fixture
async def service() -> AsyncIterator[TextService]:
    async with text_service() as running:
        yield running


@pytest.fixture
def settings(settings: Settings, service: TextService) -> Settings:
    return settings.model_copy(update={"text": service.settings(model="gemma")})


def events(answer: httpx.Response) -> list[dict[str, str]]:
    lines = [line for line in answer.text.splitlines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


async def generated(client: httpx.AsyncClient, **body: object) -> httpx.Response:
    return await client.post("/v1/text/generate", json={"prompt": "Tell me of boats.", **body})


async def test_text_comes_sentence_by_sentence(
    client: httpx.AsyncClient, service: TextService
) -> None:
    service.will_say(TALE)
    answer = await generated(client)
    assert answer.headers["content-type"].startswith("text/event-stream")
    told = events(answer)
    assert [one["type"] for one in told] == ["text", "text", "text", "done"]
    assert told[0]["text"] == "A boat comes in. "
    assert "".join(one.get("text", "") for one in told) == TALE


async def test_text_may_come_in_one_piece(client: httpx.AsyncClient, service: TextService) -> None:
    service.will_say(f"<think>Which boat?\nAny.</think>\n{TALE}")
    told = (await generated(client, stream=False)).json()
    assert told == {"object": "text", "text": TALE}


async def test_what_does_not_pass_the_screen_is_never_told(
    client: httpx.AsyncClient, service: TextService
) -> None:
    service.will_say(f"A boat comes in. A {UNSAFE} is on it. It leaves.")
    told = events(await generated(client))
    assert [one["type"] for one in told] == ["text", "error"]
    assert told[-1]["code"] == "text_withheld"


async def test_a_sentence_is_screened_with_what_went_before_it(
    client: httpx.AsyncClient, service: TextService
) -> None:
    """Either may be told alone; the second after the first may not."""
    first, second = "She is nine years old. ", "She wears lingerie. "
    for harmless in (first, second):
        service.will_say(harmless)
        assert [one["type"] for one in events(await generated(client))] == ["text", "done"]
    service.will_say(first + second)
    told = events(await generated(client))
    assert [one["type"] for one in told] == ["text", "error"]
    assert (told[0]["text"], told[1]["code"]) == (first, "text_withheld")


async def test_what_is_asked_is_screened_before_it_is_worked_on(
    client: httpx.AsyncClient, service: TextService
) -> None:
    answer = await generated(client, prompt=UNSAFE)
    assert (answer.status_code, answer.json()["code"]) == (422, "prompt_blocked")
    assert service.asked == []


async def test_a_line_that_breaks_is_told_in_the_stream(
    client: httpx.AsyncClient, service: TextService
) -> None:
    service.will(Reply(TALE * 3, breaks=True))
    told = events(await generated(client))
    assert (told[0]["type"], told[-1]["code"]) == ("text", "text_service_away")
    service.will_say(TALE)
    assert events(await generated(client))[-1]["type"] == "done"


async def test_a_service_that_is_away_refuses_before_it_begins(
    client: httpx.AsyncClient, service: TextService
) -> None:
    service.will(Reply(status=500))
    answer = await generated(client)
    assert (answer.status_code, answer.json()["retryable"]) == (503, True)


async def test_prompts_are_written_out_and_shortened(
    client: httpx.AsyncClient, service: TextService
) -> None:
    service.will_say(json.dumps({"prompt": "a red boat in golden light"}))
    longer = await client.post("/v1/text/expand", json={"prompt": "a red boat --ar 3:2"})
    assert longer.json()["prompts"] == ["a red boat in golden light --ar 3:2"]
    service.will_say(listed("red boat", "boat", important=["boat"], unimportant=["very"]))
    told = (await client.post("/v1/text/shorten", json={"prompt": "a very red boat"})).json()
    assert told["prompts"] == ["red boat", "boat"]
    assert {one["word"]: one["weight"] for one in told["words"]}["very"] == -1
    several = await client.post("/v1/text/expand", json={"prompt": "a {red, blue} boat"})
    assert several.json()["code"] == "enhance_one"


async def test_a_picture_is_described_in_its_shape(
    client: httpx.AsyncClient, service: TextService
) -> None:
    out = BytesIO()
    Image.new("RGB", (96, 64), "red").save(out, "PNG")
    service.will_say(listed("a red field"))
    answer = await client.post("/v1/text/describe", files={"picture": out.getvalue()})
    assert answer.json()["prompts"] == ["a red field --ar 3:2"]
    empty = await client.post("/v1/text/describe", data={"link": ""})
    assert (empty.status_code, empty.json()["code"]) == (422, "no_picture_given")
    inside = await client.post("/v1/text/describe", data={"link": "http://127.0.0.1/x.png"})
    assert (inside.status_code, inside.json()["code"]) == (422, "bad_link")


async def test_health_says_what_the_service_has(
    client: httpx.AsyncClient, service: TextService
) -> None:
    told = (await client.get("/v1/text")).json()
    assert (told["connected"], told["healthy"], told["models"]) == (True, True, ["gemma"])


NO_CONVERSATIONS = [
    {},
    {"prompt": "a", "messages": [{"role": "user", "content": "a"}]},
    {"messages": []},
    {"messages": [{"role": "tool", "content": "a"}]},
    {"prompt": "a", "max_tokens": 10**9},
    {"prompt": ""},
    {"prompt": "a\0"},
]


async def test_what_is_no_conversation_is_refused(
    client: httpx.AsyncClient,
) -> None:
    for body in NO_CONVERSATIONS:
        answer = await client.post("/v1/text/generate", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_a_key_without_the_scope_asks_nothing(
    client_of: Open, new_key: NewKey, service: TextService
) -> None:
    reader = await client_of(await new_key(scopes=("read",)))
    assert (await generated(reader)).status_code == 403
    assert service.asked == []


class TestNone:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"text": Settings.model_fields["text"].default})

    async def test_without_a_service_it_says_so(self, client: httpx.AsyncClient) -> None:
        told = (await client.get("/v1/text")).json()
        assert (told["connected"], told["healthy"]) == (False, False)
        assert "no text service" in told["detail"]
        for path in ("generate", "expand", "shorten"):
            answer = await client.post(f"/v1/text/{path}", json={"prompt": "a boat"})
            assert (answer.status_code, answer.json()["code"]) == (404, "no_text_service"), path
