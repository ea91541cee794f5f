"""The proxy's dialect: tasks, return codes and buttons over the same desk; existing clients work against it."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from farm.api.mj import telling
from farm.api.services import Services
from shared import jobstore, taskrows
from shared.errors import Fault
from shared.jobs import JobState
from shared.orders import Person
from shared.preferences import Preferences
from tests.farm.api.conftest import NewKey, Open
from tests.farm.api.drawn import draw_all
from tests.farm.api.mjclients import ChatWeb, NextWeb, Unanswered
from tests.shared.rows import bring_to

Json = dict[str, Any]
BOAT = "a red sailboat --seed 7"
WIDE = "a red sailboat --ar 3:2"
ME = Person("1001", "Person 1001", "free")
Drawn = Callable[[], Awaitable[object]]


@pytest.fixture
async def web(stranger: httpx.AsyncClient, new_key: NewKey) -> ChatWeb:
    return ChatWeb(stranger, await new_key())


@pytest.fixture
def drawn(services: Services) -> Drawn:
    """Everything that waits is drawn."""
    return lambda: draw_all(services.database)


@pytest.fixture
async def professional(client_of: Open, new_key: NewKey) -> httpx.AsyncClient:
    return await client_of(await new_key(plan="pro"))


async def submit(client: httpx.AsyncClient, what: str = "imagine", **body: object) -> Json:
    answer = await client.post(f"/mj/submit/{what}", json=body)
    told: Json = answer.json()
    return told | {"status": answer.status_code}


async def fetch(client: httpx.AsyncClient, task: Json) -> Json:
    answer = await client.get(f"/mj/task/{task['result']}/fetch")
    assert answer.status_code == 200, answer.text
    told: Json = answer.json()
    return told


# --- existing clients ----------------------------------------------------------------------------


async def test_chat_web_draws_looks_enlarges_and_varies(web: ChatWeb, drawn: Drawn) -> None:
    await web.imagine(WIDE)
    waiting = await web.look()
    assert (waiting["status"], waiting["progress"], web.waits) == ("NOT_START", "0%", True)
    await drawn()
    done = await web.look()
    assert (done["status"], done["progress"], done["action"]) == ("SUCCESS", "100%", "IMAGINE")
    assert done["imageUrl"].endswith("x-grid.webp")
    numbers = range(1, 5)
    assert web.shown == [
        *(f":upsample::{n}" for n in numbers),
        *(f":variation::{n}" for n in numbers),
        "reroll::0",
    ]
    grid = web.id
    await web.press(":upsample::2")
    await drawn()
    single = await web.look()
    assert (single["action"], single["description"]) == ("UPSCALE", f"/up {grid} U2")
    assert single["imageUrl"].endswith("x-0.png")
    assert {"CustomZoom::", "pan_left", ":Inpaint::1", "Outpaint::100"} <= set(web.shown)
    await web.press("Outpaint::100")
    assert (await web.look())["action"] == "ZOOM"


async def test_chat_web_zooms_by_words_of_its_own(web: ChatWeb, drawn: Drawn) -> None:
    await web.imagine(BOAT)
    await drawn()
    await web.look()
    await web.press(":upsample::1")
    await drawn()
    words = (await web.look())["prompt"]
    await web.press_and_fill_in("CustomZoom::", prompt=f"{words}  --zoom 1.8")
    assert (await web.look())["status"] == "NOT_START"
    await drawn()
    assert (await web.look())["status"] == "SUCCESS"


async def test_chat_web_s_older_buttons_and_its_seed(web: ChatWeb, drawn: Drawn) -> None:
    await web.imagine(BOAT)
    assert await web.seed() == 7
    await drawn()
    await web.change("REROLL", 0)
    assert (await web.look())["action"] == "REROLL"


async def test_chat_web_is_given_the_enlargement_that_is_there(web: ChatWeb, drawn: Drawn) -> None:
    """It answers code 21 with a form, and shows what that gives."""
    await web.imagine(BOAT)
    await drawn()
    grid = web.id
    await web.change("UPSCALE", 1)
    first = web.id
    await drawn()
    web.id = grid
    await web.change("UPSCALE", 1)
    assert web.id == first


async def test_next_web_draws_and_answers_a_form_when_it_looks(
    stranger: httpx.AsyncClient, new_key: NewKey, drawn: Drawn
) -> None:
    web = NextWeb(stranger, await new_key())
    await web.imagine(WIDE)
    await drawn()
    await web.look()
    await web.press(web.draw["buttons"][0])
    await drawn()
    await web.look()
    zoom = next(one for one in web.draw["buttons"] if one["label"] == "Custom Zoom")
    task = web.id
    await web.press(zoom, {"prompt": "a blue sailboat --zoom 1.5"})
    assert web.id != task
    await web.look()
    assert (web.draw["status"], web.draw["prompt"]) == ("NOT_START", "a blue sailboat")


async def test_next_web_shows_what_is_refused(stranger: httpx.AsyncClient, new_key: NewKey) -> None:
    with pytest.raises(Unanswered, match="not task id"):
        await NextWeb(stranger, await new_key()).imagine("a boat --ar 20")
    with pytest.raises(Unanswered, match="no longer"):
        await NextWeb(stranger, "pk_live_" + "a" * 43).imagine(BOAT)


# --- return codes --------------------------------------------------------------------------------


async def test_1_and_22_a_task_is_submitted_and_the_next_one_waits(
    client: httpx.AsyncClient,
) -> None:
    first, second = await submit(client, prompt=BOAT), await submit(client, prompt=BOAT)
    assert (first["code"], first["status"], first["properties"]) == (1, 200, {})
    assert (second["code"], second["properties"]) == (22, {"numberOfQueues": 1})
    assert first["result"] != second["result"]


async def test_3_whose_task_it_is_is_nobody_else_s_to_know(
    client: httpx.AsyncClient, client_of: Open, new_key: NewKey, drawn: Drawn
) -> None:
    task = await submit(client, prompt=BOAT)
    await drawn()
    button = (await fetch(client, task))["buttons"][0]["customId"]
    other = await client_of(await new_key("1002"))
    asked = {"taskId": task["result"]}
    change = {"action": "UPSCALE", "index": 1}
    for answer in (
        await other.get(f"/mj/task/{task['result']}/fetch"),
        await other.get(f"/mj/task/{task['result']}/image-seed"),
        await other.get(f"/mj/image/{task['result']}"),
        await other.post(f"/mj/task/{task['result']}/cancel"),
        await other.post("/mj/submit/change", json=asked | change),
        await other.post("/mj/submit/action", json=asked | {"customId": button}),
        await other.post("/mj/submit/modal", json=asked | {"prompt": "a boat"}),
        await other.get("/mj/task/999999/fetch"),
        await other.get("/mj/task/nonsense/fetch"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, 3), answer.text
    listed = await other.post("/mj/task/list-by-condition", json={"ids": [task["result"]]})
    assert listed.json() == (await other.get("/mj/task/list")).json() == []


async def test_a_button_of_another_s_job_is_no_key_to_it(
    client: httpx.AsyncClient, client_of: Open, new_key: NewKey, drawn: Drawn
) -> None:
    task = await submit(client, prompt=BOAT)
    other = await client_of(await new_key("1002"))
    theirs = await submit(other, prompt=BOAT)
    await drawn()
    button = (await fetch(client, task))["buttons"][0]["customId"]
    forged = await submit(other, "action", taskId=theirs["result"], customId=button)
    assert (forged["code"], forged["properties"]["error"]) == (4, "unknown_button")


@pytest.mark.parametrize(
    ("what", "body", "field"),
    [
        ("imagine", {"prompt": " "}, "prompt"),
        ("imagine", {"prompt": "a boat --ar 20"}, "aspect"),
        ("simple-change", {"content": "nonsense"}, "content"),
    ],
)
async def test_4_names_what_is_wrong(
    client: httpx.AsyncClient, what: str, body: Json, field: str
) -> None:
    told = await submit(client, what, **body)
    assert (told["status"], told["code"], told["properties"]["field"]) == (200, 4, field)
    assert told["result"] is None
    assert told["description"]


@pytest.mark.parametrize(
    "body", [{}, {"prompt": 7}, {"prompt": "a\0b"}, {"prompt": "a boat", "state": "s" * 256}]
)
async def test_4_also_for_what_cannot_be_read(client: httpx.AsyncClient, body: Json) -> None:
    told = await submit(client, **body)
    assert (told["status"], told["code"]) == (422, 4)


async def test_4_for_more_jobs_than_anybody_agreed_to(professional: httpx.AsyncClient) -> None:
    told = await submit(professional, prompt="a red boat --repeat 6")
    assert (told["code"], told["properties"]["error"]) == (4, "unconfirmed")
    assert "6 jobs" in told["description"]
    assert "confirm" not in told["description"]  # some clients answer that word with a form


async def test_23_the_queue_is_full_and_nothing_is_left_of_what_was_refused(
    client: httpx.AsyncClient, services: Services
) -> None:
    most = services.plans.plan(services.plans.first).max_waiting
    codes = [(await submit(client, prompt=BOAT))["code"] for _ in range(most + 1)]
    assert codes == [1] + [22] * (most - 1) + [23]
    assert len((await client.get("/mj/task/list")).json()) == most


async def test_24_a_prompt_that_is_stopped_names_the_rule_and_not_the_words(
    client: httpx.AsyncClient, forbidden: str
) -> None:
    told = await submit(client, prompt=f"a {forbidden} on a red sailboat")
    assert (told["status"], told["code"]) == (200, 24)
    assert told["properties"]["bannedWord"] == "gore"
    assert "promptEn" not in told["properties"]
    assert (await client.get("/mj/task/list")).json() == []


async def test_21_what_failed_before_is_enlarged_again(
    client: httpx.AsyncClient, services: Services, drawn: Drawn
) -> None:
    grid = await submit(client, prompt=BOAT)
    await drawn()
    enlarge = {"taskId": grid["result"], "action": "UPSCALE", "index": 1}
    first = await submit(client, "change", **enlarge)
    async with services.database.begin() as session:
        (job,) = await jobstore.waiting(session)
        await bring_to(session, job, JobState.FAILED)
    second = await submit(client, "change", **enlarge)
    assert (second["code"], second["result"] != first["result"]) == (1, True)
    await drawn()
    third = await submit(client, "change", **enlarge)
    assert (third["code"], third["result"]) == (21, second["result"])
    assert third["properties"]["status"] == "SUCCESS"
    assert third["properties"]["imageUrl"].endswith("x-0.png")


async def test_a_fault_of_ours_is_9(
    client: httpx.AsyncClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise Fault("database_down", "The database is away.", retryable=True)

    monkeypatch.setattr(type(services.desk), "ask", away)
    told = await submit(client, prompt=BOAT)
    assert (told["status"], told["code"]) == (503, 9)


async def test_without_a_text_service_nothing_is_begun(client: httpx.AsyncClient) -> None:
    for what, body in (("shorten", {"prompt": BOAT}), ("describe", {"base64": "aGVsbG8="})):
        told = await submit(client, what, **body)
        assert (told["code"], told["properties"]["error"]) == (4, "no_text_service")
    assert (await client.get("/mj/task/list")).json() == []


# --- tasks ---------------------------------------------------------------------------------------


async def test_a_failure_has_a_reason_and_no_bar(
    client: httpx.AsyncClient, services: Services
) -> None:
    task = await submit(client, prompt=BOAT, state="order-17")
    async with services.database.begin() as session:
        (job,) = await jobstore.waiting(session)
        await bring_to(session, job, JobState.FAILED)
    told = await fetch(client, task)
    assert (told["status"], told["failReason"], told["progress"]) == ("FAILURE", "Because.", "")
    assert (told["state"], told["buttons"], told["imageUrl"]) == ("order-17", [], None)


async def test_a_cancelled_task_is_a_failure(client: httpx.AsyncClient) -> None:
    task = await submit(client, prompt=BOAT)
    assert (await client.post(f"/mj/task/{task['result']}/cancel")).json()["code"] == 1
    told = await fetch(client, task)
    assert (told["status"], told["failReason"]) == ("FAILURE", "It was cancelled.")
    again = await client.post(f"/mj/task/{task['result']}/cancel")
    assert (again.status_code, again.json()["code"]) == (200, 4)


async def test_a_repeat_makes_a_task_each(professional: httpx.AsyncClient) -> None:
    client = professional
    task = await submit(client, prompt="a red sailboat --repeat 2")
    ids = task["properties"]["taskIds"]
    assert ids[0] == task["result"]
    listed = await client.post(
        "/mj/task/list-by-condition", json={"ids": [int(one) for one in ids]}
    )
    assert {one["id"] for one in listed.json()} == set(ids)


async def test_the_speed_may_stand_in_the_address(client: httpx.AsyncClient) -> None:
    answer = await client.post("/mj-relax/mj/submit/imagine", json={"prompt": BOAT})
    assert (await fetch(client, answer.json()))["mode"] == "RELAX"
    unknown = await client.post("/mj-warp/mj/submit/imagine", json={"prompt": BOAT})
    assert unknown.status_code == 404


async def test_a_task_whose_process_died_finds_its_job_or_says_that_there_is_none(
    client: httpx.AsyncClient, services: Services
) -> None:
    task = await submit(client, prompt=BOAT)
    async with services.database.begin() as session:
        (job,) = await jobstore.waiting(session)
        lost = await taskrows.add(session, job.account_id, action="IMAGINE", memo="")
        (row,) = await taskrows.own(session, job.account_id, [int(task["result"])])
        orphan = await taskrows.add(
            session, job.account_id, action="IMAGINE", memo="", told={"key": job.submission_key}
        )
    assert row.key == job.submission_key
    assert (await fetch(client, {"result": orphan.id}))["prompt"] == BOAT
    assert (await fetch(client, {"result": lost.id}))["status"] == "SUBMITTED"


async def test_what_a_hook_is_sent_is_the_task_as_it_is_fetched(
    client: httpx.AsyncClient, services: Services, drawn: Drawn
) -> None:
    task = await submit(client, prompt=BOAT, state="order-17")
    (job,) = await draw_all(services.database)
    told = await telling.told_of_job(services, job)
    assert told == await fetch(client, task)


async def test_a_picture_is_where_its_task_says(client: httpx.AsyncClient, drawn: Drawn) -> None:
    task = await submit(client, prompt=BOAT)
    assert (await client.get(f"/mj/image/{task['result']}")).status_code == 404
    await drawn()
    answer = await client.get(f"/mj/image/{task['result']}")
    assert answer.is_redirect
    assert answer.headers["location"] == (await fetch(client, task))["imageUrl"]


# --- forms ---------------------------------------------------------------------------------------


async def test_who_likes_to_remix_is_asked_for_words_first(
    client: httpx.AsyncClient, services: Services, drawn: Drawn
) -> None:
    await services.desk.set_preferences(ME, Preferences(remix=True))
    grid = await submit(client, prompt=BOAT)
    await drawn()
    button = next(
        one["customId"] for one in (await fetch(client, grid))["buttons"] if one["label"] == "V1"
    )
    pressed = {"taskId": grid["result"], "customId": button}
    asked = await submit(client, "action", **pressed)
    assert (asked["code"], asked["description"]) == (21, "Waiting for window confirm")
    assert asked["properties"]["finalPrompt"] == BOAT
    assert (await fetch(client, asked))["status"] == "MODAL"
    sent = {"taskId": asked["result"], "prompt": "a blue sailboat"}
    answers = [await submit(client, "modal", **sent) for _ in range(2)]
    assert [one["result"] for one in answers] == [asked["result"]] * 2
    assert (await fetch(client, asked))["prompt"] == "a blue sailboat"
    plain = await submit(client, "action", **pressed, enableRemix=False)
    assert plain["code"] == 22
    assert len((await client.get("/mj/task/list")).json()) == 3


async def test_a_form_waits_on_for_better_words(client: httpx.AsyncClient, drawn: Drawn) -> None:
    grid = await submit(client, prompt=BOAT)
    await drawn()
    single = await submit(client, "simple-change", content=f"{grid['result']} U1")
    await drawn()
    zoom = next(
        one["customId"]
        for one in (await fetch(client, single))["buttons"]
        if one["label"] == "Custom Zoom"
    )
    form = await submit(client, "action", taskId=single["result"], customId=zoom)
    for words in ("a boat", "a boat --zoom 9", "a boat --zoom 1.5 --ar 99"):
        refused = await submit(client, "modal", taskId=form["result"], prompt=words)
        assert refused["code"] == 4, words
        assert (await fetch(client, form))["status"] == "MODAL"
    taken = await submit(client, "modal", taskId=form["result"], prompt="a boat --zoom 1.5")
    assert taken["code"] == 1
    assert (await fetch(client, form))["status"] == "NOT_START"
