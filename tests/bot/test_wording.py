"""/describe, /shorten and --enhance with a text service at the edge; the menus Describe and Vary."""

import json
import os
from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from bot.cogs.imagine import with_parameters
from bot.emulator import people
from bot.enhancing import wants_it
from bot.wordcards import listed as listed_words
from bot.wordcards import weighed
from shared.config import DiscordSettings, Settings, TextSettings
from shared.darkroom import Darkroom
from shared.errors import Refusal
from shared.jobs import JobKind
from shared.miniatures import miniature, shape_of
from shared.replies import Weighed
from shared.wordsmith import plain_parts
from tests.bot.house import House, Json, buttons_of, text_of
from tests.textservice import Reply, TextService, listed, text_service

FOUR = ("a boat at dawn", "a boat at noon", "a boat at dusk", "a boat at night")


@pytest.fixture
async def service() -> AsyncIterator[TextService]:
    async with text_service() as running:
        yield running


@pytest.fixture
def house_settings(settings: Settings, pointed: DiscordSettings, service: TextService) -> Settings:
    """The bot may fetch what people upload to the local Discord."""
    url = pointed.api_base.partition("/api")[0]
    near = settings.provenance.model_copy(update={"link_origins": (url,)})
    chosen = {"discord": pointed, "text": service.settings(), "provenance": near}
    return settings.model_copy(update=chosen)


def photo(width: int = 60, height: int = 40) -> bytes:
    out = BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "my home address"
    Image.new("RGB", (width, height), "navy").save(out, "JPEG", exif=exif)
    return out.getvalue()


async def ask(house: House, command: str, who: people.Person = people.FINN, **options: Any) -> Json:
    return await house.told(await house.local.slash(who, command, **options), who)


async def test_describe_proposes_four_prompts_whose_numbers_draw(
    house: House, service: TextService
) -> None:
    service.will_say(listed(*FOUR))
    file = await house.local.upload(people.FINN, "boat.jpg", photo())
    told = await ask(house, "describe", picture=file)
    assert "a boat at dusk --ar 3:2" in text_of(told)
    assert list(buttons_of(told)) == ["1", "2", "3", "4"]
    assert "home address" not in json.dumps(service.asked)
    await house.restart()
    for _ in range(2):  # as often as somebody likes
        pressed = await house.local.click(people.FINN, told["id"], buttons_of(told)["3"])
        assert (await house.job_of(pressed)).prompt == "a boat at dusk --ar 3:2"


async def test_describe_says_what_it_cannot_look_at(house: House, service: TextService) -> None:
    service.will_say(listed(*FOUR))
    file = await house.local.upload(people.FINN, "boat.jpg", b"no picture")
    assert "no whole PNG" in text_of(await ask(house, "describe", picture=file))
    assert "Attach a picture" in text_of(await ask(house, "describe"))
    link = "http://169.254.169.254/latest"
    assert "Only https" in text_of(await ask(house, "describe", link=link))
    assert service.asked == []
    file = await house.local.upload(people.FINN, "boat.jpg", photo())
    service.will(Reply(status=500))
    told = text_of(await ask(house, "describe", picture=file))
    assert "does not answer at the moment" in told


async def test_a_messages_menu_describes_it_and_varies_it(
    house: House, service: TextService
) -> None:
    grid = await house.finish(await house.imagine())
    opened = await house.local.menu(people.FINN, "Vary", message=grid["id"])
    told = await house.told(opened)
    assert list(buttons_of(told)) == [
        f"{how} {n}" for how in ("Subtle", "Strong") for n in (1, 2, 3, 4)
    ]
    pressed = await house.local.click(people.FINN, told["id"], buttons_of(told)["Strong 2"])
    assert (await house.job_of(pressed)).parent_index == 1
    said = await house.local.say(people.FINN, "hello")
    opened = await house.local.menu(people.FINN, "Vary", message=said["id"])
    assert "no finished pictures" in text_of(await house.told(opened))
    opened = await house.local.menu(people.FINN, "Describe", message=said["id"])
    assert "Attach a picture" in text_of(await house.told(opened))


async def test_shorten_keeps_links_and_parameters(house: House, service: TextService) -> None:
    service.will_say(listed("red boat", "boat", important=["boat"], unimportant=["very"]))
    told = await ask(house, "shorten", prompt="a very red boat --ar 3:2 --no birds")
    assert "~~very~~ red **boat**" in text_of(told)
    assert "red boat --ar 3:2 --no birds" in text_of(told)
    pressed = await house.local.click(people.FINN, told["id"], buttons_of(told)["2"])
    assert (await house.job_of(pressed)).prompt == "boat --ar 3:2 --no birds"
    assert "no words" in text_of(await ask(house, "shorten", prompt="--ar 3:2"))
    assert "blocked" in text_of(await ask(house, "shorten", prompt="nude child")).lower()
    assert len(service.asked) == 1


