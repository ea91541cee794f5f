"""The local image origin: pictures for ever, nothing else, and an honest health page."""

from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from farm.api.app import create_app
from farm.api.services import Services
from shared import uploads
from shared.config import StorageSettings
from shared.connections import Database
from shared.inquiries import new_key
from shared.storage import LocalStore, ObjectStore, open_store
from shared.workers import heartbeat

KEY = "11111111/1/0123456789abcdef-grid.webp"


@dataclass
class Origin:
    client: httpx.AsyncClient
    store: ObjectStore
    database: Database


@pytest.fixture
def origin(services: Services, stranger: httpx.AsyncClient) -> Origin:
    return Origin(stranger, services.store, services.database)


async def test_a_picture_may_be_kept_for_ever_and_is_nothing_but_a_picture(origin: Origin) -> None:
    await origin.store.put(KEY, b"a picture", mime="image/webp")
    answer = await origin.client.get(f"/assets/{KEY}")
    assert (answer.status_code, answer.content) == (200, b"a picture")
    assert answer.headers["content-type"] == "image/webp"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["etag"]


async def test_a_picture_that_somebody_asks_about_is_served_to_nobody(origin: Origin) -> None:
    key = new_key()
    await origin.store.put(key, b"a picture", mime="image/png")
    assert (await origin.client.get(f"/assets/{key}")).status_code == 404


async def test_what_people_bring_is_not_served(origin: Origin) -> None:
    key = uploads.new_key("png")
    await origin.store.put(key, b"a picture", mime="image/png")
    assert (await origin.client.get(f"/assets/{key}")).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "nothing/1/here.webp",
        "../../secret.txt",
        "%2e%2e/%2e%2e/secret.txt",
        "..%2f..%2fsecret.txt",
        "/etc/passwd",
        "%00",
        "",
    ],
)
async def test_what_is_no_picture_is_not_found(origin: Origin, path: str, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    answer = await origin.client.get(f"/assets/{path}")
    assert answer.status_code == 404
    assert "secret" not in answer.text


async def test_with_an_object_store_this_host_serves_no_pictures(
    services: Services,
) -> None:
    store = open_store(StorageSettings(kind="s3", endpoint_url="http://127.0.0.1:9"))
    transport = httpx.ASGITransport(app=create_app(replace(services, store=store)))
    async with httpx.AsyncClient(transport=transport, base_url="http://origin") as client:
        assert (await client.get(f"/assets/{KEY}")).status_code == 404


async def test_health_names_what_is_down(origin: Origin, tmp_path: Path) -> None:
    well = await origin.client.get("/healthz")
    assert (well.status_code, set(well.json().values())) == (200, {"ok"})
    assert isinstance(origin.store, LocalStore)
    (tmp_path / "assets").rename(tmp_path / "gone")
    (tmp_path / "assets").write_text("a file where the folder was")
    ill = await origin.client.get("/healthz")
    assert ill.status_code == 503
    assert ill.json() == {"postgres": "ok", "redis": "ok", "storage": "down"}


async def test_metrics_are_prometheus_text(origin: Origin) -> None:
    answer = await origin.client.get("/metrics")
    assert answer.status_code == 200
    async with origin.database.begin() as session:
        await heartbeat(session, "one", "cpu", 4, ["postcards"], draining=False)
    told = (await origin.client.get("/metrics")).text
    assert 'pictor_jobs_open{speed="turbo",state="waiting"} 0.0' in told
    assert "pictor_slots 4.0" in told
    assert 'pictor_checkpoint_workers{checkpoint="postcards"} 1.0' in told
