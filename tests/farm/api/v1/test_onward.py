"""What is made of pictures: of finished jobs, and of what somebody sends."""

import base64
from typing import Any
from uuid import UUID

import httpx

from farm.api.services import Services
from shared import joblists, jobstore
from shared.jobs import Job
from shared.spec import RenderKind
from tests.farm.api.conftest import NewKey, Open
from tests.shared.hosting import picture
from tests.shared.test_admission import pictured

WORDS = {"prompt": "a red sailboat", "speed": "fast"}


def data_uri(**how: Any) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture(**how)).decode()}"


async def made(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def the_job(services: Services, told: dict[str, Any]) -> Job:
    async with services.database.read() as session:
        job = await joblists.load(session, UUID(told["id"]))
    assert job is not None
    return job


async def test_every_button_is_a_route(client: httpx.AsyncClient, services: Services) -> None:
    first = await made(client, "/v1/jobs", **WORDS, aspect="3:2")
    early = await client.post(f"/v1/jobs/{first['id']}/variations", json={})
    assert (early.status_code, early.json()["code"]) == (409, "not_finished")
    await pictured(services.database, await the_job(services, first))
    expected: list[tuple[str, dict[str, Any], str, str]] = [
        ("variations", {"index": 1, "strength": "strong"}, "vary", "strong"),
        ("upscales", {"index": 2}, "upscale", ""),
        ("upscales", {"details": "creative"}, "upscale", "creative"),
        ("zooms", {"factor": 1.5}, "zoom", "1.5x"),
        ("pans", {"direction": "left", "prompt": "a blue boat"}, "pan", "remix left"),
        ("squares", {}, "square", ""),
        ("rerolls", {}, "imagine", ""),
        ("regions", {"cells": [6, 7]}, "region", ""),
        ("regions", {"mask": data_uri()}, "region", ""),
    ]
    for path, body, kind, manner in expected:
        told = await made(client, f"/v1/jobs/{first['id']}/{path}", **body, speed="relax")
        assert (told["input"]["kind"], told["input"]["manner"]) == (kind, manner), path
        assert told["input"]["speed"] == "relax"
        if kind != "imagine":
            origin = {"job": first["id"], "index": body.get("index", 0)}
            assert told["input"]["parent"] == origin
        await client.post(f"/v1/jobs/{told['id']}/cancel")


async def test_nothing_is_made_of_others_pictures(
    client: httpx.AsyncClient, client_of: Open, new_key: NewKey, services: Services
) -> None:
    first = await made(client, "/v1/jobs", **WORDS)
    await pictured(services.database, await the_job(services, first))
    other = await client_of(await new_key("1002"))
    for path in ("variations", "upscales", "zooms", "squares", "rerolls", "regions"):
        answer = await other.post(f"/v1/jobs/{first['id']}/{path}", json={})
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown_job"), path


async def test_an_upload_a_data_uri_and_a_repeat_are_the_same_picture(
    client: httpx.AsyncClient, client_of: Open, new_key: NewKey, services: Services
) -> None:
    files = {"file": ("boat.png", picture(size=(96, 64)), "image/png")}
    first = await client.post("/v1/uploads", files=files)
    assert (first.status_code, first.json()["width"], first.json()["height"]) == (201, 96, 64)
    assert (await client.post("/v1/uploads", files=files)).json() == first.json()
    headers = {"Idempotency-Key": "with a picture".replace(" ", "-")}
    ids = set()
    for image in (first.json()["url"], data_uri(size=(96, 64)), data_uri(size=(96, 64))):
        body = WORDS | {"images": [image], "image_weight": 2}
        answer = await client.post("/v1/jobs", json=body, headers=headers)
        assert answer.status_code in (200, 201), answer.text
        ids.add(answer.json()["id"])
    assert len(ids) == 1
    (job,) = [await the_job(services, {"id": one}) for one in ids]
    assert job.spec.kind is RenderKind.IMAGE
    other = await client_of(await new_key("1002"))
    theirs = await other.post("/v1/uploads", files=files)
    assert theirs.json()["url"] != first.json()["url"]


async def test_a_part_of_a_picture_and_a_larger_one(
    client: httpx.AsyncClient, services: Services
) -> None:
    image, mask = data_uri(size=(96, 64)), data_uri(size=(96, 64), colour="white")
    for part in ({"mask": mask}, {"cells": [0, 1]}, {"region": "the boat"}):
        told = await made(client, "/v1/jobs", **WORDS, images=[image], n=2, **part)
        spec = (await the_job(services, told)).spec
        assert (spec.kind, spec.images, len(spec.sources)) == (RenderKind.INPAINT, 2, 1)
        assert spec.width > spec.height
        assert (spec.mask is None) == ("region" in part)
        assert spec.region == part.get("region", "")
        await client.post(f"/v1/jobs/{told['id']}/cancel")
    told = await made(client, "/v1/upscales", **WORDS, image=image)
    spec = (await the_job(services, told)).spec
    assert (spec.kind, spec.images, spec.upscaler) == (RenderKind.UPSCALE, 1, "latent")
    mixed = await made(client, "/v1/blends", images=[image, mask], shape="portrait", speed="relax")
    assert (mixed["input"]["kind"], mixed["input"]["height"] > mixed["input"]["width"]) == (
        "blend",
        True,
    )


NO_PICTURES: list[tuple[dict[str, Any], str]] = [
    ({"images": ["data:image/png;base64,????"]}, "images"),
    ({"images": ["data:text/plain,hello"]}, "images"),
    ({"images": [f"data:;base64,{base64.b64encode(b'no picture').decode()}"]}, "images"),
    ({"mask": "data:image/png;base64,AAAA"}, "mask"),
    ({"cells": [0]}, "images"),
    ({"cells": [25]}, "cells.0"),
    ({"images": ["https://127.0.0.1/a.png"]}, "images"),
    (
        {"webhook": "https://example.com/", "webhook_events_filter": ["logs"]},
        "webhook_events_filter",
    ),
]


async def test_what_is_no_picture_is_refused_by_name(
    client: httpx.AsyncClient, services: Services
) -> None:
    for body, field in NO_PICTURES:
        answer = await client.post("/v1/jobs", json=WORDS | body)
        assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    async with services.database.read() as session:
        assert await jobstore.waiting(session) == []


async def test_a_region_in_words_is_screened_as_a_prompt_is(client: httpx.AsyncClient) -> None:
    body = WORDS | {"images": [data_uri()], "region": "hardcore porn"}
    answer = await client.post("/v1/jobs", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "prompt_blocked")


async def test_a_batch_makes_what_it_can(client_of: Open, new_key: NewKey) -> None:
    client = await client_of(await new_key(plan="paid"))
    items = [WORDS, {"prompt": "a boat --ar 20"}, WORDS | {"repeat": 2, "confirmed": True}]
    headers = {"Idempotency-Key": "a-batch"}
    first = (await client.post("/v1/batches", json={"items": items}, headers=headers)).json()
    assert (first["accepted"], first["refused"]) == (2, 1)
    assert [len(one["jobs"]) for one in first["data"]] == [1, 0, 2]
    assert first["data"][1]["problem"]["field"] == "aspect"
    again = (await client.post("/v1/batches", json={"items": items}, headers=headers)).json()
    assert ids_of(again) == ids_of(first)


def ids_of(batch: dict[str, Any]) -> list[list[str]]:
    return [[job["id"] for job in one["jobs"]] for one in batch["data"]]


async def test_a_quote_is_what_would_be_held(client: httpx.AsyncClient) -> None:
    asked = WORDS | {"speed": "fast"}
    quote = (await client.post("/v1/quotes", json=asked)).json()
    assert (await client.get("/v1/jobs")).json()["data"] == []
    job = await made(client, "/v1/jobs", **asked)
    assert (quote["jobs"], quote["price_ms"]) == (1, job["metrics"]["held_ms"])
    refused = await client.post("/v1/quotes", json={"prompt": "a boat --ar 20"})
    assert (refused.status_code, refused.json()["field"]) == (422, "aspect")
