"""/history, /gallery, /receipt and /show: what was drawn before, through the local Discord."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from bot.cards import UPLOADED, Card, Colour, Panel
from bot.emulator import people
from bot.messages import Painter
from bot.recordcards import OWN, PAGE_SHOTS, gallery_card, page_id, page_moment, page_of
from bot.showcase import Showcase
from shared.connections import Database
from shared.shots import Shot
from shared.storage import LocalStore
from tests.bot.house import House, Json, buttons_of, text_of
from tests.bot.making import make_job
from tests.reading import gallery_of, pictures_of


async def ask(house: House, command: str, who: people.Person = people.FINN, **options: Any) -> Json:
    return await house.told(await house.local.slash(who, command, **options), who)


async def turned(house: House, card: Json, label: str) -> Json:
    before = text_of(card)
    await house.local.click(people.FINN, card["id"], buttons_of(card)[label])
    return await house.local.wait_message(
        lambda one: one["id"] == card["id"] and text_of(one) != before
    )


async def test_history_searches_and_turns_its_pages(house: House) -> None:
    for number in range(24):
        await house.farm.put_down(people.FINN.id, f"boat number {number}")
    card = await ask(house, "history")
    assert "boat number 23" in text_of(card)
    assert "boat number 13" not in text_of(card)
    await house.restart()
    card = await turned(house, await turned(house, card, "Older"), "Older")
    assert "boat number 3" in text_of(card)
    assert "Older" not in buttons_of(card)
    assert "boat number 23" in text_of(await turned(house, card, "Newest"))
    found = await ask(house, "history", search="number 1")
    assert "boat number 19" in text_of(found)
    older = await turned(house, found, "Older")
    assert "boat number 1" in text_of(older)
    assert "boat number 19" in text_of(await turned(house, older, "Newer"))
    assert "Nothing of yours fits" in text_of(await ask(house, "history", search="dragon"))
    assert "Nothing yet" in text_of(await ask(house, "history", people.PAULA))


async def test_galleries_show_pictures_and_keep_stealth(house: House) -> None:
    await house.finish(await house.imagine("a red boat"))
    secret = await house.imagine("a dim boat --stealth", people.MONA)
    await house.finish(secret)
    mine = await ask(house, "gallery")
    assert len(pictures_of(mine)) == 4
    assert all("a red boat" in one["description"] for one in gallery_of(mine))
    server = await ask(house, "gallery", people.PAULA, of=1)
    assert "a red boat" in text_of(server)
    assert "dim boat" not in text_of(server)
    assert "dim boat" in text_of(await ask(house, "gallery", people.MONA, of=0))
    assert "no pictures" in text_of(await ask(house, "gallery", of=2))


async def test_a_receipt_is_a_bill_and_its_owners_alone(house: House) -> None:
    job = await house.imagine("a red boat")
    assert "Not finished yet" in text_of(await ask(house, "receipt", job=job.id.hex))
    await house.finish(job)
    told = text_of(await ask(house, "receipt", job=job.id.hex))
    for words in (
        "**Quote**",
        "**Held**",
        "**Settled**",
        "**Refunded**",
        "**Measured**",
        "charged",
    ):
        assert words in told
    assert "somebody else" in text_of(await ask(house, "receipt", people.PAULA, job=job.id.hex))
    assert "no such job" in text_of(await ask(house, "receipt", job="nonsense"))
    picked = await house.local.autocomplete(people.FINN, "receipt", "job", job="red")
    assert picked == [{"name": "done: a red boat", "value": job.id.hex}]
    assert await house.local.autocomplete(people.PAULA, "receipt", "job", job="") == []


async def test_show_posts_a_job_again_with_its_buttons(house: House) -> None:
    job = await house.imagine("a red boat")
    waiting = await ask(house, "show", job=job.id.hex)
    assert "is not finished yet" in text_of(waiting)
    await house.finish(job)
    opened = await house.local.slash(people.FINN, "show", job=job.id.hex)
    again = await house.local.wait_message(
        lambda one: (
            (one.get("interaction_metadata") or {}).get("id") == opened and bool(pictures_of(one))
        )
    )
    assert not again["flags"] & 64
    varied = await house.local.click(people.FINN, again["id"], buttons_of(again)["V2"])
    assert (await house.job_of(varied)).parent_id == job.id
    theirs = await ask(house, "show", people.PAULA, job=job.id.hex)
    assert "somebody else" in text_of(theirs)


async def test_a_stealthy_job_is_shown_to_its_owner_alone(house: House) -> None:
    job = await house.imagine("a dim boat --stealth", people.MONA)
    await house.finish(job)
    shown = await ask(house, "show", people.MONA, job=job.id.hex)
    assert pictures_of(shown)


def test_a_page_names_the_moment_that_it_goes_on_from() -> None:
    moment = datetime(2026, 5, 4, 12, 30, 15, 123456, tzinfo=UTC)
    assert page_moment(page_id(moment)) == moment
    assert page_moment(UUID("7d3f8f1c-5f0a-4f43-9d3c-111111111111")) is None


def test_a_page_of_a_gallery_tears_no_grid() -> None:
    jobs = [replace(make_job(), id=UUID(int=n)) for n in range(3)]
    shots = [
        Shot(job, index, "key", datetime.now(UTC), False) for job in jobs for index in range(4)
    ]
    assert len(page_of(shots, whole=True)) == 8
    assert len(page_of(shots, whole=False)) == PAGE_SHOTS
    assert len(page_of(shots[:7], whole=True)) == 7


def test_a_gallery_that_cannot_be_linked_is_told_in_words() -> None:
    shot = Shot(make_job(), 0, "key", datetime.now(UTC), True)
    card = gallery_card([shot], OWN, link=lambda key: "")
    assert card.shown == ()
    assert card.panel is not None
    assert "cannot reach" in card.panel.footer
    assert (
        gallery_card([shot], OWN, link=lambda key: f"https://x/{key}").shown[0].image
        == "https://x/key"
    )


async def test_without_links_a_job_is_shown_as_a_file(tmp_path: Path) -> None:
    store = LocalStore(tmp_path, "http://127.0.0.1/assets")
    await store.put("1/1/grid.webp", b"picture", mime="image/webp")
    painter = Painter(store.url, str, linked=False)
    showcase = Showcase(cast(Database, None), painter, store)
    assert showcase.link("1/1/grid.webp") == ""
    card = Card(
        panel=Panel("text", Colour.DONE, image=UPLOADED), upload="1/1/grid.webp", final=True
    )
    sent = (await showcase.parcel(card, most=10)).to_edit()
    assert [file.filename for file in sent["attachments"]] == ["picture.webp"]
    assert (await showcase.parcel(card, most=3)).to_edit()["attachments"] == []
