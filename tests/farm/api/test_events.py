"""The events of jobs over real sockets: the same words as Server-Sent Events and by WebSocket."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from farm.api import following as followings
from farm.api import server
from farm.api.services import Services
from farm.api.v1.words import Events
from shared.config import Settings
from shared.events import EventKind, JobEvent
from shared.jobs import Job
from shared.orders import Person, Submission
from tests.bot.farmhand import Farmhand
from tests.farm.api.conftest import NewKey
from tests.farm.api.serving import serving

ADA = Person("1001", "Ada", "free")
WITHIN_S = 15.0


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followings, "LOOK_EVERY_S", 0.05)


@pytest.fixture
def farm(services: Services) -> Farmhand:
    return Farmhand(services.database, services.events, services.plans)


@pytest.fixture
async def key(new_key: NewKey) -> str:
    return await new_key(ADA.discord_id)


@pytest.fixture
async def job(services: Services, key: str) -> Job:
    asked = Submission("a red sailboat", ADA, None, f"test:{uuid4()}")
    return (await services.desk.submit(asked)).jobs[0]


@pytest.fixture
async def address(app: FastAPI, services: Services) -> AsyncIterator[str]:
    async with serving(app, services) as found:
        yield found


@asynccontextmanager
async def socket(address: str, path: str, key: str, **more: Any) -> AsyncIterator[ClientConnection]:
    url = address.replace("http", "ws", 1) + path
    headers = {"Authorization": f"Bearer {key}"}
    async with asyncio.timeout(WITHIN_S), connect(url, additional_headers=headers, **more) as one:
        yield one


async def heard(client: ClientConnection) -> list[dict[str, Any]]:
    return [json.loads(message) async for message in client]


async def lines(
    address: str, path: str, key: str, **headers: str
) -> tuple[httpx.Response, list[dict[str, str]]]:
    """A stream read to its end, as fields of each event."""
    headers = {"Authorization": f"Bearer {key}"} | headers
    async with httpx.AsyncClient(base_url=address, timeout=WITHIN_S) as client:
        answer = await client.get(path, headers=headers)
    if not answer.headers.get("content-type", "").startswith("text/event-stream"):
        return answer, []
    blocks = [block for block in answer.text.split("\n\n") if block]
    return answer, [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]


def data(events: list[dict[str, str]]) -> list[dict[str, Any]]:
    return [json.loads(one["data"]) for one in events if "data" in one]


async def test_a_socket_tells_a_job_from_the_line_to_its_pictures(
    address: str, key: str, job: Job, farm: Farmhand, services: Services
) -> None:
    async with socket(address, f"/v1/jobs/{job.id}/events", key) as client:
        first = json.loads(await client.recv())
        running = await farm.start(job.id)
        started = [json.loads(await client.recv()) for _ in range(2)]
        await farm.tell(running, 6)
        step = json.loads(await client.recv())
        preview = JobEvent(job.id, EventKind.PREVIEW, step=8, key=f"{job.id}/1/preview.webp")
        await services.events.publish(preview)
        shown = json.loads(await client.recv())
        await farm.succeed(running)
        (result,) = await heard(client)
    assert client.close_code == 1000
    assert (first["type"], first["state"], first["status"]) == ("state", "waiting", "starting")
    assert [one["state"] for one in started] == ["dispatched", "running"]
    assert (step["type"], step["progress"], step["step"]) == ("progress", 0.5, 6)
    assert step["event_id"] == f"{started[-1]['event_id']}.6"
    assert (shown["type"], shown["url"]) == ("preview", services.store.url(preview.key or ""))
    assert (result["type"], result["status"], result["id"]) == ("result", "succeeded", str(job.id))
    assert len(result["output"]) == 4
    for one in (first, *started, step, shown, result):
        assert Events.model_validate(one)


async def test_a_stream_says_the_same_and_goes_on_where_it_was(
    address: str, key: str, job: Job, farm: Farmhand
) -> None:
    path = f"/v1/jobs/{job.id}/events"
    await farm.fail(await farm.start(job.id), "The GPU caught fire.")
    answer, whole = await lines(address, path, key)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert (answer.headers["cache-control"], answer.headers["x-accel-buffering"]) == (
        "no-cache",
        "no",
    )
    told = data(whole)
    assert [one["type"] for one in told] == ["state", "state", "state", "error"]
    assert (told[-1]["message"], told[-1]["code"]) == ("The GPU caught fire.", "test")
    assert told[-1]["status"] == "failed"
    ids = [one["id"] for one in whole if "id" in one]
    assert ids == [one["event_id"] for one in told]
    _, rest = await lines(address, f"{path}?after={ids[0]}", key)
    assert data(rest) == told[1:]
    _, rest = await lines(
        address, f"{path}?after={ids[0]}", key, **{"Last-Event-ID": f"{ids[2]}.9"}
    )
    assert data(rest) == told[3:]
    over, nothing = await lines(address, path, key, **{"Last-Event-ID": ids[-1]})
    assert (over.status_code, nothing) == (204, [])


async def test_one_line_tells_of_all_own_jobs(
    address: str, key: str, job: Job, farm: Farmhand, new_key: NewKey, services: Services
) -> None:
    await new_key("2002")
    stranger = Submission("a blue house", Person("2002", "Bo", "free"), None, f"test:{uuid4()}")
    async with socket(address, "/v1/events", key) as client:
        await services.desk.submit(stranger)
        await services.desk.cancel(ADA, job.id)
        over = json.loads(await client.recv())
    assert (over["type"], over["job_id"], over["status"]) == ("error", str(job.id), "canceled")


async def test_a_restart_loses_nothing(
    app: FastAPI, services: Services, key: str, job: Job, farm: Farmhand
) -> None:
    path = f"/v1/jobs/{job.id}/events"
    async with serving(app, services) as first:
        async with socket(first, path, key) as client:
            last = json.loads(await client.recv())["event_id"]
            services.following.release()
            with pytest.raises(ConnectionClosed):
                await client.recv()
        assert client.close_code == 1012
    await farm.succeed(await farm.start(job.id))
    async with (
        serving(app, services) as second,
        socket(second, f"{path}?after={last}", key) as client,
    ):
        told = await heard(client)
    assert [one["type"] for one in told] == ["state", "state", "result"]


async def test_a_server_that_is_told_to_leave_lets_its_streams_go(
    app: FastAPI, services: Services, key: str, job: Job
) -> None:
    async with asyncio.timeout(4), httpx.AsyncClient(timeout=WITHIN_S) as client:
        async with serving(app, services) as address:
            reading = asyncio.create_task(
                client.get(
                    f"{address}/v1/jobs/{job.id}/events", headers={"Authorization": f"Bearer {key}"}
                )
            )
            while not services.following.followers:
                await asyncio.sleep(0.01)
        assert '"waiting"' in (await reading).text


@pytest.mark.parametrize("path", ["/v1/jobs/{id}/events", "/v1/events"])
async def test_no_key_no_events(
    address: str, stranger: httpx.AsyncClient, job: Job, path: str
) -> None:
    path = path.format(id=job.id)
    assert (await stranger.get(path)).status_code == 401
    with pytest.raises(InvalidStatus) as refused:
        async with connect(address.replace("http", "ws", 1) + path):
            pass
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body)["code"] == "not_signed_in"


async def test_whose_job_it_is_is_nobody_elses_to_know(
    address: str, new_key: NewKey, job: Job, client: httpx.AsyncClient
) -> None:
    other = await new_key("2002")
    path = f"/v1/jobs/{job.id}/events"
    answer, _ = await lines(address, path, other)
    unknown, _ = await lines(address, f"/v1/jobs/{uuid4()}/events", other)
    assert (answer.status_code, unknown.status_code) == (404, 404)
    with pytest.raises(InvalidStatus) as refused:
        async with socket(address, path, other):
            pass
    assert refused.value.response.status_code == 404


async def test_a_bad_id_is_said_to_be_one(address: str, key: str, job: Job) -> None:
    path = f"/v1/jobs/{job.id}/events?after=x"
    answer, _ = await lines(address, path, key)
    assert (answer.status_code, answer.json()["field"]) == (422, "after")
    with pytest.raises(InvalidStatus) as refused:
        async with socket(address, path, key):
            pass
    assert refused.value.response.status_code == 422


async def test_a_browsers_socket_shows_its_key_beside_the_protocol(
    address: str, key: str, job: Job
) -> None:
    url = f"{address.replace('http', 'ws', 1)}/v1/jobs/{job.id}/events"
    names: Any = ["pictor.v1", f"pictor.key.{key}"]
    async with connect(url, subprotocols=names) as client:
        assert client.subprotocol == "pictor.v1"
        assert json.loads(await client.recv())["state"] == "waiting"


async def test_who_hangs_up_is_forgotten(
    address: str, key: str, job: Job, services: Services
) -> None:
    async with socket(address, f"/v1/jobs/{job.id}/events", key) as client:
        await client.recv()
        assert services.following.followers == 1
    async with asyncio.timeout(WITHIN_S):
        while services.following.followers:
            await asyncio.sleep(0.01)


async def test_pictor_api_hears_of_steps_before_anybody_follows(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[bool] = []

    async def look(self: server.Server) -> None:
        heard.append(self.following.listening)

    monkeypatch.setattr(server, "configure_logging", lambda _: None)
    monkeypatch.setattr(server.Server, "serve", look)
    await server.run_api(settings)
    assert heard == [True]
