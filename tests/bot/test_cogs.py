"""What people do and see: the real bot, desk, Postgres and Redis, in the local Discord."""

import asyncio
from typing import Any
from uuid import UUID

import discord
import pytest
from pydantic import SecretStr

from bot.__main__ import wired
from bot.cards import Action, custom_id
from bot.emulator import people
from shared import accounts, ledger, lorarows
from shared.config import DatabaseSettings, RedisSettings, Settings
from shared.connections import Database, Session
from shared.errors import Fault
from shared.jobs import JobKind, JobState
from shared.lorarows import Lora
from tests.bot.connecting import connected
from tests.bot.house import BOAT, House, Json, buttons_of, text_of
from tests.conftest import TestServers
from tests.freezing import frozen
from tests.reading import pictures_of

SINGLE = [
    *("Upscale (Subtle)", "Upscale (Creative)", "Vary (Subtle)", "Vary (Strong)", "Vary (Region)"),
    *("Zoom Out 2x", "Zoom Out 1.5x", "Custom Zoom", "⬅️", "➡️", "⬆️", "⬇️", "❤️", "Open full picture"),
]


async def test_imagine_goes_from_waiting_over_progress_to_the_grid(house: House) -> None:
    job = await house.imagine()
    waiting = await house.see(job, "(Waiting to start)")
    assert text_of(waiting).startswith(f"**{BOAT}** - <@{people.FINN.id}>")
    assert list(buttons_of(waiting)) == ["Cancel"]
    job = await house.farm.start(job.id)
    await house.see(job, "(0%) (fast)")
    await house.farm.tell(job, 6)
    await house.see(job, "(50%) (fast)", "step 6 of 12")
    await house.farm.succeed(job)
    grid = await house.see(job, "1.2 GPU-seconds", "seed 7", pictured=True)
    assert list(buttons_of(grid)) == ["U1", "U2", "U3", "U4", "🔄", "V1", "V2", "V3", "V4", "Open"]
    assert grid["mentions"] == []


async def test_the_acknowledgement_comes_within_a_second(house: House) -> None:
    await house.imagine()
    callback = next(r for r in await house.local.requests() if r["path"].endswith("/callback"))
    opened = discord.utils.snowflake_time(int(callback["path"].split("/")[2])).timestamp()
    assert callback["at"] - opened < 1


REFUSED = [
    pytest.param("a boat --arr 3:2", ["Unknown parameter", "--arr", "--ar"], id="parameter"),
    pytest.param("a boat --seed seven", ["Invalid value", "--seed"], id="value"),
    pytest.param("   ", ["Nothing to draw"], id="empty"),
    pytest.param("boat " * 1199, ["too long"], id="long"),
    pytest.param("a boat --steps 40", ["steps", "30"], id="steps"),
]


@pytest.mark.parametrize(("prompt", "words"), REFUSED)
async def test_a_refusal_is_private_clear_and_free(
    house: House, prompt: str, words: list[str]
) -> None:
    opened = await house.local.slash(people.FINN, "imagine", prompt=prompt)
    told = text_of(await house.told(opened))
    assert [word for word in words if word not in told] == []
    assert "Nothing was charged" in told
    assert await house.local.messages(people.PAULA) == []
    assert await house.farm.open_ids() == []


async def test_a_blocked_prompt_is_refused_in_private(house: House) -> None:
    opened = await house.local.slash(people.FINN, "imagine", prompt="nude child")
    assert "blocked" in text_of(await house.told(opened)).lower()
    assert await house.local.messages(people.PAULA) == []
    assert await house.farm.open_ids() == []


async def test_a_full_line_names_its_cap(house: House) -> None:
    for number in range(4):
        await house.imagine(f"a red boat --seed {number}")
    last = await house.local.slash(people.FINN, "imagine", prompt="a red boat --seed 9")
    told = text_of(await house.told(last))
    assert "Your line is full" in told
    assert "4" in told


async def test_no_credit_names_the_price_and_relax(house: House) -> None:
    await house.farm.spend_all(people.FINN.id, people.FINN.global_name)
    opened = await house.local.slash(people.FINN, "imagine", prompt=BOAT)
    told = text_of(await house.told(opened))
    assert "Not enough GPU time" in told
    assert "--relax" in told
    assert (await house.imagine(BOAT + " --relax")).speed == "relax"


