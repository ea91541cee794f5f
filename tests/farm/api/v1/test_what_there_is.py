"""Models, samplers, plans and the line: what anybody with a key may look up."""

import httpx

from farm.api.services import Services
from shared.jobs import JobState
from shared.moderation.ranks import Moderator, Rank
from shared.orders import Person, Submission
from shared.waits import Outlook
from shared.workers import heartbeat
from tests.farm.api.conftest import NewKey, Open


async def test_models_say_what_fits_them_and_under_which_licence(client: httpx.AsyncClient) -> None:
    told = (await client.get("/v1/models")).json()
    assert told["object"] == "list"
    (model,) = told["data"]
    assert (model["id"], model["object"], model["owned_by"]) == ("postcards", "model", "pictor")
    assert (model["family"], model["licence"], model["default"]) == ("sd15", "Apache-2.0", True)
    assert {one["name"] for one in model["adapters"] if one["kind"] == "lora"} == {"sepia", "neon"}
    assert all(one["licence"] for one in model["adapters"])
    assert model == (await client.get("/v1/models/postcards")).json()


async def test_a_model_that_is_not_there_is_not_found(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/models/%00nothing")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_warmth_counts_the_workers_that_take_jobs(
    client: httpx.AsyncClient, services: Services
) -> None:
    async with services.database.begin() as session:
        await heartbeat(session, "one", "cpu", 4, ["postcards"], draining=False)
        await heartbeat(session, "two", "cpu", 4, [], draining=False)
        await heartbeat(session, "leaves", "cpu", 4, ["postcards"], draining=True)
    model = (await client.get("/v1/models/postcards")).json()
    assert model["warmth"] == {"workers": 2, "warm": 1, "tier": "warm"}
    farm = (await client.get("/v1/queue")).json()["farm"]
    assert (farm["workers"], farm["draining"], farm["slots"]) == (2, 1, 8)


async def test_a_model_that_the_server_keeps_for_others_says_so(
    client_of: Open, new_key: NewKey, services: Services
) -> None:
    admin = Moderator("9", "admin", "77", Rank.ADMIN)
    await services.administration.open_model(admin, "postcards", add=["role:5"])
    outside = await client_of(await new_key(guild_id="77"))
    within = await client_of(await new_key("1002", guild_id="77", roles=("5",)))
    elsewhere = await client_of(await new_key("1003"))
    allowed = [
        (await one.get("/v1/models/postcards")).json() for one in (outside, within, elsewhere)
    ]
    assert [one["allowed"] for one in allowed] == [False, True, True]
    assert "server setting `models`" in allowed[0]["denied_by"]


async def test_every_sampler_says_which_models_offer_it(client: httpx.AsyncClient) -> None:
    samplers = {one["name"]: one for one in (await client.get("/v1/samplers")).json()["data"]}
    assert samplers["dpm++2m-karras"]["default_of"] == ["postcards"]
    assert samplers["flow-euler"] == {
        "name": "flow-euler",
        "object": "sampler",
        "families": ["sd3", "flux"],
        "models": [],
        "default_of": [],
    }


async def test_plans_say_which_one_is_in_force(
    client: httpx.AsyncClient, client_of: Open, new_key: NewKey
) -> None:
    def current(answer: httpx.Response) -> list[str]:
        return [one["name"] for one in answer.json()["data"] if one["current"]]

    assert current(await client.get("/v1/plans")) == ["free"]
    payer = await client_of(await new_key("1002", guild_id="77", plan="pro"))
    assert current(await payer.get("/v1/plans")) == ["pro"]
    (free,) = [one for one in (await client.get("/v1/plans")).json()["data"] if one["current"]]
    assert free["price"]["relax"] == 0
    assert free["default_speed"] in free["speeds"]


async def test_the_line_tells_mine_with_its_place_and_of_others_a_number(
    client: httpx.AsyncClient, services: Services
) -> None:
    jobs = [
        (await services.desk.submit(Submission("a red boat", _person(one), None, one))).jobs[0]
        for one in ("1001", "1002")
    ]
    foreseen = [
        Outlook(job.id, place, 5, 9, 7, 12, "others are ahead") for place, job in enumerate(jobs, 2)
    ]
    await services.outlooks.publish(foreseen)
    told = (await client.get("/v1/queue")).json()
    (mine,) = told["data"]
    assert (mine["job"], mine["state"]) == (str(jobs[0].id), JobState.WAITING)
    assert (mine["position"], mine["eta_s"], mine["reason"]) == (2, 9, "others are ahead")
    assert sum(told["farm"]["waiting"].values()) == 2
    assert str(jobs[1].id) not in str(told)


def _person(discord_id: str) -> Person:
    return Person(discord_id, f"Person {discord_id}", "free")
