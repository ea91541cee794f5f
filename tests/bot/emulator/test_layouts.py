"""Components v2: what Discord takes and refuses, and how an edit turns a message into a layout."""

import json
from typing import Any

import aiohttp
import pytest

from bot.emulator import limits, reading
from bot.emulator.client import LocalDiscord
from bot.emulator.people import IMAGINE_CHANNEL_ID
from bot.emulator.postings import COMPONENTS_V2

CREATE = ("POST", "/channels/{channel_id}/messages")
PICTURE = {"media": {"url": "https://cdn.example/a.webp"}, "description": "a boat"}


def text(words: str = "words", **more: Any) -> dict[str, Any]:
    return {"type": 10, "content": words} | more


def gallery(*items: dict[str, Any]) -> dict[str, Any]:
    return {"type": 12, "items": list(items)}


def container(*children: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": 17, "components": list(children)} | more


def section(*texts: dict[str, Any], accessory: dict[str, Any] | None) -> dict[str, Any]:
    return {"type": 9, "components": list(texts), "accessory": accessory}


def buttons(count: int) -> dict[str, Any]:
    marks = [
        {"type": 2, "style": 2, "label": "A", "custom_id": f"{count}{n}"} for n in range(count)
    ]
    return {"type": 1, "components": marks}


THUMBNAIL = {"type": 11, **PICTURE}
BUY = {"type": 2, "style": 6, "sku_id": "1"}


def layout(*components: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"flags": COMPONENTS_V2, "components": list(components)} | more


def codes(body: dict[str, Any]) -> set[str]:
    return {problem.code for problem in limits.check(*CREATE, body)}


@pytest.mark.parametrize(
    "body",
    [
        layout(
            container(text(), gallery(PICTURE), buttons(5), {"type": 14}, accent_color=0xFFFFFF)
        ),
        layout(section(text(), text(), text(), accessory=THUMBNAIL)),
        layout(section(text(), accessory=BUY)),
        layout({"type": 13, "file": {"url": "attachment://a.png"}}),
        layout(*(text("x" * 100) for _ in range(40))),
        layout(gallery(*[PICTURE] * 10)),
    ],
)
def test_layouts_that_discord_takes(body: dict[str, Any]) -> None:
    assert codes(body) == set()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (layout(*(text() for _ in range(41))), "BASE_TYPE_BAD_LENGTH"),
        (layout(container(*(text() for _ in range(40)))), "BASE_TYPE_BAD_LENGTH"),
        (
            layout(text("x" * 2001), text("x" * 2000)),
            "COMPONENT_MAX_TOTAL_TEXT_DISPLAY_LENGTH_EXCEEDED",
        ),
        (layout(text(""), text()), "BASE_TYPE_BAD_LENGTH"),
        (layout(container(container(text()))), "UNION_TYPE_CHOICES"),
        (layout(container()), "BASE_TYPE_BAD_LENGTH"),
        (layout(container(text(), accent_color=0x1000000)), "NUMBER_TYPE_MAX"),
        (layout(buttons(1)["components"][0]), "UNION_TYPE_CHOICES"),
        (layout({"type": 1, "components": [text()]}), "UNION_TYPE_CHOICES"),
        (layout(THUMBNAIL), "UNION_TYPE_CHOICES"),
        (layout(section(text(), accessory=None)), "BASE_TYPE_REQUIRED"),
        (layout(section(*[text()] * 4, accessory=THUMBNAIL)), "BASE_TYPE_BAD_LENGTH"),
        (layout(section(buttons(1), accessory=THUMBNAIL)), "UNION_TYPE_CHOICES"),
        (layout(gallery(*[PICTURE] * 11)), "BASE_TYPE_BAD_LENGTH"),
        (layout(gallery(PICTURE | {"description": "x" * 1025})), "BASE_TYPE_MAX_LENGTH"),
        (layout(gallery(PICTURE | {"description": ""})), "BASE_TYPE_BAD_LENGTH"),
        (layout(gallery({"media": {"url": "ftp://a"}})), "URL_TYPE_INVALID_SCHEME"),
        (layout({"type": 13, "file": {"url": "https://a.b"}}), "URL_TYPE_INVALID_SCHEME"),
        (layout({"type": 14, "spacing": 3}), "BASE_TYPE_CHOICES"),
        (layout(text(id=3), text(id=3)), "COMPONENT_ID_DUPLICATED"),
        (layout(text(), content="x"), "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"),
        (
            layout(text(), embeds=[{"title": "x"}]),
            "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
        ),
        ({"components": [text()]}, "UNION_TYPE_CHOICES"),
        (layout(section(text(), accessory=BUY | {"custom_id": "b"})), "BUTTON_COMPONENT_SKU_ID"),
        (layout(section(text(), accessory=BUY | {"sku_id": None})), "BUTTON_COMPONENT_SKU_ID"),
    ],
)
def test_layouts_that_discord_refuses(body: dict[str, Any], code: str) -> None:
    assert code in codes(body)