async def test_a_role_buys_its_plan(house: House) -> None:
    job = await house.imagine("a boat --steps 40", people.PAULA)
    assert job.plan == "paid"
    job = await house.imagine("a boat --steps 70", people.MONA)
    assert job.plan == "pro"


async def test_buttons_work_after_every_process_was_restarted(house: House) -> None:
    grid = await house.imagine()
    shown = await house.finish(grid)
    await house.restart()
    pressed = await house.local.click(people.FINN, shown["id"], buttons_of(shown)["U2"])
    upscale = await house.job_of(pressed)
    assert (upscale.kind, upscale.parent_id, upscale.parent_index) == (JobKind.UPSCALE, grid.id, 1)
    single = await house.finish(upscale)
    assert "Image #2" in text_of(single)
    assert list(buttons_of(single)) == SINGLE
    await house.restart()
    varied = await house.job_of(
        await house.local.click(people.FINN, single["id"], buttons_of(single)["Vary (Strong)"])
    )
    assert (varied.kind, varied.parent_id, varied.parent_index) == (JobKind.VARY, grid.id, 1)
    again = await house.job_of(
        await house.local.click(people.FINN, shown["id"], buttons_of(shown)["🔄"])
    )
    assert again.prompt == grid.prompt
    assert again.spec.seed != grid.spec.seed


async def test_somebody_elses_pictures_are_theirs(house: House) -> None:
    shown = await house.finish(await house.imagine())
    pressed = await house.local.click(people.PAULA, shown["id"], buttons_of(shown)["V3"])
    assert "somebody else" in text_of(await house.told(pressed, people.PAULA))
    assert await house.farm.open_ids() == []


async def test_cancel_by_its_button(house: House) -> None:
    job = await house.farm.start((await house.imagine()).id)
    shown = await house.see(job, "(0%)")
    await house.local.click(people.FINN, shown["id"], buttons_of(shown)["Cancel"])
    ended = await house.see(job, "(Cancelled)", "You were not charged")
    assert buttons_of(ended) == {}
    assert (await house.farm.load(job.id)).state is JobState.CANCELLED


async def test_somebody_elses_cancel_is_refused(house: House) -> None:
    job = await house.imagine()
    shown = await house.see(job, "(Waiting to start)")
    pressed = await house.local.click(people.PAULA, shown["id"], buttons_of(shown)["Cancel"])
    assert "somebody else" in text_of(await house.told(pressed, people.PAULA))
    assert (await house.farm.load(job.id)).state is JobState.WAITING
    assert await house.local.message(shown["id"])


async def test_cancel_by_command_takes_the_newest_or_the_picked(house: House) -> None:
    first, second = await house.imagine("a red boat"), await house.imagine("a blue boat")
    choices = await house.local.autocomplete(people.FINN, "cancel", "job", job="red")
    assert choices == [{"name": "waiting: a red boat", "value": first.id.hex}]
    assert await house.local.autocomplete(people.PAULA, "cancel", "job", job="") == []
    told = await house.told(await house.local.slash(people.FINN, "cancel"))
    assert "a blue boat" in text_of(told)
    await house.see(second, "(Cancelled)")
    await house.local.slash(people.FINN, "cancel", job=first.id.hex)
    await house.see(first, "(Cancelled)")
    told = await house.told(await house.local.slash(people.FINN, "cancel"))
    assert "Nothing of yours" in text_of(told)


async def test_a_cancel_too_late_or_of_nothing_is_refused(house: House) -> None:
    job = await house.imagine()
    await house.finish(job)
    told = await house.told(await house.local.slash(people.FINN, "cancel", job=job.id.hex))
    assert "Too late" in text_of(told)
    told = await house.told(await house.local.slash(people.FINN, "cancel", job="nonsense"))
    assert "no such job" in text_of(told)


async def test_info_queue_and_settings(house: House) -> None:
    await house.imagine()
    info = text_of(await house.told(await house.local.slash(people.FINN, "info")))
    assert "Free" in info
    assert "1 of 4" in info
    assert "held" in info
    queue = text_of(await house.told(await house.local.slash(people.FINN, "queue")))
    assert "a red sailboat" in queue
    assert "0 of 2 running, 1 of 4 waiting" in queue
    empty = text_of(await house.told(await house.local.slash(people.PAULA, "queue"), people.PAULA))
    assert "Nothing of yours" in empty
    said = text_of(await house.told(await house.local.slash(people.FINN, "settings")))
    assert "**Speed**: fast" in said
    opened = await house.local.slash(people.FINN, "settings", speed="relax")
    assert "**Speed**: relax" in text_of(await house.told(opened))
    assert (await house.imagine("a red boat")).speed == "relax"


