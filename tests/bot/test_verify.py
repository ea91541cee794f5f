"""/verify and its place in a message's menu: who is told what."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web

from bot.emulator.client import LocalDiscord
from bot.emulator.people import FINN, MONA, PAULA
from bot.verifycards import NO_PROOF, verdict_card
from shared import inquiries
from shared.attestation import Answer, Sign
from shared.config import DiscordSettings, ProvenanceSettings, Settings
from shared.connections import Database
from shared.errors import Refusal
from shared.jobs import Job, Route
from shared.moderation.ranks import Moderator, Rank
from shared.storage import LocalStore
from shared.witness import for_asker
from tests.bot.house import House, text_of

DATA = b"a picture, as far as the bot knows"
YES = Sign(True, "Ours.")
TOLD = Answer(
    origin="marked",
    headline="Made here, and changed since.",
    manifest=Sign(False, "There is none."),
    watermark=YES,
    looks=YES,
    changes=("It was saved as JPEG; it was delivered as PNG.",),
    made_at="2026-11-30T12:00:00+00:00",
    picture=1,
)


class Attestor:
    """Does to the rows what the farm does: takes what was asked, and says what it is told to."""

    def __init__(self, database: Database, store: LocalStore) -> None:
        self.database, self.store = database, store
        self.answer: Answer | Refusal = TOLD
        self.seen: list[bytes] = []

    def about(self, job: Job) -> None:
        self.answer = Answer(
            **{name: getattr(TOLD, name) for name in ("origin", "headline", "manifest")},
            **{name: getattr(TOLD, name) for name in ("watermark", "looks", "changes", "made_at")},
            picture=1,
            job=str(job.id),
            owner=FINN.id,
            guild=job.guild_id,
        )

    async def for_ever(self) -> None:
        while True:
            async with self.database.begin() as session:
                inquiry = await inquiries.take(session)
                if inquiry is not None:
                    self.seen.append(await self.store.get(inquiry.key))
                    if isinstance(self.answer, Refusal):
                        await inquiries.fail(session, inquiry.id, self.answer)
                    else:
                        await inquiries.answer(session, inquiry.id, self.answer)
            await asyncio.sleep(0.05)


@pytest.fixture
async def elsewhere() -> AsyncIterator[str]:
    """A web page's origin, with one picture."""

    async def picture(_: web.Request) -> web.Response:
        return web.Response(body=DATA, content_type="image/png")

    app = web.Application()
    app.router.add_get("/boat.png", picture)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
def house_settings(settings: Settings, pointed: DiscordSettings, elsewhere: str) -> Settings:
    proven = ProvenanceSettings(link_origins=(elsewhere,))
    return settings.model_copy(update={"discord": pointed, "provenance": proven})


@pytest.fixture
async def attestor(database: Database, settings: Settings) -> AsyncIterator[Attestor]:
    store = LocalStore(settings.storage.folder, settings.storage.public_url)
    made = Attestor(database, store)
    working = asyncio.create_task(made.for_ever())
    yield made
    working.cancel()
    with suppress(asyncio.CancelledError):
        await working


async def verify(house: House, who: Any = FINN, **options: str) -> str:
    return text_of(await house.told(await house.local.slash(who, "verify", **options), who))


async def test_the_owner_and_a_moderator_are_told_the_job_and_nobody_else_is(
    house: House, attestor: Attestor, local: LocalDiscord
) -> None:
    job = await house.imagine()
    attestor.about(job)
    for who, may_know in ((FINN, True), (MONA, True), (PAULA, False)):
        file = await local.upload(who, "boat.png", DATA)
        said = await verify(house, who, picture=file)
        assert "Made here, and changed since" in said
        assert "saved as JPEG" in said
        assert (str(job.id) in said) is may_know
    assert attestor.seen == [DATA] * 3
    assert await no_file_is_left(attestor)


async def no_file_is_left(attestor: Attestor) -> bool:
    return [page async for page in attestor.store.list() if page] == []


