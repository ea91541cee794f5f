"""`pictor text`: our own client, and a bare one, talk to tiny random models from folders."""

import asyncio
import base64
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from PIL import Image
from typer.testing import CliRunner

from farm.__main__ import app as command
from farm.text.app import MOST_BYTES, MOST_WAITING, create_app
from farm.text.bodies import Completion, Turn
from farm.text.speaker import Speaker, folded
from shared.config import Settings, TextSettings
from shared.errors import Fault, Refusal
from shared.safety.screen import open_screen
from shared.scribe import Message, Scribe
from tests.farm.text.tinymodels import save_reader, save_seer

KEY = "text-key"
BOAT = [Turn("user", "a red boat")]


def picture() -> bytes:
    out = BytesIO()
    Image.new("RGB", (40, 30), "red").save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reader")
    save_reader(folder)
    return folder


@pytest.fixture(scope="module")
def seer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seer")
    save_seer(folder)
    return folder


def serving(folder: Path) -> FastAPI:
    return create_app(lambda: Speaker.open(folder), name="tiny", key=KEY, within_s=20)


@asynccontextmanager
async def listening(app: FastAPI) -> AsyncIterator[str]:
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await task


@asynccontextmanager
async def asking(app: FastAPI, key: str = KEY) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://text", headers=headers
    ) as one:
        yield one


async def test_the_scribe_talks_to_it_and_shows_it_pictures(seer: Path) -> None:
    files = Settings.model_construct()
    screen = open_screen(files.blocklist_file, files.policy_file)
    async with listening(serving(seer)) as url:
        chosen = {"url": f"{url}/v1", "api_key": KEY, "model": "tiny"}
        scribe = Scribe(TextSettings.model_validate(chosen), screen)
        for asked in (Message("user", "a red boat"), Message("user", "boat", picture())):
            told = "".join([piece async for piece in scribe.generate([asked], most_tokens=12)])
            assert told.strip()
        with pytest.raises(Fault) as nonsense:  # it knows no more than thirteen words
            await scribe.shorten("a red boat on the sea")
        assert nonsense.value.code == "text_service_unclear"
        await scribe.close()


async def test_whole_and_streamed_are_the_same_words(reader: Path) -> None:
    body = {"messages": [{"role": "user", "content": "a red boat"}], "max_tokens": 8, "seed": 3}
    async with asking(serving(reader)) as client:
        assert (await client.get("/healthz")).json() == {"model": "tiny", "loaded": False}
        whole = (await client.post("/v1/chat/completions", json=body)).json()
        told = whole["choices"][0]
        assert told["message"]["role"] == "assistant"
        assert whole["usage"]["completion_tokens"] <= 8
        streamed = await client.post("/v1/chat/completions", json=body | {"stream": True})
        lines = [line.removeprefix("data: ") for line in streamed.text.split("\n\n") if line]
        assert lines[-1] == "[DONE]"
        chunks = [json.loads(line)["choices"][0] for line in lines[:-1]]
        said = "".join(chunk["delta"].get("content", "") for chunk in chunks)
        assert said == told["message"]["content"]
        assert chunks[-1]["finish_reason"] == told["finish_reason"]
        assert (await client.get("/healthz")).json()["loaded"]
        assert (await client.get("/v1/models")).json()["data"][0]["id"] == "tiny"


def seen(url: str) -> dict[str, Any]:
    part = {"type": "image_url", "image_url": {"url": url}}
    return {"messages": [{"role": "user", "content": [part]}]}


INLINE = f"data:image/png;base64,{base64.b64encode(picture()).decode()}"
WRONG = [
    pytest.param({"messages": []}, "messages", id="nothing said"),
    pytest.param({"messages": [{"role": "tool", "content": ""}]}, "role", id="role"),
    pytest.param(seen("http://169.254.169.254/x"), "not fetched", id="link"),
    pytest.param(seen("file:///etc/passwd"), "not fetched", id="file"),
    pytest.param(seen("data:image/png;base64,AAAA"), "no whole PNG", id="no picture"),
    pytest.param(seen("data:image/png;base64,!!"), "damaged", id="no base64"),
    pytest.param(seen(INLINE), "text alone", id="blind model"),
    pytest.param(
        {"messages": [{"role": "user", "content": "a " * 300}]}, "tokens", id="too many tokens"
    ),
]


