"""LoRAs that people bring: theirs alone, others' once a moderator said so, and gone when they are deleted."""

import zipfile
from dataclasses import replace
from io import BytesIO
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from farm.api.app import create_app
from farm.api.services import Services
from farm.maintenance import Maintenance
from shared import accounts, lorarows, wishes
from shared.accounts import Standing
from shared.config import Settings
from shared.errors import Refusal
from shared.jobs import JobState
from shared.loras import MOST_OWN, Loras
from shared.orders import Ask, Person, Venue
from tests.farm.api.conftest import NewKey, Open
from tests.farm.api.loraroom import bring, sepia
from tests.shared.rows import bring_to

ADMIN = ("read", "moderate", "admin")


async def fits(_: Any, data: bytes) -> None:
    """What the confined process says is tested beside it (tests/farm/test_tryon.py)."""
    if not data.startswith(sepia()[:8]):
        raise Refusal("bad_tensor_file", "This file cannot be used.", field="file")


@pytest.fixture
def services(services: Services) -> Services:
    desk = Loras(
        services.database,
        services.store,
        catalog=services.catalog,
        book=services.plans,
        try_on=fits,
    )
    return replace(services, loras=desk)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def files(services: Services) -> list[str]:
    keys = [file.key async for page in services.store.list() for file in page]
    return [key for key in keys if key.startswith("loras/")]


async def seed(services: Services, text: str, who: str = "1001", guild: str | None = None) -> Any:
    """The recipe that this prompt would have."""
    person = Person(who, f"Person {who}", "free")
    ask = Ask("imagine", person, Venue(guild), str(uuid4()), None, text=text)
    return (await services.desk.ask(ask)).jobs[0].spec


async def test_a_lora_is_brought_listed_and_drawn_with(
    client: httpx.AsyncClient, services: Services
) -> None:
    answer = await bring(client, trigger="ink style")
    told = answer.json()
    assert answer.status_code == 201
    assert (told["name"], told["state"], told["mine"]) == ("ink", "own", True)
    assert told["handle"].startswith("ink.")
    assert [one["id"] for one in (await client.get("/v1/loras")).json()["data"]] == [told["id"]]
    assert (await client.get(f"/v1/loras/{told['id']}")).json() == told
    assert len(await files(services)) == 1
    for typed in ("--lora ink:0.5", f"--lora {told['handle']}:0.5", "--lora INK:0.5"):
        spec = await seed(services, f"a red boat {typed} --relax")
        assert [(one.name, one.weight) for one in spec.loras] == [(told["handle"], 0.5)]


async def test_the_same_again_is_the_same(client: httpx.AsyncClient, services: Services) -> None:
    first, again = await bring(client), await bring(client)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert len(await files(services)) == 1


async def test_a_name_is_one_s_own_but_not_the_catalog_s(
    client: httpx.AsyncClient, client_of: Open, new_key: NewKey
) -> None:
    await bring(client)
    other = sepia()[:-1] + b"\x00"
    assert code(await bring(client, data=other)) == (409, "name_taken")
    assert code(await bring(client, "sepia")) == (409, "name_taken")
    bo = await client_of(await new_key("1002"))
    assert (await bring(bo, data=other)).status_code == 201


@pytest.mark.parametrize("name", ["", "Ink", "a b", ".ink", "ink.1", "x" * 41, "ink\x00", "-ink"])
async def test_names_that_no_prompt_could_write_are_refused(
    client: httpx.AsyncClient, name: str
) -> None:
    answer = await bring(client, name)
    assert (answer.status_code, answer.json()["field"]) == (422, "name")


async def test_what_does_not_fit_is_kept_nowhere(
    client: httpx.AsyncClient, services: Services
) -> None:
    assert code(await bring(client, data=b"PK\x03\x04 a pickle")) == (422, "bad_tensor_file")
    assert code(await bring(client, checkpoint="dalle")) == (422, "unknown_checkpoint")
    assert (await client.get("/v1/loras")).json()["data"] == []
    assert await files(services) == []


async def test_what_is_too_large_is_not_looked_at(
    services: Services, settings: Settings, new_key: NewKey
) -> None:
    """A form is read before the key is looked at: large ones only from who may bring a LoRA."""
    small = {"max_upload_bytes": 2**20, "max_lora_bytes": 2**21}
    told = replace(
        services,
        settings=settings.model_copy(update={"api": settings.api.model_copy(update=small)}),
    )
    transport = httpx.ASGITransport(create_app(told))
    keys = {
        "uploader": await new_key(),
        "reader": await new_key("1002", scopes=("read",)),
        "forger": "pk_live_nobodys",
    }
    seen: dict[str, list[int]] = {}
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        for name, key in keys.items():
            client.headers["Authorization"] = f"Bearer {key}"
            sizes = (2**10, 2**20 + 1, 2**21)
            seen[name] = [(await bring(client, data=bytes(one))).status_code for one in sizes]
    assert seen == {
        "uploader": [422, 422, 413],
        "reader": [403, 413, 413],
        "forger": [401, 413, 413],
    }


