"""AI Horde's dialect: a request is written, checked and fetched as its clients do it."""

import base64
from typing import Any

import httpx
import pytest

from farm.api.horde.asked import Request, text_of
from farm.api.services import Services
from shared import jobstore
from shared.catalog import read_catalog
from shared.config import SHARED
from tests.farm.api.conftest import NewKey, Open
from tests.farm.api.drawn import draw_all
from tests.shared.hosting import picture

Json = dict[str, Any]
CATALOG = read_catalog(SHARED / "catalog.toml")
# As clients send it, with everything that they have in it by default.
SENT: Json = {
    "prompt": "a red sailboat ### birds, rain",
    "params": {
        "sampler_name": "k_dpmpp_2m",
        "cfg_scale": 4,
        "denoising_strength": 0.75,
        "seed": "7",
        "height": 512,
        "width": 768,
        "seed_variation": 1,
        "post_processing": [],
        "karras": True,
        "tiling": False,
        "hires_fix": False,
        "clip_skip": 1,
        "steps": 10,
        "n": 2,
        "loras": [],
    },
    "nsfw": False,
    "censor_nsfw": True,
    "trusted_workers": False,
    "slow_workers": True,
    "models": ["stable_diffusion", "postcards"],
    "r2": True,
    "shared": False,
}


@pytest.fixture
async def horde(stranger: httpx.AsyncClient, new_key: NewKey) -> httpx.AsyncClient:
    stranger.headers.update({"apikey": await new_key(), "Client-Agent": "test:1:nobody"})
    return stranger


async def asked(horde: httpx.AsyncClient, **changes: object) -> Json:
    answer = await horde.post("/api/v2/generate/async", json=SENT | changes)
    assert answer.status_code == 202, answer.text
    told: Json = answer.json()
    return told


async def test_a_client_asks_checks_and_fetches(
    horde: httpx.AsyncClient, services: Services
) -> None:
    task = await asked(horde)
    path = f"/api/v2/generate/check/{task['id']}"
    waiting = (await horde.get(path)).json()
    assert (waiting["waiting"], waiting["done"], waiting["faulted"]) == (2, False, False)
    assert waiting["kudos"] == task["kudos"] > 0
    (job,) = await draw_all(services.database)
    assert (await horde.get(path)).json()["done"] is True
    done = (await horde.get(f"/api/v2/generate/status/{task['id']}")).json()
    assert [one["seed"] for one in done["generations"]] == ["7", "8"]
    assert done["generations"][0]["img"].endswith("x-0.png")
    assert (done["finished"], done["kudos"]) == (2, 0.04)
    assert job.prompt == (
        "a red sailboat --no birds, rain --ar 3:2 --seed 7 --steps 10 --guidance 4"
        " --sampler dpm++2m-karras --model postcards"
    )


async def test_pictures_come_as_base64_where_that_is_asked_for(
    horde: httpx.AsyncClient, services: Services
) -> None:
    task = await asked(horde, r2=False)
    (job,) = await draw_all(services.database)
    for index in range(2):
        await services.store.put(f"{job.id}/1/x-{index}.png", b"a picture", mime="image/png")
    done = (await horde.get(f"/api/v2/generate/status/{task['id']}")).json()
    assert base64.b64decode(done["generations"][1]["img"]) == b"a picture"


async def test_what_is_cancelled_is_faulted(horde: httpx.AsyncClient) -> None:
    task = await asked(horde)
    answer = await horde.delete(f"/api/v2/generate/status/{task['id']}")
    assert (answer.status_code, answer.json()["faulted"]) == (200, True)


async def test_a_dry_run_makes_nothing(horde: httpx.AsyncClient, services: Services) -> None:
    told = await asked(horde, dry_run=True)
    assert told["id"] is None
    assert told["kudos"] > 0
    async with services.database.read() as session:
        assert await jobstore.waiting(session) == []


async def test_whose_it_is_is_nobody_else_s_to_know(
    horde: httpx.AsyncClient, client_of: Open, new_key: NewKey
) -> None:
    task = await asked(horde)
    other = await client_of(await new_key("1002"))
    for method, what in (("GET", "check"), ("GET", "status"), ("DELETE", "status")):
        answer = await other.request(method, f"/api/v2/generate/{what}/{task['id']}")
        assert (answer.status_code, answer.json()["rc"]) == (404, "RequestNotFound")


async def test_a_picture_is_drawn_over_or_in_part(
    horde: httpx.AsyncClient, services: Services
) -> None:
    source = base64.b64encode(picture()).decode()
    await asked(horde, source_image=source, source_processing="img2img")
    inpainted = {"source_processing": "inpainting", "source_mask": source}
    await asked(horde, source_image=source, **inpainted)
    async with services.database.read() as session:
        over, part = [job.spec for job in await jobstore.waiting(session)]
    assert (len(over.sources), over.mask) == (1, None)
    assert part.mask is not None
    refused = await horde.post(
        "/api/v2/generate/async",
        json=SENT | {"source_image": source, "source_processing": "inpainting"},
    )
    assert (refused.status_code, refused.json()["rc"]) == (400, "no_region")


@pytest.mark.parametrize(
    ("body", "status", "rc"),
    [
        ({"prompt": ""}, 400, "invalid_request"),
        ({"prompt": "a boat", "params": {"steps": 0}}, 400, "invalid_request"),
        ({"prompt": "a boat --ar 20"}, 400, "invalid_value"),
        ({"prompt": "a {forbidden} on a boat"}, 400, "CorruptPrompt"),
    ],
)
async def test_what_is_refused_says_why(
    horde: httpx.AsyncClient, forbidden: str, body: Json, status: int, rc: str
) -> None:
    prompt = body["prompt"].format(forbidden=forbidden)
    answer = await horde.post("/api/v2/generate/async", json=body | {"prompt": prompt})
    assert (answer.status_code, answer.json()["rc"]) == (status, rc)
    assert answer.json()["message"]


async def test_a_key_of_nobody_is_refused(stranger: httpx.AsyncClient) -> None:
    answer = await stranger.get("/api/v2/find_user", headers={"apikey": "0000000000"})
    assert (answer.status_code, answer.json()["rc"]) == (401, "InvalidAPIKey")


async def test_models_user_and_heartbeat(horde: httpx.AsyncClient) -> None:
    (model,) = (await horde.get("/api/v2/status/models")).json()
    assert (model["name"], model["type"]) == ("postcards", "image")
    assert (await horde.get("/api/v2/find_user")).json()["kudos"] > 0
    assert (await horde.get("/api/v2/status/heartbeat")).json()["message"] == "OK"


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, ""),
        ({"seed": ""}, ""),
        ({"seed": "a word"}, "--seed 2570740051"),
        ({"seed": str(2**32 + 5)}, "--seed 5"),
        ({"sampler_name": "k_euler", "karras": True}, "--sampler euler-karras"),
        ({"sampler_name": "k_euler_a", "karras": True}, "--sampler euler-a"),
        ({"sampler_name": "k_unheard_of"}, ""),
        ({"loras": [{"name": "sepia", "model": 0.8}, {"name": "ink"}]}, "--lora sepia:0.8 ink"),
        ({"width": 1024}, ""),
        ({"width": 1023, "height": 512}, "--ar 2:1"),
        ({"tiling": True}, "--tile"),
    ],
)
def test_their_words_in_ours(params: Json, said: str) -> None:
    request = Request.model_validate({"prompt": "a boat", "params": params})
    assert text_of(request, CATALOG) == f"a boat {said}".strip()