@pytest.mark.parametrize(("body", "word"), WRONG)
async def test_a_wrong_question_is_refused_in_words(
    reader: Path, body: dict[str, Any], word: str
) -> None:
    async with asking(serving(reader)) as client:
        for stream in (False, True):
            asked = body | {"stream": stream, "max_tokens": 4}
            answer = await client.post("/v1/chat/completions", json=asked)
            assert answer.status_code == 400
            assert word in answer.json()["error"]["message"]


async def test_a_key_and_a_small_body_are_wanted(reader: Path) -> None:
    app = serving(reader)
    async with asking(app, key="another") as client:
        assert (await client.get("/v1/models")).status_code == 401
        assert (await client.get("/healthz")).status_code == 200
    async with asking(app) as client:
        large = {"Content-Length": str(MOST_BYTES + 1)}
        answer = await client.post("/v1/chat/completions", content=b"{}", headers=large)
        assert answer.status_code == 413

        async def endless() -> AsyncIterator[bytes]:
            yield b"{}"

        assert (await client.post("/v1/chat/completions", content=endless())).status_code == 413


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("modeling_tiny.py", "", id="code"),
        pytest.param("pytorch_model.bin", "", id="pickle"),
        pytest.param("extra.json", '{"auto_map": {"AutoModel": "x.Y"}}', id="asks for code"),
    ],
)
def test_a_folder_holds_data_alone(reader: Path, tmp_path: Path, name: str, content: str) -> None:
    for file in reader.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / name).write_text(content)
    with pytest.raises(Fault) as unsafe:
        Speaker.open(tmp_path)
    assert unsafe.value.code == "weights_unsafe"


def test_a_folder_without_a_model_says_so(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(Fault, match="holds no model"):
        Speaker.open(tmp_path)


def test_a_reply_is_stopped_from_outside_and_by_its_time(reader: Path) -> None:
    speaker, wish = Speaker.open(reader), Completion.model_validate(ENDLESS)
    late = speaker.speak(BOAT, wish, within_s=-1)
    late.wait()
    assert (late.said, late.ended) == (1, "length")
    with pytest.raises(Refusal, match="text alone"):
        speaker.speak([Turn("user", "", (Image.new("RGB", (2, 2)),))], wish, within_s=1)


ENDLESS = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 200, "temperature": 2}


def test_a_model_without_a_system_role_reads_it_before_the_user() -> None:
    turns = [Turn("system", "be brief"), Turn("user", "a boat")]
    assert folded(turns) == (Turn("user", "be brief\n\na boat"),)


@dataclass
class Slow:
    """A speaker that says a word and then waits to be stopped."""

    asked: int = 1
    said: int = 1
    ended: str = "stop"
    broke: BaseException | None = None
    begun: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def words(self) -> Iterator[str]:
        return self._words

    def speak(self, turns: Any, wish: Any, *, within_s: float) -> "Slow":
        self.begun += 1
        self._words = self._say()
        return self

    def _say(self) -> Iterator[str]:
        yield "once"
        self.stopped.wait(20)

    def stop(self) -> None:
        self.stopped.set()

    def wait(self) -> None:
        self.stopped.wait(20)


async def test_whoever_goes_away_makes_room_for_the_next() -> None:
    slow = Slow()
    app = create_app(lambda: slow, name="slow", key=None, within_s=20)
    body = {"messages": [{"role": "user", "content": "a"}], "stream": True}
    async with listening(app) as url, httpx.AsyncClient() as client:
        target = f"{url}/v1/chat/completions"
        async with client.stream("POST", target, json=body) as answer:
            assert await anext(answer.aiter_lines())
            assert not slow.stopped.is_set()
        assert await asyncio.to_thread(slow.stopped.wait, 10)
        assert (await client.post(target, json=body)).status_code == 200
        assert slow.begun == 2


async def test_only_a_few_wait() -> None:
    slow = Slow()
    async with asking(create_app(lambda: slow, name="slow", key=None, within_s=20)) as client:
        body = {"messages": [{"role": "user", "content": "a"}]}
        posts = [
            asyncio.create_task(client.post("/v1/chat/completions", json=body))
            for _ in range(MOST_WAITING + 2)
        ]
        refused, _ = await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result().status_code for task in refused} == {429}
        slow.stop()
        codes = sorted([(await task).status_code for task in posts])
        assert codes == [200] * MOST_WAITING + [429] * 2


def test_the_command_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PICTOR_TEXT__FOLDER", raising=False)
    told = CliRunner().invoke(command, ["text"])
    assert told.exit_code == 2
    assert "PICTOR_TEXT__FOLDER" in told.output