async def test_another_s_is_not_there(
    client: httpx.AsyncClient, client_of: Open, new_key: NewKey, services: Services
) -> None:
    told = (await bring(client)).json()
    bo = await client_of(await new_key("1002"))
    path = f"/v1/loras/{told['id']}"
    for answer in (
        await bo.get(path),
        await bo.delete(path),
        await bo.patch(path, json={"visibility": "public"}),
        await bo.get(f"/v1/loras/{uuid4()}"),
    ):
        assert code(answer) == (404, "not_found")
    assert (await bo.get("/v1/loras")).json()["data"] == []
    for typed in ("ink", told["handle"]):
        with pytest.raises(Refusal) as refused:
            await seed(services, f"a boat --lora {typed}", "1002")
        assert refused.value.code == "unknown_adapter"
        assert told["handle"] not in refused.value.sentence.replace(typed, "")


async def test_others_use_it_once_a_moderator_said_so(
    client: httpx.AsyncClient, client_of: Open, new_key: NewKey, services: Services
) -> None:
    told = (await bring(client)).json()
    path, staff = f"/v1/loras/{told['id']}", await client_of(await new_key("9", scopes=ADMIN))
    bo = await client_of(await new_key("1002"))
    decide = f"/v1/moderation/loras/{told['id']}"
    assert code(await staff.post(f"{decide}/approve")) == (409, "already_decided")
    assert (await client.patch(path, json={"visibility": "public"})).json()["state"] == "waiting"
    assert (await bo.get(path)).status_code == 404
    assert [one["id"] for one in (await staff.get("/v1/moderation/loras")).json()["data"]] == [
        told["id"]
    ]
    assert (await staff.post(f"{decide}/approve")).json()["state"] == "public"
    shown = (await bo.get(path)).json()
    assert (shown["mine"], shown["state"]) == (False, "public")
    assert (await seed(services, "a boat --lora ink --relax", "1002")).loras[0].name == told[
        "handle"
    ]
    assert (await staff.post(f"{decide}/decline")).json()["state"] == "own"
    assert (await bo.get(path)).status_code == 404
    async with services.database.read() as session:
        rows = await session.execute(text("select action, subject from audit order by id"))
        assert [tuple(row) for row in rows][-2:] == [
            ("lora_approved", f"lora:{told['id']}"),
            ("lora_declined", f"lora:{told['id']}"),
        ]


async def test_one_that_waits_is_not_listed(
    client: httpx.AsyncClient, client_of: Open, new_key: NewKey, services: Services
) -> None:
    told = (await bring(client, visibility="public")).json()
    assert told["state"] == "waiting"
    bo = await client_of(await new_key("1002"))
    assert (await bo.get("/v1/loras")).json()["data"] == []
    with pytest.raises(Refusal):
        await seed(services, "a boat --lora ink", "1002")


async def test_nobody_approves_their_own(client_of: Open, new_key: NewKey) -> None:
    ada = await client_of(await new_key(scopes=(*ADMIN, "upload")))
    told = (await bring(ada, visibility="public")).json()
    answer = await ada.post(f"/v1/moderation/loras/{told['id']}/approve")
    assert code(answer) == (403, "no_self_approval")


async def test_one_of_a_server_is_its_server_s(
    client_of: Open, new_key: NewKey, services: Services
) -> None:
    here = await client_of(await new_key("1001", guild_id="12"))
    told = (await bring(here, visibility="public")).json()
    decide = f"/v1/moderation/loras/{told['id']}/approve"
    mods = ("read", "moderate")
    far = await client_of(await new_key("8", guild_id="99", rank=2, scopes=mods))
    assert code(await far.post(decide)) == (404, "not_found")
    assert (await far.get("/v1/moderation/loras")).json()["data"] == []
    viewer = await client_of(await new_key("7", guild_id="12", rank=1, scopes=mods))
    assert code(await viewer.post(decide)) == (403, "not_allowed")
    near = await client_of(await new_key("9", guild_id="12", rank=2, scopes=mods))
    assert (await near.post(decide)).json()["state"] == "public"
    for guild, status in (("12", 200), ("99", 404), (None, 404)):
        bo = await client_of(await new_key("1002", guild_id=guild))
        assert (await bo.get(f"/v1/loras/{told['id']}")).status_code == status
        assert len((await bo.get("/v1/loras")).json()["data"]) == (status == 200)
    assert (await seed(services, "a boat --lora ink --relax", "1002", "12")).loras
    with pytest.raises(Refusal):
        await seed(services, "a boat --lora ink --relax", "1002", "99")