class Hands:
    """The bot's token, without a library that would keep us from mistakes."""

    def __init__(self, local: LocalDiscord, session: aiohttp.ClientSession) -> None:
        self._url = f"{local.api}/channels/{IMAGINE_CHANNEL_ID}/messages"
        self._headers = {"Authorization": f"Bot {local.token}"}
        self._session = session

    async def send(self, body: Any, message: str = "", **files: bytes) -> tuple[int, Any]:
        """Posts, or edits `message`; the status and what came back."""
        form = aiohttp.FormData({"payload_json": json.dumps(body)}, default_to_multipart=True)
        for index, (name, content) in enumerate(files.items()):
            form.add_field(f"files[{index}]", content, filename=f"{name}.png")
        method, url = ("PATCH", f"{self._url}/{message}") if message else ("POST", self._url)
        async with self._session.request(method, url, data=form, headers=self._headers) as answer:
            return answer.status, await answer.json()


async def test_an_edit_may_make_a_layout_of_a_message_and_never_takes_it_back(
    local: LocalDiscord,
) -> None:
    await local.bend(rate_limits=False)
    async with aiohttp.ClientSession() as session:
        hands = Hands(local, session)
        _, plain = await hands.send({"content": "waiting", "embeds": [{"title": "t"}]})
        assert (await hands.send(layout(text()), plain["id"]))[0] == 400
        assert (await hands.send({"components": [text()]}, plain["id"]))[0] == 400
        nulled = layout(text(), content=None, embeds=[])
        assert (await hands.send(nulled, plain["id"]))[0] == 200
        status, shown = await hands.send({"components": [text("more")], "flags": 0}, plain["id"])
        assert (status, shown["flags"]) == (200, COMPONENTS_V2)
        for legacy in ({"content": "x"}, {"embeds": [{"title": "t"}]}):
            assert (await hands.send(legacy, plain["id"]))[0] == 400
        assert (await hands.send({"components": []}, plain["id"]))[1]["code"] == 50006
    assert len(await local.violations()) == 4


async def test_a_layout_shows_the_files_that_it_names_and_no_others(local: LocalDiscord) -> None:
    body = layout(gallery({"media": {"url": "attachment://a.png"}}), text("of <@&1> @everyone"))
    async with aiohttp.ClientSession() as session:
        hands = Hands(local, session)
        assert (await hands.send(body, b=b"x"))[0] == 400
        status, shown = await hands.send(body | {"allowed_mentions": {"parse": []}}, a=b"x")
    assert status == 200
    assert not shown["mention_everyone"]
    media = reading.pictures(shown)[0]["media"]
    assert media["attachment_id"] == shown["attachments"][0]["id"]
    assert await local.fetch(media["url"]) == b"x"
    assert reading.words(shown) == "of <@&1> @everyone"
