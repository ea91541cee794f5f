"""The courier against the local Discord, with real rows and a clock of the test's own."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from bot.courier import Courier
from bot.emulator import people
from bot.emulator.client import LocalDiscord
from bot.lanes import AT_ONCE
from bot.mail import Mail
from bot.news import EARLY_NEWS
from bot.veils import Veils
from shared import assets, deliveries, guildrows, jobstore, preferencerows
from shared.config import Settings
from shared.connections import Database, Session, connect_redis
from shared.events import EventKind, Events, JobEvent
from shared.guilds import with_spoilers
from shared.jobs import Job, Route
from shared.outlooks import Outlooks, waiting_event
from shared.plans import read_plans
from shared.preferences import Preferences
from shared.storage import LocalStore
from shared.waits import Outlook
from tests.bot.clerk import Clerk
from tests.bot.farmhand import Farmhand, progress
from tests.bot.making import NOWHERE, PAINTER, make_job
from tests.reading import buttons_of, gallery_of, headline_of, pictures_of, rows_of, text_of


class Watch:
    """Starts now and moves only when told."""

    def __init__(self) -> None:
        self.moment = datetime.now(UTC)

    def now(self) -> datetime:
        return self.moment

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


class Desk:
    """A courier whose turns the test takes, and hands at the farm."""

    def __init__(self, clerk: Clerk, database: Database, redis: "Redis", farm: Farmhand) -> None:
        self.watch, self.farm = Watch(), farm
        self.events, self.outlooks = Events(redis), Outlooks(redis)
        self._parts = (clerk, database)
        self.courier = self.restart()

    def restart(self) -> Courier:
        """What a new process knows: the rows."""
        clerk, database = self._parts
        self.courier = Courier(
            Mail(clerk, NOWHERE),
            database=database,
            events=self.events,
            outlooks=self.outlooks,
            painter=PAINTER,
            interval_s=1.5,
            now=self.watch.now,
        )
        return self.courier

    async def turn(self) -> None:
        await self.courier.reconcile()
        await self.edit()

    async def edit(self) -> None:
        self.courier.step()
        await self.courier.settle()


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator["Redis"]:
    client = connect_redis(settings.redis)
    yield client
    await client.aclose()


@pytest.fixture
def farm(settings: Settings, database: Database, redis: "Redis") -> Farmhand:
    return Farmhand(database, Events(redis), read_plans(settings.plans_file))


@pytest.fixture
def desk(clerk: Clerk, database: Database, redis: "Redis", farm: Farmhand) -> Desk:
    return Desk(clerk, database, redis, farm)


def foreseen(job: Job, position: int) -> Outlook:
    return Outlook(
        job.id,
        position,
        start_s=100,
        eta_s=170,
        eta_low_s=118,
        eta_high_s=251,
        reason="the model is loading",
    )


async def line(local: LocalDiscord, message_id: str) -> str:
    return text_of(await local.message(message_id)).partition("\n")[2]


async def edits(local: LocalDiscord) -> list[dict[str, Any]]:
    return [entry for entry in await local.requests() if entry["method"] == "PATCH"]


async def content(local: LocalDiscord, message_id: str) -> str:
    return headline_of(await local.message(message_id))


async def test_a_message_lives_from_waiting_to_the_grid(
    desk: Desk, local: LocalDiscord, route: Route
) -> None:
    job = await desk.farm.accept(route)
    await desk.turn()
    assert "(Waiting to start)" in await content(local, route.message_id)
    job = await desk.farm.start(job.id)
    desk.watch.advance(2)
    await desk.turn()
    assert "(0%) (fast)" in await content(local, route.message_id)
    desk.courier.hear(progress(job, 6))
    desk.watch.advance(2)
    await desk.edit()
    assert "(50%) (fast)" in await content(local, route.message_id)
    await desk.farm.succeed(job)
    await desk.turn()
    message = await local.message(route.message_id)
    assert pictures_of(message)[0].endswith("/grid.webp")
    assert await desk.farm.open_ids() == []
    assert (await desk.farm.route(job.id)).token is None


async def test_progress_is_coalesced_to_one_edit_an_interval(
    desk: Desk, local: LocalDiscord, route: Route
) -> None:
    job = await desk.farm.accept(route)
    job = await desk.farm.start(job.id)
    await desk.turn()
    for step in range(1, 12):
        desk.courier.hear(progress(job, step))
        await desk.edit()
        desk.watch.advance(0.3)
    # Eleven pieces of news in three seconds: one edit at the start and one after each 1.5 s.
    assert len(await edits(local)) == 3
    assert "(92%)" in await content(local, route.message_id)


async def test_nothing_new_is_nothing_sent(desk: Desk, local: LocalDiscord, route: Route) -> None:
    await desk.farm.accept(route)
    for _ in range(5):
        await desk.turn()
        desk.watch.advance(5)
    assert len(await edits(local)) == 1


async def test_the_end_waits_for_no_interval_and_nothing_follows_it(
    desk: Desk, local: LocalDiscord, route: Route
) -> None:
    job = await desk.farm.accept(route)
    job = await desk.farm.start(job.id)
    await desk.turn()
    await desk.farm.succeed(job)
    await desk.turn()
    done = await content(local, route.message_id)
    assert done.endswith("(fast)")
    desk.courier.hear(progress(job, 11))
    desk.watch.advance(5)
    await desk.turn()
    assert await content(local, route.message_id) == done
    assert len(await edits(local)) == 2


async def test_a_slow_progress_edit_is_outlived_by_the_end(
    desk: Desk, local: LocalDiscord, route: Route
) -> None:
    job = await desk.farm.accept(replace(route, token=None))
    await desk.turn()  # discord.py has now learnt that this bucket takes several at once
    job = await desk.farm.start(job.id)
    await local.add_fault("delay", "/channels/", times=1, seconds=0.5)
    desk.watch.advance(2)
    await desk.courier.reconcile()
    desk.courier.step()
    await asyncio.sleep(0.1)
    await desk.farm.succeed(job)
    await desk.courier.reconcile()
    desk.courier.step()  # while progress is still in the air
    await asyncio.sleep(0.6)
    await desk.edit()
    assert pictures_of(await local.message(route.message_id))
    assert await desk.farm.open_ids() == []


async def test_an_ended_job_is_painted_over_no_more_after_another_process_ended_it(
    desk: Desk, local: LocalDiscord, route: Route
) -> None:
    job = await desk.farm.accept(route)
    job = await desk.farm.start(job.id)
    await desk.turn()
    old = desk.courier
    await desk.farm.succeed(job)
    desk.restart()
    await desk.turn()
    desk.watch.advance(2)
    old.hear(progress(job, 9))
    old.step()  # the old process paints progress over the picture
    await old.settle()
    assert "(75%)" in await content(local, route.message_id)
    await old.reconcile()
    old.step()
    await old.settle()
    assert pictures_of(await local.message(route.message_id))


async def test_after_the_token_ran_out_the_bot_edits(
    desk: Desk, local: LocalDiscord, route: Route
) -> None:
    job = await desk.farm.accept(route)
    await desk.turn()
    await local.advance(16 * 60)
    desk.watch.advance(16 * 60)
    await desk.turn()
    assert (await desk.farm.route(job.id)).token is None
    job = await desk.farm.start(job.id)
    await desk.farm.succeed(job)
    await desk.turn()
    assert pictures_of(await local.message(route.message_id))
    assert (await edits(local))[-1]["path"].startswith("/channels/")
    assert [e["status"] for e in await edits(local)] == [200, 200]


async def test_an_hour_later_progress_rests_and_the_end_is_one_edit(
    desk: Desk, local: LocalDiscord, route: Route
) -> None:
    job = await desk.farm.accept(replace(route, token=None))
    await desk.turn()
    await local.bend(old_edits_allowed=1)
    await local.advance(3700)
    desk.watch.advance(3700)
    job = await desk.farm.start(job.id)
    for step in range(1, 6):
        desk.courier.hear(progress(job, step))
        desk.watch.advance(5)
        await desk.turn()
    assert len(await edits(local)) == 1
    await desk.farm.succeed(job)
    await desk.turn()
    assert [entry["status"] for entry in await edits(local)] == [200, 200]
    assert pictures_of(await local.message(route.message_id))


async def test_a_deleted_message_rests_and_the_picture_comes_as_a_new_one(
    desk: Desk, local: LocalDiscord, route: Route
) -> None:
    job = await desk.farm.accept(route)
    await desk.turn()
    await local.delete_message(people.MONA, route.message_id)
    job = await desk.farm.start(job.id)
    for step in range(1, 5):
        desk.courier.hear(progress(job, step))
        desk.watch.advance(2)
        await desk.turn()
    assert await local.messages(people.FINN) == []
    assert sum(entry["status"] == 404 for entry in await edits(local)) == 1
    await desk.farm.succeed(job)
    await desk.turn()
    [message] = await local.messages(people.FINN)
    assert pictures_of(message)
    assert message["mentions"] == []
    assert (await desk.farm.route(job.id)).message_id == message["id"]


async def test_nobody_can_be_reached_and_the_job_keeps_its_end(
    desk: Desk, local: LocalDiscord, route: Route
) -> None:
    await local.close_direct(people.FINN)
    await local.delete_channel()
    job = await desk.farm.accept(route)
    job = await desk.farm.start(job.id)
    await desk.farm.succeed(job)
    await desk.turn()
    assert await desk.farm.open_ids() == []
    assert (await desk.farm.load(job.id)).state == "succeeded"


@pytest.mark.parametrize("kind", ["status", "drop", "lose"])
async def test_trouble_on_the_line_is_outlasted(
    desk: Desk, local: LocalDiscord, route: Route, kind: str
) -> None:
    await local.add_fault(
        kind, "/channels/", times=2, **({"status": 503} if kind == "status" else {})
    )
    job = await desk.farm.accept(replace(route, token=None))
    await desk.farm.succeed(await desk.farm.start(job.id))
    await desk.turn()
    assert await desk.farm.open_ids() == [job.id]
    for _ in range(2):
        desk.watch.advance(60)
        await desk.edit()
    assert await desk.farm.open_ids() == []
    assert len(await local.messages(people.FINN)) == 1


async def test_a_job_given_back_waits_again_and_its_old_progress_is_forgotten(
    desk: Desk, local: LocalDiscord, route: Route
) -> None:
    job = await desk.farm.accept(route)
    job = await desk.farm.start(job.id)
    await desk.turn()
    desk.courier.hear(progress(job, 9))
    await desk.farm.give_back(job)
    desk.watch.advance(2)
    await desk.turn()
    assert "(Waiting to start)" in await content(local, route.message_id)
    again = await desk.farm.start(job.id)
    assert again.attempt == 2
    desk.watch.advance(2)
    await desk.turn()
    assert "(0%)" in await content(local, route.message_id)


async def test_a_failure_tells_why_and_offers_nothing_more(
    desk: Desk, local: LocalDiscord, route: Route
) -> None:
    job = await desk.farm.start((await desk.farm.accept(route)).id)
    await desk.farm.fail(job, "The storage did not answer.")
    await desk.turn()
    message = await local.message(route.message_id)
    assert "(Failed)" in headline_of(message)
    assert "The storage did not answer. You were not charged." in text_of(message)
    assert buttons_of(message) == {}


async def test_a_job_without_a_message_yet_gets_one_of_its_own(
    desk: Desk, local: LocalDiscord, route: Route
) -> None:
    job = await desk.farm.accept(replace(route, message_id=""))
    await desk.turn()
    kept = await desk.farm.route(job.id)
    assert "(Waiting to start)" in await content(local, kept.message_id)
    desk.restart()
    await desk.turn()
    assert len(await local.messages(people.FINN)) == 2  # the acknowledgement and the job's own


async def test_it_lives_through_a_restart_in_mid_job(
    desk: Desk, local: LocalDiscord, route: Route
) -> None:
    job = await desk.farm.start((await desk.farm.accept(route)).id)
    await desk.turn()
    desk.restart()
    await desk.farm.succeed(job)
    await desk.turn()
    assert pictures_of(await local.message(route.message_id))


async def until_grid(local: LocalDiscord, message_id: str) -> None:
    def shown(message: dict[str, Any]) -> bool:
        return message["id"] == message_id and bool(pictures_of(message))

    await local.wait_message(shown, timeout=10)


async def test_running_it_hears_events_and_reads_rows(
    desk: Desk, local: LocalDiscord, route: Route, clerk: Clerk
) -> None:
    desk.watch.now = lambda: datetime.now(UTC)  # type: ignore[method-assign]
    task = asyncio.create_task(desk.restart().run())
    job: Job = await desk.farm.accept(route)
    desk.courier.expect([job])
    assert await desk.courier.shown(job)
    job = await desk.farm.start(job.id)
    await desk.farm.tell(job, 5)
    await local.wait_message(lambda m: "(42%)" in text_of(m), timeout=10)
    await desk.farm.succeed(job)
    await until_grid(local, route.message_id)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_without_redis_the_rows_suffice(
    clerk: Clerk, database: Database, farm: Farmhand, local: LocalDiscord, route: Route
) -> None:
    away = Redis(host="127.0.0.1", port=1, socket_connect_timeout=0.2)
    courier = Courier(
        Mail(clerk, NOWHERE),
        database=database,
        events=Events(away),
        outlooks=Outlooks(away),
        painter=PAINTER,
        interval_s=1.5,
    )
    task = asyncio.create_task(courier.run())
    job = await farm.start((await farm.accept(route)).id)
    await farm.succeed(job)
    await until_grid(local, route.message_id)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_after_a_restart_the_wait_is_told_at_once(
    desk: Desk, local: LocalDiscord, route: Route
) -> None:
    job = await desk.farm.accept(route)
    await desk.outlooks.publish([foreseen(job, 3)])
    desk.restart()
    await desk.turn()
    told = await line(local, route.message_id)
    assert told == "Position 3 · about 2 to 4 min\nthe model is loading"


async def test_an_event_is_newer_than_the_board(
    desk: Desk, local: LocalDiscord, route: Route
) -> None:
    job = await desk.farm.accept(route)
    await desk.outlooks.publish([foreseen(job, 3)])
    desk.courier.hear(waiting_event(foreseen(job, 2)))
    await desk.turn()
    assert "Position 2" in await line(local, route.message_id)


async def test_what_a_dead_dispatcher_foresaw_is_taken_back(
    desk: Desk, local: LocalDiscord, route: Route
) -> None:
    job = await desk.farm.accept(route)
    await desk.outlooks.publish([foreseen(job, 3)])
    await desk.turn()
    await desk.outlooks.forget()
    desk.watch.advance(9)
    await desk.turn()
    assert "Position 3" in await line(local, route.message_id)
    desk.watch.advance(2)
    await desk.turn()
    assert await line(local, route.message_id) == "In line for a GPU."
    await desk.outlooks.publish([foreseen(job, 1)])
    desk.watch.advance(2)
    await desk.turn()
    assert "Position 1" in await line(local, route.message_id)


async def test_where_links_cannot_be_reached_pictures_are_uploaded(
    desk: Desk, local: LocalDiscord, route: Route, clerk: Clerk, tmp_path: Path, database: Database
) -> None:
    store = LocalStore(tmp_path, "http://127.0.0.1:1")
    courier = Courier(
        Mail(clerk, store),
        database=database,
        events=desk.events,
        outlooks=desk.outlooks,
        painter=replace(PAINTER, linked=False),
        interval_s=1.5,
    )
    job = await desk.farm.start((await desk.farm.accept(route)).id)
    await store.put("preview.webp", b"half a boat", mime="image/webp")
    await courier.reconcile()
    courier.hear(JobEvent(job.id, EventKind.PREVIEW, key="preview.webp"))
    courier.step()
    await courier.settle()
    [preview] = (await local.message(route.message_id))["attachments"]
    assert await local.fetch(preview["url"]) == b"half a boat"
    await desk.farm.succeed(job)
    await store.put(f"{job.id}/1/grid.webp", b"four boats", mime="image/webp")
    await courier.reconcile()
    courier.step()
    await courier.settle()
    message = await local.message(route.message_id)
    [picture] = message["attachments"]
    assert await local.fetch(picture["url"]) == b"four boats"
    [item] = gallery_of(message)
    assert item["media"]["url"] == picture["url"]
    assert item["description"] == picture["description"]
    assert item["description"].startswith("Four pictures of: a red sailboat. 1 and 2 above")
    assert [len(row) for row in rows_of(message)] == [5, 4]


async def test_a_picture_that_is_gone_still_ends_the_message(
    desk: Desk, local: LocalDiscord, route: Route, clerk: Clerk, tmp_path: Path, database: Database
) -> None:
    courier = Courier(
        Mail(clerk, LocalStore(tmp_path, "http://127.0.0.1:1")),
        database=database,
        events=desk.events,
        outlooks=desk.outlooks,
        painter=replace(PAINTER, linked=False),
        interval_s=1.5,
    )
    await desk.farm.succeed(await desk.farm.start((await desk.farm.accept(route)).id))
    await courier.reconcile()
    courier.step()
    await courier.settle()
    message = await local.message(route.message_id)
    assert "seed 7" in text_of(message)
    assert message["attachments"] == []
    assert await desk.farm.open_ids() == []


async def test_ends_go_before_progress_and_all_of_it_in_measure(
    desk: Desk, local: LocalDiscord, route: Route
) -> None:
    for number in range(6):
        await desk.farm.accept(replace(route, message_id=""), f"boat {number}")
    newest = await desk.farm.accept(route, "boat 6")
    await desk.farm.succeed(await desk.farm.start(newest.id))
    await desk.courier.reconcile()
    before = len(await local.requests())
    await desk.edit()
    assert len(await local.requests()) - before == AT_ONCE
    assert newest.id not in await desk.farm.open_ids()


async def test_an_end_does_not_wait_for_progress_that_failed(
    desk: Desk, local: LocalDiscord, route: Route
) -> None:
    job = await desk.farm.start((await desk.farm.accept(route)).id)
    await local.add_fault("drop", "/webhooks/", times=1)
    await desk.turn()  # progress failed and is put off
    await desk.farm.succeed(job)
    await desk.turn()
    assert pictures_of(await local.message(route.message_id))


async def test_rows_read_before_the_end_bring_nothing_back(
    desk: Desk, local: LocalDiscord, route: Route, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await desk.farm.start((await desk.farm.accept(route)).id)
    await desk.farm.succeed(job)
    await desk.courier.reconcile()
    read, gate = jobstore.open_deliveries, asyncio.Event()

    async def slowly(session: Session) -> list[tuple[Job, Route]]:
        rows = await read(session)
        await gate.wait()
        return rows

    monkeypatch.setattr(jobstore, "open_deliveries", slowly)
    looking = asyncio.create_task(desk.courier.reconcile())
    await asyncio.sleep(0.1)
    await desk.edit()
    gate.set()
    await looking
    await desk.edit()
    assert len(await edits(local)) == 1


async def test_news_that_outruns_the_row_is_kept_but_not_for_ever(
    desk: Desk, local: LocalDiscord, route: Route
) -> None:
    job = await desk.farm.accept(route)
    desk.courier.hear(JobEvent(job.id, EventKind.WAITING, position=3, eta_s=9.0))
    await desk.turn()
    assert await line(local, route.message_id) == "Position 3 · about 9 s"
    for _ in range(EARLY_NEWS + 10):
        desk.courier.hear(JobEvent(uuid4(), EventKind.PROGRESS, step=1, steps=2))
    assert len(desk.courier._early.kept) == EARLY_NEWS


async def withdraw(database: Database, job: Job) -> None:
    async with database.begin() as session:
        keys = await assets.withdraw_job(session, job.id)
        await deliveries.reopen(session, keys)


async def test_a_withdrawn_picture_leaves_its_message(
    desk: Desk, database: Database, local: LocalDiscord, route: Route
) -> None:
    job = await desk.farm.start((await desk.farm.accept(route)).id)
    await desk.farm.succeed(job)
    await desk.turn()
    await withdraw(database, job)
    await desk.turn()
    message = await local.message(route.message_id)
    assert "(Withdrawn)" in headline_of(message)
    assert job.prompt not in text_of(message)
    assert pictures_of(message) == []
    assert buttons_of(message) == {}
    assert await desk.farm.open_ids() == []


async def test_what_cannot_be_edited_any_more_is_deleted_and_nothing_new_is_posted(
    desk: Desk, database: Database, local: LocalDiscord, route: Route
) -> None:
    job = await desk.farm.start((await desk.farm.accept(route)).id)
    await desk.farm.succeed(job)
    await desk.turn()
    await withdraw(database, job)
    await local.add_fault("status", "/messages/", status=403, method="PATCH")
    await desk.turn()
    assert await local.messages(people.FINN) == []
    assert await desk.farm.open_ids() == []


# --- covers, copies and sizes --------------------------------------------------------------------


async def covered(local: LocalDiscord, message_id: str) -> bool:
    [item] = gallery_of(await local.message(message_id))
    return bool(item["spoiler"])


async def veiled(desk: Desk, clerk: Clerk, database: Database) -> Courier:
    return Courier(
        Mail(clerk, NOWHERE),
        database=database,
        events=desk.events,
        outlooks=desk.outlooks,
        painter=PAINTER,
        interval_s=1.5,
        veil=Veils(clerk, database).over,
    )


@pytest.mark.parametrize("asked_for", [False, True])
async def test_pictures_are_covered_where_a_server_asks_for_it(
    desk: Desk, database: Database, local: LocalDiscord, route: Route, clerk: Clerk, asked_for: bool
) -> None:
    if asked_for:
        async with database.begin() as session:
            await guildrows.change(
                session,
                str(route.guild_id),
                lambda rules: with_spoilers(rules, route.channel_id, wanted=True),
                "1",
            )
    courier = await veiled(desk, clerk, database)
    job = await desk.farm.start((await desk.farm.accept(route)).id)
    await courier.reconcile()
    courier.hear(JobEvent(job.id, EventKind.PREVIEW, key="preview.webp"))
    courier.step()
    await courier.settle()
    assert await covered(local, route.message_id) is asked_for
    await desk.farm.succeed(job)
    await courier.reconcile()
    courier.step()
    await courier.settle()
    assert await covered(local, route.message_id) is asked_for


async def test_what_is_judged_strictly_is_covered_where_adults_are(
    database: Database, route: Route, clerk: Clerk
) -> None:
    veils, now = Veils(clerk, database), datetime.now(UTC)
    after_dark = replace(route, channel_id=people.AFTER_DARK_CHANNEL_ID)
    strict = make_job(strict=True)
    assert await veils.over(strict, after_dark, now)
    assert not await veils.over(make_job(), after_dark, now)
    assert not await veils.over(strict, route, now)


@pytest.mark.parametrize("wanted", [False, True])
async def test_who_wants_it_gets_a_direct_message_too(
    desk: Desk, database: Database, local: LocalDiscord, route: Route, wanted: bool
) -> None:
    job = await desk.farm.accept(route)
    async with database.begin() as session:
        await preferencerows.write(session, job.account_id, Preferences(auto_dm=wanted))
    await desk.farm.succeed(await desk.farm.start(job.id))
    await desk.turn()
    assert pictures_of(await local.message(route.message_id))
    direct = await local.direct(people.FINN)
    assert len(await local.messages(people.FINN, direct)) == int(wanted)


async def test_a_closed_direct_message_takes_nothing_from_the_channel(
    desk: Desk, database: Database, local: LocalDiscord, route: Route
) -> None:
    await local.close_direct(people.FINN)
    job = await desk.farm.accept(route)
    async with database.begin() as session:
        await preferencerows.write(session, job.account_id, Preferences(auto_dm=True))
    await desk.farm.succeed(await desk.farm.start(job.id))
    await desk.turn()
    assert await desk.farm.open_ids() == []