async def test_what_was_deleted_is_gone(client: httpx.AsyncClient, services: Services) -> None:
    told = (await bring(client)).json()
    assert (await client.delete(f"/v1/loras/{told['id']}")).status_code == 204
    assert (await client.get(f"/v1/loras/{told['id']}")).status_code == 404
    assert await files(services) == []
    with pytest.raises(Refusal):
        await seed(services, "a boat --lora ink")
    again = (await bring(client)).json()
    assert again["handle"] != told["handle"]


async def test_what_comes_of_a_picture_wears_it_as_long_as_it_is_there(
    client: httpx.AsyncClient, services: Services
) -> None:
    told = (await bring(client)).json()
    person = Person("1001", "Person 1001", "free")
    await seed(services, "a boat --lora ink")
    (job,) = await services.desk.queue(person)
    async with services.database.begin() as session:
        await bring_to(session, job, JobState.SUCCEEDED)

    def again() -> Ask:
        return Ask("reroll", person, Venue(), str(uuid4()), None, job_id=job.id)

    receipt = await services.desk.ask(again())
    assert receipt.jobs[0].spec.loras[0].name == told["handle"]
    await client.delete(f"/v1/loras/{told['id']}")
    with pytest.raises(Refusal) as refused:
        await services.desk.ask(again())
    assert refused.value.code == "unknown_adapter"


async def test_a_quote_knows_it_too(client: httpx.AsyncClient, services: Services) -> None:
    await bring(client)
    person = Person("1001", "Person 1001", "free")
    ask = Ask("imagine", person, Venue(), "quoted", None, text="a boat --lora ink")
    assert (await services.desk.quote(ask)).jobs == 1
    with pytest.raises(Refusal, match="Did you mean “ink”"):
        await services.desk.quote(replace(ask, text="a boat --lora inc"))


async def test_there_are_so_many_and_no_more(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.loras.MOST_OWN", 2)
    assert MOST_OWN == 50
    assert [(await bring(client, f"ink-{n}")).status_code for n in range(2)] == [201, 201]
    assert code(await bring(client, "ink-3")) == (409, "too_many_loras")


async def test_whoever_is_suspended_brings_nothing(
    client: httpx.AsyncClient, services: Services
) -> None:
    await bring(client)
    async with services.database.begin() as session:
        account = await accounts.by_discord(session, "1001")
        assert account is not None
        await accounts.set_standing(session, account.id, Standing.SUSPENDED)
    answer = await bring(client, "ink-2")
    assert answer.json()["code"] == "account_suspended"


async def test_a_file_is_served_to_nobody(client: httpx.AsyncClient, services: Services) -> None:
    await bring(client)
    (key,) = await files(services)
    assert (await client.get(f"/assets/{key}")).status_code == 404


async def test_after_a_deletion_nothing_of_it_is_left(
    client: httpx.AsyncClient, services: Services
) -> None:
    """Its name and its trigger are its owner's words."""
    told = (await bring(client, "zoe-ink", trigger="marmalade")).json()
    async with services.database.begin() as session:
        names = {"kind": "lora", "name": told["handle"], "action": "load"}
        await wishes.add(session, ["worker-1"], **names)
    export = zipfile.ZipFile(BytesIO((await services.oversight.privacy.export("1001")).data))
    assert "marmalade" in export.read("loras.json").decode()
    erased = await services.oversight.privacy.delete("1001")
    assert erased.files == 1
    assert await files(services) == []
    async with services.database.read() as session:
        for table in ("loras", "wishes"):
            assert await session.scalar(text(f"select count(*) from {table}")) == 0


async def test_a_file_that_no_row_names_is_swept(
    client: httpx.AsyncClient, services: Services
) -> None:
    await bring(client)
    (kept,) = await files(services)
    lost = lorarows.new_key()
    await services.store.put(lost, b"lost", mime="application/octet-stream")
    farm = services.settings.farm.model_copy(update={"purge_grace_s": 0})
    chores = Maintenance(
        services.database,
        services.events,
        store=services.store,
        catalog=services.catalog,
        farm=farm,
    )
    assert await chores.purge_assets() == 1
    assert await files(services) == [kept]