async def test_a_link_and_a_message_that_shows_one_are_looked_at(
    house: House, attestor: Attestor, local: LocalDiscord, elsewhere: str
) -> None:
    link = f"{elsewhere}/boat.png"
    assert "Made here" in await verify(house, link=link)
    message = await local.say(FINN, f"look at {link}")
    opened = await local.menu(PAULA, "Verify", message=message["id"])
    assert "Made here" in text_of(await house.told(opened, PAULA))
    assert attestor.seen == [DATA] * 2


async def test_what_cannot_be_looked_at_is_said_in_words(
    house: House, attestor: Attestor, local: LocalDiscord
) -> None:
    assert "Attach a picture" in await verify(house)
    assert "may not visit" in await verify(house, link="https://127.0.0.1/a.png")
    message = await local.say(FINN, "no picture here")
    opened = await local.menu(FINN, "Verify", message=message["id"])
    assert "shows no picture" in text_of(await house.told(opened))
    assert attestor.seen == []
    attestor.answer = Refusal("not_a_picture", "That is no whole PNG.")
    said = await verify(house, picture=await local.upload(FINN, "x.png", DATA))
    assert "no whole PNG" in said
    assert "charged" not in said


def asker(who: str, guild: str | None, rank: Rank) -> Moderator:
    return Moderator(who, who, guild, rank)


@pytest.mark.parametrize(
    ("who", "knows"),
    [
        (asker("owner", None, Rank.NONE), True),
        (asker("owner", "17", Rank.NONE), True),
        (asker("other", "17", Rank.MODERATOR), True),
        (asker("other", "17", Rank.ADMIN), True),
        (asker("other", "17", Rank.VIEWER), False),
        (asker("other", "17", Rank.NONE), False),
        (asker("other", "18", Rank.ADMIN), False),
        (asker("other", None, Rank.NONE), False),
    ],
)
def test_whose_job_it_was_is_for_its_owner_and_its_servers_moderators(
    who: Moderator, knows: bool
) -> None:
    told = Answer(
        origin="proven",
        headline="Made here.",
        manifest=YES,
        watermark=YES,
        looks=YES,
        job="a job",
        picture=0,
        owner="owner",
        guild="17",
    )
    assert (for_asker(told, who) == told) is knows
    assert (for_asker(told, who).job == "a job") is knows


def test_a_job_of_no_server_is_no_moderators_business() -> None:
    told = Answer(
        origin="proven", headline="", manifest=YES, watermark=YES, looks=YES, job="a job", owner="x"
    )
    assert for_asker(told, asker("other", None, Rank.ADMIN)).job is None


def test_the_card_names_signs_changes_and_the_message() -> None:
    route = Route(channel_id="2", message_id="3", user_id="4", guild_id="1")
    job = str(uuid4())
    known = Answer(**{n: getattr(TOLD, n) for n in TOLD.__struct_fields__ if n != "job"}, job=job)
    card = verdict_card(known, route)
    assert card.panel is not None
    for words in (
        "**When** <t:1796040000:f>",
        job,
        "picture 2",
        "✗ There is none.",
        "✓ Ours.",
        "•",
    ):
        assert words in card.panel.text
    assert card.rows[0][0].target == "https://discord.com/channels/1/2/3"
    direct = verdict_card(known, replace(route, guild_id=None))
    assert direct.rows[0][0].target.endswith("/@me/2/3")
    stranger = verdict_card(known.for_strangers(), route)
    assert stranger.rows == ()
    assert stranger.panel is not None
    assert job not in stranger.panel.text


def test_a_picture_that_is_not_known_is_not_called_foreign() -> None:
    none = Sign(False, "None.")
    unknown = Answer(
        origin="unknown", headline="Nothing.", manifest=none, watermark=none, looks=none
    )
    panel = verdict_card(unknown, None).panel
    assert panel is not None
    assert panel.footer == NO_PROOF