async def test_a_speed_that_the_plan_lacks_is_refused(house: House) -> None:
    opened = await house.local.slash(people.FINN, "settings", speed="turbo")
    assert "turbo" in text_of(await house.told(opened)).lower()
    said = text_of(await house.told(await house.local.slash(people.FINN, "settings")))
    assert "**Speed**: fast" in said


async def test_unknown_words_are_told_politely_and_drawn_all_the_same(house: House) -> None:
    opened = await house.local.slash(people.FINN, "imagine", prompt="a red zeppelin at night")
    job = await house.job_of(opened)
    note = text_of(await house.told(opened))
    assert "zeppelin" in note
    await house.see(job, "(Waiting to start)")


async def test_the_empty_box_offers_ideas(house: House) -> None:
    ideas = await house.local.autocomplete(people.FINN, "imagine", "prompt", prompt="")
    assert ideas
    assert await house.local.autocomplete(people.FINN, "imagine", "prompt", prompt="a b") == []


async def test_loras_that_people_brought_are_offered(house: House, database: Database) -> None:
    """One's own by its name, another's by its handle once a moderator has approved it, and nobody else's."""
    finn = (await house.imagine("a red boat")).account_id
    paula = (await house.imagine("a blue boat", people.PAULA)).account_id
    async with database.begin() as session:
        await _brought(session, finn, "my-ink")
        shared = await _brought(session, paula, "her-ink", visibility="public")
        await lorarows.change(session, shared.id, approved_at=shared.created_at)
        await _brought(session, paula, "secret-ink")

    async def offered(**typed: str) -> list[str]:
        (box,) = typed
        choices = await house.local.autocomplete(people.FINN, "imagine", box, **typed)
        return [one["value"] for one in choices]

    assert await offered(lora="ink") == ["my-ink", shared.handle]
    assert "sepia" in await offered(lora="")
    assert await offered(prompt="a boat --lora my") == ["a boat --lora my-ink"]


async def test_several_pictures_have_several_messages(house: House) -> None:
    first = await house.imagine("a red boat --repeat 3", people.PAULA)
    async with asyncio.timeout(10):
        while (
            len(
                {(await house.farm.route(i)).message_id for i in await house.farm.open_ids()} - {""}
            )
            < 3
        ):
            await asyncio.sleep(0.05)
    for job_id in await house.farm.open_ids():
        await house.finish(await house.farm.load(job_id))
    assert first.plan == "paid"
    pictured = [m for m in await house.local.messages(people.PAULA) if pictures_of(m)]
    assert len(pictured) == 3


async def test_old_and_forged_buttons_get_an_answer(house: House) -> None:
    forged = custom_id(Action.UPSCALE, UUID(int=99), 0)
    rows = [{"type": 1, "components": [
        {"type": 2, "style": 2, "label": "old", "custom_id": "mj:old"},
        {"type": 2, "style": 2, "label": "forged", "custom_id": forged},
    ]}]  # fmt: skip
    route = discord.http.Route(
        "POST", "/channels/{channel_id}/messages", channel_id=people.IMAGINE_CHANNEL_ID
    )
    sent = await house.bot.http.request(route, json={"content": "old", "components": rows})
    pressed = await house.local.click(people.FINN, sent["id"], "mj:old")
    assert "another time" in text_of(await house.told(pressed))
    pressed = await house.local.click(people.FINN, sent["id"], forged)
    assert "Nothing was charged" in text_of(await house.told(pressed))


async def test_without_postgres_or_redis_it_answers_and_lives(
    house: House, house_settings: Settings
) -> None:
    await house.stop()
    away = house_settings.model_copy(
        update={
            "database": DatabaseSettings(url=SecretStr("postgresql://u:p@127.0.0.1:1/none")),
            "redis": RedisSettings(url=SecretStr("redis://127.0.0.1:1/0")),
        }
    )
    await house.start(away)
    told = text_of(await house.told(await house.local.slash(people.FINN, "imagine", prompt=BOAT)))
    assert "try again" in told
    assert "You were not charged" in told
    assert "Incident" in told
    told = text_of(await house.told(await house.local.slash(people.FINN, "info")))
    assert "try again" in told
    assert await house.local.autocomplete(people.FINN, "cancel", "job", job="") == []
    await house.restart()
    await house.see(await house.imagine(), "(Waiting to start)")


