"""The proxy's notifyHook: the task itself is sent, as it is fetched, to the address that its request names."""

import httpx

from farm.api.services import Services
from tests.farm.api.drawn import draw_all
from tests.farm.api.receiver import Receiver

PROMPT = "a red sailboat"


async def test_an_address_is_told_of_its_task_until_it_is_there(
    client: httpx.AsyncClient, services: Services, receiver: Receiver, sending: None
) -> None:
    body = {"prompt": PROMPT, "state": "order-17", "notifyHook": receiver.url}
    task = (await client.post("/mj/submit/imagine", json=body)).json()["result"]
    await receiver.until(lambda: receiver.told)
    first = receiver.told[0].content
    assert (first["id"], first["status"], first["state"]) == (task, "NOT_START", "order-17")
    await draw_all(services.database)
    await receiver.until(lambda: receiver.told[-1].content["status"] == "SUCCESS")
    assert receiver.told[-1].content == (await client.get(f"/mj/task/{task}/fetch")).json()


async def test_a_form_keeps_the_address_until_its_words_are_there(
    client: httpx.AsyncClient, services: Services, receiver: Receiver, sending: None
) -> None:
    grid = (await client.post("/mj/submit/imagine", json={"prompt": PROMPT})).json()["result"]
    await draw_all(services.database)
    button = (await client.get(f"/mj/task/{grid}/fetch")).json()["buttons"][0]["customId"]
    pressed = {"taskId": grid, "customId": button.replace("upsample", "variation")}
    told = {"enableRemix": True, "notifyHook": receiver.url}
    form = (await client.post("/mj/submit/action", json=pressed | told)).json()
    assert form["code"] == 21
    words = {"taskId": form["result"], "prompt": "a blue sailboat"}
    assert (await client.post("/mj/submit/modal", json=words)).json()["code"] == 1
    await receiver.until(lambda: receiver.told)
    content = receiver.told[0].content
    assert (content["id"], content["prompt"]) == (form["result"], "a blue sailboat")


async def test_an_address_that_may_not_be_told_refuses_the_task(client: httpx.AsyncClient) -> None:
    body = {"prompt": PROMPT, "notifyHook": "http://169.254.169.254/latest"}
    told = (await client.post("/mj/submit/imagine", json=body)).json()
    assert (told["code"], told["properties"]["error"]) == (4, "bad_webhook")
    assert (await client.get("/mj/task/list")).json() == []
