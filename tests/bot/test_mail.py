"""The ways to a person, against the local Discord: which are tried, and in which order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import discord
import pytest
from PIL import Image

from bot.cards import Card
from bot.emulator import people
from bot.emulator.client import LocalDiscord
from bot.mail import Later, Mail, Shut, nonce_of
from bot.messages import Painter
from bot.ways import Way
from shared.jobs import JobState, Route
from shared.storage import LocalStore
from tests.bot.clerk import Clerk
from tests.bot.making import JOB_ID, NOWHERE, PAINTER, Shown, make_job
from tests.reading import headline_of, pictures_of, rows_of, text_of

ANY = frozenset(Way)
GRID = (Shown("grid", 0, "grid.webp"),)
JOB = make_job(JobState.SUCCEEDED)
DONE = PAINTER.paint(JOB, people.FINN.id, pictures=GRID)


async def deliver(
    clerk: Clerk, route: Route, card: Card = DONE, allowed: frozenset[Way] = ANY
) -> Route:
    return await Mail(clerk, NOWHERE).deliver(
        card, JOB, route, now=datetime.now(UTC), allowed=allowed
    )


async def test_a_fresh_message_is_edited_by_its_token(
    clerk: Clerk, local: LocalDiscord, route: Route
) -> None:
    assert await deliver(clerk, route) == route
    message = await local.message(route.message_id)
    assert headline_of(message) == DONE.content
    assert pictures_of(message) == ["https://cdn.example/grid.webp"]
    assert [len(row) for row in rows_of(message)] == [5, 5]
    assert message["mentions"] == []
    last = (await local.requests())[-1]
    assert last["path"].startswith("/webhooks/")


async def test_a_message_from_before_layouts_becomes_one_and_no_view_is_remembered(
    clerk: Clerk, local: LocalDiscord, route: Route
) -> None:
    place = discord.Object(int(route.message_id))
    channel = clerk.get_partial_messageable(int(route.channel_id))
    await channel.get_partial_message(place.id).edit(
        content="as it was", embed=discord.Embed(description="an embed")
    )
    await deliver(clerk, route)
    await deliver(clerk, route)  # and again, now that it is a layout
    message = await local.message(route.message_id)
    assert headline_of(message) == DONE.content
    assert (message["content"], message["embeds"]) == ("", [])
    store: Any = clerk._connection._view_store
    assert (store._views, store._synced_message_views) == ({}, {})


async def test_after_thirteen_minutes_the_bot_edits_itself(
    clerk: Clerk, local: LocalDiscord, route: Route
) -> None:
    late = route.token_expires_at
    assert late
    went = await Mail(clerk, NOWHERE).deliver(
        DONE, JOB, route, now=late - timedelta(seconds=59), allowed=ANY
    )
    assert went == replace(route, token=None)
    assert headline_of(await local.message(route.message_id)) == DONE.content
    assert (await local.requests())[-1]["path"].startswith("/channels/")


async def test_a_token_refused_early_costs_one_try(
    clerk: Clerk, local: LocalDiscord, route: Route
) -> None:
    went = await deliver(clerk, replace(route, token="x" * 40))
    assert went.message_id == route.message_id
    assert [r["status"] for r in (await local.requests())[-2:]] == [404, 200]


async def test_a_deleted_message_becomes_a_new_one_that_mentions_nobody(
    clerk: Clerk, local: LocalDiscord, route: Route
) -> None:
    await local.delete_message(people.MONA, route.message_id)
    went = await deliver(clerk, route)
    assert went.message_id != route.message_id
    message = await local.message(went.message_id)
    assert headline_of(message) == DONE.content
    assert message["mentions"] == []


async def test_a_repeated_post_stays_one_message(
    clerk: Clerk, local: LocalDiscord, route: Route
) -> None:
    await local.delete_message(people.MONA, route.message_id)
    first, second = await deliver(clerk, route), await deliver(clerk, route)
    assert first.message_id == second.message_id


async def test_progress_never_opens_a_new_message(
    clerk: Clerk, local: LocalDiscord, route: Route
) -> None:
    await local.delete_message(people.MONA, route.message_id)
    before = len(await local.messages(people.FINN))
    with pytest.raises(Shut):
        await deliver(clerk, route, allowed=frozenset({Way.TOKEN, Way.EDIT}))
    assert len(await local.messages(people.FINN)) == before


async def test_a_lost_channel_leads_to_a_direct_message(
    clerk: Clerk, local: LocalDiscord, route: Route
) -> None:
    await local.delete_channel()
    went = await deliver(clerk, route)
    direct = await local.direct(people.FINN)
    assert went.channel_id == direct
    assert [headline_of(m) for m in await local.messages(people.FINN, direct)] == [DONE.content]


async def test_lost_permissions_and_closed_direct_messages_leave_no_way(
    clerk: Clerk, local: LocalDiscord, route: Route
) -> None:
    await local.lose_permissions("view_channel", "send_messages")
    await local.close_direct(people.FINN)
    with pytest.raises(Shut, match="direct: 403 50007"):
        await deliver(clerk, replace(route, token=None))


@pytest.mark.parametrize(("again_after_s", "tries"), [(60, 1), (0.05, 5)])
async def test_a_message_too_old_to_edit_is_followed_by_a_new_one(
    clerk: Clerk, local: LocalDiscord, route: Route, again_after_s: float, tries: int
) -> None:
    await local.bend(old_edit_retry_after=again_after_s)
    await local.advance(3700)
    later = datetime.now(UTC) + timedelta(seconds=3700)
    went = await Mail(clerk, NOWHERE).deliver(DONE, JOB, route, now=later, allowed=ANY)
    assert went.message_id != route.message_id
    assert sum(r["status"] == 429 for r in await local.requests()) == tries


@pytest.mark.parametrize(
    "fault",
    [{"kind": "status", "status": 503}, {"kind": "drop"}, {"kind": "lose"}],
    ids=["503", "reset", "answer lost"],
)
async def test_trouble_on_the_line_is_for_later(
    clerk: Clerk, local: LocalDiscord, route: Route, fault: dict[str, object]
) -> None:
    kind = str(fault["kind"])
    details = {key: value for key, value in fault.items() if key != "kind"}
    await local.add_fault(kind, "/channels/", times=1, **details)
    without = replace(route, token=None)
    with pytest.raises(Later):
        await deliver(clerk, without)
    await deliver(clerk, without)
    assert headline_of(await local.message(route.message_id)) == DONE.content


async def test_a_file_too_large_for_the_place_is_made_smaller_or_linked(
    clerk: Clerk, local: LocalDiscord, route: Route, tmp_path: Path
) -> None:
    store, out = LocalStore(tmp_path, "http://127.0.0.1:1"), BytesIO()
    Image.effect_noise((320, 320), 60).convert("RGB").save(out, "PNG")
    await store.put("grid.webp", out.getvalue(), mime="image/png")
    painter = Painter(store.url, lambda _: "Postcards", linked=False)
    card, mail = painter.paint(JOB, people.FINN.id, pictures=GRID), Mail(clerk, store)
    now = datetime.now(UTC)
    narrow = replace(route, file_limit=len(out.getvalue()) // 3)
    await mail.deliver(card, JOB, narrow, now=now, allowed=ANY)
    [file] = (await local.message(route.message_id))["attachments"]
    assert 0 < file["size"] <= narrow.file_limit
    await mail.deliver(card, JOB, replace(route, file_limit=100), now=now, allowed=ANY)
    message = await local.message(route.message_id)
    assert message["attachments"] == []
    assert f"Too large for a file here: {store.url('grid.webp')}" in text_of(message)


def test_a_nonce_fits_discord() -> None:
    assert len(nonce_of(make_job(id=JOB_ID))) <= 25
    assert len(nonce_of(make_job(id=type(JOB_ID)(int=2**128 - 1)))) == 25


async def test_a_message_is_erased_and_one_that_is_gone_is_as_good(
    clerk: Clerk, local: LocalDiscord, route: Route
) -> None:
    mail = Mail(clerk, NOWHERE)
    await mail.erase(route)
    assert await local.messages(people.FINN) == []
    await mail.erase(route)