async def test_commands_are_published_once(house: House) -> None:
    def published(entries: list[Json]) -> int:
        return sum(e["method"] == "PUT" and e["path"].endswith("/commands") for e in entries)

    assert published(await house.local.requests()) == 1
    await house.restart()
    assert not await house.bot.publish_commands()
    assert published(await house.local.requests()) == 1
    house.bot.tree.remove_command("queue")
    assert await house.bot.publish_commands()


async def test_logins_are_guarded(house: House) -> None:
    await house.bot.guard_logins()
    await house.local.bend(identify_total=50)
    with pytest.raises(Fault, match="logins"):
        await house.bot.guard_logins()


async def test_a_server_not_yet_known_costs_nobody_their_plan(house: House) -> None:
    assert (await house.imagine("a red boat", people.PAULA)).plan == "paid"
    guild = house.bot.get_guild(int(people.GUILD_ID))
    assert guild
    guild._roles.clear()  # as between a connection and its GUILD_CREATE
    assert (await house.imagine("a blue boat", people.PAULA)).plan == "paid"
    asked = [entry["path"] for entry in await house.local.requests()]
    assert f"/guilds/{people.GUILD_ID}/roles" in asked


async def test_two_bots_hear_it_and_one_job_comes_of_it(
    house: House, house_settings: Settings
) -> None:
    async with wired(house_settings) as twin, connected(twin, house.local):
        await twin.wait_until_ready()
        job = await house.imagine()
        await house.see(job, "(Waiting to start)")
        await house.finish(job)
    assert len(await house.local.messages(people.FINN)) == 1
    callbacks = [r for r in await house.local.requests() if r["path"].endswith("/callback")]
    assert sorted(entry["status"] for entry in callbacks) == [200, 400]


async def test_a_frozen_database_still_gets_an_answer(
    house: House, house_settings: Settings, database: Database
) -> None:
    await house.imagine()  # the account is there, so the next one meets its lock
    impatient = house_settings.database.model_copy(update={"lock_timeout_ms": 200})
    await house.stop()
    await house.start(house_settings.model_copy(update={"database": impatient}))
    async with database.begin() as session:
        account = await accounts.by_discord(session, people.FINN.id)
        assert account
        await ledger.balance(session, account.id, lock=True)
        opened = await house.local.slash(people.FINN, "imagine", prompt=BOAT)
        told = text_of(await house.told(opened))
    assert "try again" in told
    assert len(await house.farm.open_ids()) == 1


ANSWER_WITHIN_S = 3.0  # of patience that a person has, and of Discord's for a first answer


async def test_while_postgres_is_frozen_it_says_try_again_in_time_and_goes_on_after(
    house: House, servers: TestServers
) -> None:
    await house.imagine()
    for command, words in (("imagine", {"prompt": BOAT}), ("info", {}), ("queue", {})):
        with frozen(servers.servers.postgres.pid):
            opened = await house.local.slash(people.FINN, command, **words)
            async with asyncio.timeout(ANSWER_WITHIN_S):
                told = text_of(await house.told(opened))
        assert "try again" in told, command
    await is_back(house)
    await house.see(await house.imagine(), "(Waiting to start)")


async def test_started_before_postgres_it_says_try_again_and_finds_it_later(
    house: House, servers: TestServers
) -> None:
    await house.stop()
    with frozen(servers.servers.postgres.pid):
        await house.start()
        await asyncio.sleep(4.0)  # the courier has met its limits by then
        opened = await house.local.slash(people.FINN, "imagine", prompt=BOAT)
        async with asyncio.timeout(ANSWER_WITHIN_S):
            assert "try again" in text_of(await house.told(opened))
    await is_back(house)
    await house.finish(await house.imagine())


async def is_back(house: House) -> None:
    async with asyncio.timeout(15.0):
        while "try again" in text_of(
            await house.told(await house.local.slash(people.FINN, "info"))
        ):
            await asyncio.sleep(0.2)


async def _brought(session: Session, account_id: UUID, name: str, **told: Any) -> Lora:
    row = {"account_id": account_id, "name": name, "checkpoint": "postcards", "size": 1}
    file = {"key": lorarows.new_key(), "sha256": "0" * 64, "trigger": "ink style"}
    return await lorarows.add(session, **row, **file, **told)