async def test_enhance_is_shown_before_it_is_used(house: House, service: TextService) -> None:
    service.will_say(json.dumps({"prompt": "a red boat in golden light"}))
    told = await ask(house, "imagine", prompt="a red boat --seed 7 --enhance")
    assert "a red boat in golden light --seed 7" in text_of(told)
    assert list(buttons_of(told)) == ["Use", "Keep mine", "Cancel"]
    assert await house.farm.open_ids() == []
    await house.local.click(people.FINN, told["id"], buttons_of(told)["Use"])
    job = await house.newest()
    assert job.prompt == "a red boat in golden light --seed 7"
    told = await ask(house, "imagine", prompt="a red boat --enhance")
    await house.local.click(people.FINN, told["id"], buttons_of(told)["Keep mine"])
    assert (await house.newest(after=job)).prompt == "a red boat"
    told = await ask(house, "imagine", prompt="a red boat --enhance")
    await house.local.click(people.FINN, told["id"], buttons_of(told)["Cancel"])
    await house.local.wait_message(lambda one: "Discarded" in text_of(one))
    assert "Unknown parameter" in text_of(
        await ask(house, "imagine", prompt="a boat --arr 3:2 --enhance")
    )
    assert len(service.asked) == 3


async def test_without_a_text_service_people_are_told(house: House, settings: Settings) -> None:
    await house.stop()
    await house.start(house.settings.model_copy(update={"text": TextSettings()}))
    asked: dict[str, Any] = {
        "shorten": {"prompt": "a red boat"},
        "imagine": {"prompt": "a red boat --enhance"},
        "describe": {},
    }
    for command, options in asked.items():
        assert "no text service here" in text_of(await ask(house, command, **options))
    assert await house.farm.open_ids() == []


async def test_boxes_of_imagine_write_into_the_prompt(house: House) -> None:
    picked = await house.local.autocomplete(people.FINN, "imagine", "lora", lora="neo")
    assert picked == [{"name": "Neon", "value": "neon"}]
    typed = await house.local.autocomplete(
        people.FINN, "imagine", "prompt", prompt="a boat --sampler eul"
    )
    assert typed[0]["value"] == "a boat --sampler euler"
    opened = await house.local.slash(people.FINN, "imagine", prompt="a boat", sampler="ddim")
    assert (await house.job_of(opened)).spec.sampler == "ddim"


async def test_pictures_go_into_prompts_and_blends(house: House) -> None:
    files = [await house.local.upload(people.FINN, "boat.jpg", photo(64, 64)) for _ in range(3)]
    images = {f"image{number}": file for number, file in enumerate(files, 1)}
    opened = await house.local.slash(people.FINN, "blend", **images, dimensions="portrait")
    blend = await house.job_of(opened)
    assert blend.kind is JobKind.BLEND
    assert len(blend.spec.sources) == 3
    assert blend.spec.width < blend.spec.height
    opened = await house.local.slash(people.FINN, "imagine", prompt="a boat", image1=files[0])
    assert len((await house.job_of(opened)).spec.sources) == 1


def test_what_is_picked_stands_behind_what_is_typed() -> None:
    text = with_parameters("a boat --ar 3:2", model="postcards", lora=None)
    assert text == "a boat --ar 3:2 --model postcards"


def test_enhance_takes_one_prompt_of_words() -> None:
    assert wants_it("a boat --ar 3:2 --enhance")
    assert not wants_it("a boat that can enhance --ar 3:2")
    assert plain_parts("a boat --enhance --ar 3:2").around("x") == "x --ar 3:2"
    for text in ("{red, blue} boat --enhance", "hot:: dog --enhance", "--enhance"):
        with pytest.raises(Refusal):
            plain_parts(text)


def test_a_picture_is_made_small_and_its_shape_named() -> None:
    seen = miniature(photo(3000, 2000))
    with Image.open(BytesIO(seen.jpeg)) as small:
        assert small.size == (1024, 683)
        assert not dict(small.getexif())
    assert seen.shape == "3:2"
    assert (shape_of(64, 64), shape_of(1920, 1080), shape_of(9, 21)) == ("1:1", "16:9", "1:2")
    out = BytesIO()
    Image.new("1", (5000, 5000)).save(out, "PNG")  # 4 KB that claim 25 megapixels
    with pytest.raises(Refusal, match="megapixels"):
        miniature(out.getvalue())


def test_a_photograph_is_told_as_its_camera_was_held() -> None:
    exif, out = Image.Exif(), BytesIO()
    exif[0x0112] = 6  # a quarter turn
    Image.new("RGB", (300, 200)).save(out, "JPEG", exif=exif)
    assert miniature(out.getvalue()).shape == "2:3"


async def test_pictures_are_decoded_in_a_process_that_may_die() -> None:
    darkroom = Darkroom()
    try:
        assert (await darkroom.develop(photo(300, 200))).shape == "3:2"
        pid = darkroom.pid
        assert pid not in (None, os.getpid())
        with pytest.raises(Refusal, match="no whole PNG"):
            await darkroom.develop(b"hello")
        assert darkroom.pid == pid
    finally:
        await darkroom.close()
    assert darkroom.pid is None


def test_what_a_model_wrote_is_quoted() -> None:
    card = listed_words(["**a** `boat` <@1>"])
    assert "**a**" not in card
    assert "<@1>" not in card
    words = [Weighed("a*b", 1), Weighed("very", 1), Weighed("red", -1), Weighed("boat", 0)]
    assert weighed(words) == r"**a\*b very** ~~red~~ boat"
