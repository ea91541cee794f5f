"""Pictures that people bring: fetched with care, named by their place when they are wrong, kept as our own."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
from PIL import Image
from sqlalchemy import text

from shared import uploads
from shared.admission import FrontDesk
from shared.connections import Database
from shared.intake import Intake, looked_at
from shared.orders import NOWHERE, Ask
from shared.spec import RenderKind
from shared.storage import LocalStore
from tests.shared.conftest import Build
from tests.shared.hosting import hosted, picture
from tests.shared.presses import press
from tests.shared.test_admission import ADA, BO, pictured, refusal, rows

_keys = count(1)
RED, BLUE = picture(colour="red"), picture("JPEG", colour="blue")


@pytest.fixture
def origin() -> Iterator[str]:
    with hosted(red=RED, blue=BLUE, page=b"<html>", tiny=picture(size=(4, 4))) as at:
        yield at


@pytest.fixture
def store(kept: tuple[Intake, LocalStore]) -> LocalStore:
    return kept[1]


@pytest.fixture
def seeing(build: Build, store: LocalStore, origin: str) -> FrontDesk:
    return build(intake=Intake(store, [origin]))


def asking(text: str, verb: str = "imagine", **fields: Any) -> Ask:
    return Ask(verb, BO, NOWHERE, f"key-{next(_keys)}", None, text=text, **fields)


async def lying(store: LocalStore) -> list[str]:
    return [one.key async for page in store.list() for one in page]


async def test_links_and_attachments_become_copies_of_ours(
    seeing: FrontDesk, store: LocalStore, origin: str
) -> None:
    ask = asking(f"{origin}/red.png a boat", images=(f"{origin}/blue.jpg",))
    [job] = (await seeing.ask(ask)).jobs
    blue, red = job.spec.sources or [one.source for one in job.spec.references]
    assert (await store.get(red.key), await store.get(blue.key)) == (RED, BLUE)
    assert job.prompt == f"{uploads.link_of(blue.key)} {uploads.link_of(red.key)} a boat"
    assert origin not in str(job)
    again = await seeing.ask(ask)
    assert ([one.id for one in again.jobs], len(await lying(store))) == ([job.id], 2)


async def test_new_words_go_back_to_the_same_copies(
    seeing: FrontDesk, store: LocalStore, database: Database, origin: str
) -> None:
    [asked] = (await seeing.ask(asking(f"{origin}/red.png a boat"))).jobs
    parent = await pictured(database, asked)
    words = parent.prompt.replace("boat", "house")
    [job] = (await press(seeing, "reroll", BO, parent.id, key="r", text=words)).jobs
    assert (job.spec.pictures, job.prompt) == (parent.spec.pictures, words)
    assert len(await lying(store)) == 1


async def test_a_blend_is_of_two_to_five_pictures(
    seeing: FrontDesk, store: LocalStore, origin: str
) -> None:
    links = (f"{origin}/red.png", f"{origin}/blue.jpg")
    [job] = (await seeing.ask(asking("", "blend", images=links, manner="portrait"))).jobs
    assert (job.kind.value, job.manner, job.spec.kind) == ("blend", "portrait", RenderKind.BLEND)
    assert job.spec.width < job.spec.height
    assert job.prompt.endswith(" --ar 2:3")
    for images, manner, code in ((links[:1], "", "invalid_value"), (links, "odd", "invalid_value")):
        one = replace(asking("", "blend", images=images, manner=manner), key=f"{manner}{images}")
        assert (await refusal(seeing.ask(one))).code == code
    assert len(await lying(store)) == 2


async def test_a_bad_link_is_named_by_its_place_and_nothing_is_left(
    seeing: FrontDesk, store: LocalStore, database: Database, origin: str
) -> None:
    for name, why in (
        ("gone.png", "answers 404"),
        ("page.png", "no PNG, JPEG or WebP"),
        ("tiny.png", "16 pixels a side"),
    ):
        ask = asking(f"{origin}/red.png {origin}/{name} a boat")
        refused = await refusal(seeing.ask(ask))
        assert (refused.code, refused.field) == ("invalid_link", "images")
        assert refused.sentence.startswith(f"Invalid link! Picture 2 ({origin}/{name}): ")
        assert why in refused.sentence
    inside = await refusal(seeing.ask(asking("http://127.0.0.1:1/x.png a boat")))
    assert "Only https" in inside.sentence
    lost = f"{uploads.HOST}{'0' * 32}.png a boat"
    assert "no longer kept" in (await refusal(seeing.ask(asking(lost)))).sentence
    assert (await lying(store), set((await rows(database)).values())) == ([], {0})


async def test_what_is_refused_leaves_no_copy(
    seeing: FrontDesk, store: LocalStore, origin: str
) -> None:
    link = f"{origin}/red.png"
    poor = replace(asking(f"{link} a boat --turbo"), person=ADA)
    assert (await refusal(seeing.ask(poor))).code == "speed_not_in_plan"
    assert (await refusal(seeing.ask(asking(f"{link} hardcore porn")))).code == "prompt_blocked"
    assert (await seeing.quote(asking(f"{link} a boat"))).price_ms > 0
    assert await lying(store) == []


async def test_a_draft_outlives_the_links_in_it(
    build: Build, store: LocalStore, database: Database
) -> None:
    with hosted(red=RED) as origin:
        seeing = build(intake=Intake(store, [origin]))
        ask = asking(f"{origin}/red.png a {{red, blue}} boat", images=(f"{origin}/red.png",))
        number = await seeing.draft(BO, "confirm", ask)
        async with database.read() as session:
            assert (
                origin
                not in (await session.execute(text("select ask::text from drafts"))).scalar_one()
            )
    receipt = await seeing.confirm(BO, number, route=None)
    assert len(receipt.jobs) == 2
    assert all(len(job.spec.pictures) == 1 for job in receipt.jobs)
    assert len(await lying(store)) == 1


async def test_without_an_intake_pictures_are_refused(desk: FrontDesk) -> None:
    assert (
        await refusal(desk.ask(asking("https://a.test/x.png a boat")))
    ).code == "no_pictures_here"


# --- pure ------------------------------------------------------------------------------------


def test_only_still_pictures_of_a_fair_size_are_taken() -> None:
    for kind, ending in (("PNG", "png"), ("JPEG", "jpg"), ("WEBP", "webp")):
        taken = looked_at(picture(kind))
        assert taken.source.key.startswith(uploads.UPLOADS)
        assert taken.source.key.endswith(ending)
    for data, words in (
        (picture("BMP"), "no PNG"),
        (picture()[:20], "no PNG"),
        (b"", "no PNG"),
        (picture(size=(9_000, 16)), "9000x16"),
        (_moving(), "moves"),
    ):
        with pytest.raises(Exception, match=words):
            looked_at(data)


def test_links_are_found_and_renamed_whole() -> None:
    typed = "https://a.test/x.png a {https://a.test/x.png2,b} --sref <https://a.test/y.png>::2"
    found = uploads.links_in(typed)
    assert found == ["https://a.test/x.png", "https://a.test/x.png2", "https://a.test/y.png"]
    own = {link: uploads.link_of(uploads.new_key("png")) for link in found}
    told = uploads.renamed(typed, own)
    assert "a.test" not in told
    assert len(uploads.named_in(told)) == 3
    assert [uploads.key_of(link) is not None for link in own.values()] == [True] * 3
    assert uploads.key_of("https://a.test/x.png") is None


def _moving() -> bytes:
    from io import BytesIO

    written = BytesIO()
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    frames[0].save(written, "WEBP", save_all=True, append_images=frames[1:])
    return written.getvalue()
