"""Pictures that clients of the proxy's dialect send along: to start from, to mix, to be drawn anew in part."""

import base64
from typing import Any

import httpx
import pytest

from farm.api.services import Services
from shared import jobstore
from shared.jobs import JobKind
from shared.spec import RenderKind, RenderSpec
from shared.uploads import UPLOADS
from tests.farm.api.conftest import NewKey
from tests.farm.api.drawn import draw_all
from tests.farm.api.mjclients import ChatWeb, NextWeb, Unanswered
from tests.shared.hosting import picture

Json = dict[str, Any]
BARE = base64.b64encode(picture()).decode()
ONE = f"data:image/png;base64,{BARE}"
TWO = f"data:image/jpeg;base64,{base64.b64encode(picture('JPEG', colour='red')).decode()}"
MASK = f"data:image/png;base64,{base64.b64encode(picture(colour='white')).decode()}"


@pytest.fixture
async def web(stranger: httpx.AsyncClient, new_key: NewKey) -> ChatWeb:
    return ChatWeb(stranger, await new_key())


async def waiting(services: Services) -> tuple[JobKind, RenderSpec]:
    async with services.database.read() as session:
        (job,) = await jobstore.waiting(session)
    return job.kind, job.spec


@pytest.mark.parametrize("sent", [ONE, BARE])
async def test_a_prompt_starts_from_a_picture(web: ChatWeb, services: Services, sent: str) -> None:
    await web.imagine("a red sailboat", (sent,))
    _, spec = await waiting(services)
    (source,) = spec.sources
    assert await services.store.get(source.key) == picture()
    assert source.key.startswith(UPLOADS)
    assert (await web.look())["imageUrl"] is None


async def test_two_pictures_are_mixed(web: ChatWeb, services: Services) -> None:
    await web.blend((ONE, TWO))
    kind, spec = await waiting(services)
    assert (kind, len(spec.sources)) == (JobKind.BLEND, 2)
    await draw_all(services.database)
    done = await web.look()
    assert (done["action"], done["status"]) == ("BLEND", "SUCCESS")


async def test_chat_web_redraws_a_part(web: ChatWeb, services: Services) -> None:
    await web.imagine("a red sailboat")
    await draw_all(services.database)
    await web.look()
    await web.press(":upsample::1")
    await draw_all(services.database)
    await web.look()
    await web.press_and_fill_in(":Inpaint::1", maskBase64=MASK, prompt="a blue sailboat")
    kind, spec = await waiting(services)
    assert (kind, spec.kind) == (JobKind.REGION, RenderKind.INPAINT)
    assert spec.mask is not None
    told = await web.look()
    assert (told["action"], told["prompt"]) == ("INPAINT", "a blue sailboat")


async def test_next_web_redraws_a_part_when_it_is_asked_for_it(
    stranger: httpx.AsyncClient, new_key: NewKey, services: Services
) -> None:
    web = NextWeb(stranger, await new_key())
    await web.imagine("a red sailboat", (ONE,))
    await draw_all(services.database)
    await web.look()
    await web.press(web.draw["buttons"][0])
    await draw_all(services.database)
    await web.look()
    region = next(one for one in web.draw["buttons"] if one["label"] == "Vary (Region)")
    assert region["customId"].startswith("MJ::Inpaint::1")  # by which it opens its editor
    form = {"prompt": "a blue sailboat", "maskBase64": MASK}
    await web.press(region, form)
    assert (await waiting(services))[0] is JobKind.REGION


@pytest.mark.parametrize(
    ("what", "body", "field"),
    [
        ("imagine", {"prompt": "a boat", "base64Array": ["not base64!"]}, "base64Array"),
        ("imagine", {"prompt": "a boat", "base64Array": ["aGVsbG8="]}, "base64Array"),
        ("imagine", {"prompt": "a boat", "base64Array": ["http://10.0.0.1/x.png"]}, "images"),
        ("blend", {"base64Array": [ONE, "aGVsbG8="]}, "base64Array"),
    ],
)
async def test_what_is_no_picture_is_refused(
    client: httpx.AsyncClient, what: str, body: Json, field: str
) -> None:
    told = (await client.post(f"/mj/submit/{what}", json=body)).json()
    assert (told["code"], told["properties"]["field"]) == (4, field), told
    assert (await client.get("/mj/task/list")).json() == []


async def test_a_region_without_a_mask_is_refused(web: ChatWeb, services: Services) -> None:
    await web.imagine("a red sailboat")
    await draw_all(services.database)
    await web.change("UPSCALE", 1)
    await draw_all(services.database)
    await web.look()
    with pytest.raises(Unanswered, match="maskBase64"):
        await web.press_and_fill_in(":Inpaint::1", prompt="a blue sailboat")
