"""Tasks of words in the proxy's dialect, with a text service at the edge."""

import base64
from collections.abc import AsyncIterator

import httpx
import pytest

from shared.config import Settings
from tests.farm.api.conftest import NewKey
from tests.farm.api.mjclients import ChatWeb, Unanswered
from tests.shared.hosting import picture
from tests.shared.test_scribe import UNSAFE
from tests.textservice import Reply, TextService, listed, text_service

LONG = "a very very large and rather old sailing boat that is red, on the sea"
SHORTER = ("a large old red boat", "a red boat")


@pytest.fixture
async def service() -> AsyncIterator[TextService]:
    async with text_service() as running:
        yield running


@pytest.fixture
def settings(settings: Settings, service: TextService) -> Settings:
    return settings.model_copy(update={"text": service.settings()})


@pytest.fixture
async def web(stranger: httpx.AsyncClient, new_key: NewKey) -> ChatWeb:
    return ChatWeb(stranger, await new_key())


async def test_chat_web_shortens_a_prompt_and_draws_a_shorter_one(
    web: ChatWeb, service: TextService
) -> None:
    service.will_say(listed(*SHORTER))
    await web.shorten(f"{LONG} --ar 3:2 --seed 7")
    told = await web.look()
    assert (told["action"], told["status"], told["progress"]) == ("SHORTEN", "SUCCESS", "100%")
    shown = "1️⃣ a large old red boat --ar 3:2 --seed 7\n\n2️⃣ a red boat --ar 3:2 --seed 7"
    assert told["properties"]["finalZhPrompt"] == told["properties"]["finalPrompt"] == shown
    assert told["prompt"].startswith("a very very large")
    assert web.shown == ["PromptAnalyzer::1", "PromptAnalyzer::2"]
    await web.press("PromptAnalyzer::2")
    assert (await web.look())["prompt"] == "a red boat --ar 3:2 --seed 7"


async def test_what_a_text_service_failed_at_is_a_failure_with_a_reason(
    web: ChatWeb, service: TextService
) -> None:
    service.will(Reply(status=500))
    await web.shorten(LONG)
    told = await web.look()
    assert (told["status"], told["progress"]) == ("FAILURE", "")
    assert "does not answer" in told["failReason"]


async def test_words_that_could_not_be_drawn_are_not_worked_on(
    web: ChatWeb, service: TextService
) -> None:
    with pytest.raises(Unanswered, match="cannot be drawn"):
        await web.shorten(UNSAFE)
    assert await web.fetch("/mj/task/list") == service.asked == []


async def test_chat_web_describes_a_picture_and_draws_what_it_reads(
    web: ChatWeb, service: TextService
) -> None:
    service.will_say(listed("a teal field", "a green wall", "the sea", "a flag"))
    await web.describe(f"data:image/png;base64,{base64.b64encode(picture()).decode()}")
    told = await web.look()
    assert (told["action"], told["status"]) == ("DESCRIBE", "SUCCESS")
    assert told["promptEn"].startswith("1️⃣ a teal field --ar 4:3\n\n2️⃣ a green wall")
    assert web.shown == [f"Job::PicReader::{n}" for n in range(1, 5)]
    await web.press("Job::PicReader::3")
    assert (await web.look())["prompt"] == "the sea --ar 4:3"


async def test_what_is_no_picture_is_not_described(web: ChatWeb, service: TextService) -> None:
    await web.describe(base64.b64encode(b"hello").decode())
    assert "no whole PNG" in (await web.look())["failReason"]
    assert service.asked == []
