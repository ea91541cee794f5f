"""The rules of interactions and messages, on a clock of our own."""

import pytest

from bot.emulator import people
from bot.emulator.clock import Clock
from bot.emulator.errors import ApiError
from bot.emulator.interaction import AUTOCOMPLETE, COMMAND, COMPONENT, MODAL, Interaction
from bot.emulator.interactions import Interactions
from bot.emulator.media import unfurled
from bot.emulator.picturesizes import picture_size
from bot.emulator.postings import LOADING, draft, edit, post
from bot.emulator.store import Store
from bot.emulator.uploads import Body, Upload
from bot.emulator.world import Event, World

FINN = people.FINN.id
HERE = {"0": people.GUILD_ID}


class Desk:
    """A world with a clock that stands still."""

    def __init__(self) -> None:
        self.clock = Clock(lambda: 1_800_000_000.0)
        self.world = World(token="t", clock=self.clock)
        self.interactions = Interactions(self.world, Store(self.world))
        self.events: list[Event] = []
        self.world.listen(self.events.append)
        self.channel = self.world.channel(people.IMAGINE_CHANNEL_ID)

    def open(self, kind: int = COMMAND) -> Interaction:
        data = {"name": "imagine"} if kind == COMMAND else {"custom_id": "a"}
        return self.interactions.open(FINN, self.channel, kind=kind, data=data, owners=HERE)

    def answer(self, interaction: Interaction, kind: int, **data: object) -> None:
        body = Body({"type": kind, "data": data})
        self.interactions.respond(interaction.id, interaction.token, body)

    def names(self) -> list[str]:
        return [e.name for e in self.events if e.gateway]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def refusal(code: int) -> pytest.RaisesExc[ApiError]:
    return pytest.raises(ApiError, check=lambda error: error.code == code)


def test_a_deferral_thinks_until_the_first_edit(desk: Desk) -> None:
    opened = desk.open()
    desk.answer(opened, 5)
    message = desk.interactions.reached(opened, "@original")
    assert message.flags & LOADING
    edit(desk.world, message, Body({"content": "done"}))
    assert not message.flags & LOADING
    moments = [message.edited]
    edit(desk.world, message, Body({"content": "again"}))
    moments.append(message.edited)
    assert moments == [None, desk.clock.now()]
    assert desk.names() == ["MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_UPDATE"]


def test_the_first_follow_up_takes_the_deferrals_place(desk: Desk) -> None:
    opened = desk.open()
    desk.answer(opened, 5, flags=64)
    first = desk.interactions.follow_up(opened, Body({"content": "loud?"}))
    assert first.id == opened.original
    assert first.only_for == FINN
    second = desk.interactions.follow_up(opened, Body({"content": "yes", "flags": 0}))
    assert second.id != first.id
    assert second.only_for is None
    assert second.reference == first.id


def test_nobody_but_its_person_hears_of_an_ephemeral_message(desk: Desk) -> None:
    desk.answer(desk.open(), 4, content="psst", flags=64)
    (created,) = [e for e in desk.events if e.name == "MESSAGE_CREATE"]
    assert created.only_for == FINN
    assert not created.gateway
    assert desk.world.visible_messages(people.PAULA.id, desk.channel) == []


def test_late_unknown_and_doubled_answers(desk: Desk) -> None:
    late = desk.open()
    desk.clock.advance(3.0)
    with refusal(10062):
        desk.answer(late, 4, content="x")
    with refusal(10062):
        desk.interactions.respond("1", "none", Body({"type": 5}))
    answered = desk.open()
    desk.answer(answered, 5)
    with refusal(40060):
        desk.answer(answered, 5)


def test_a_refused_body_leaves_the_interaction_open(desk: Desk) -> None:
    opened = desk.open()
    with refusal(50006):
        desk.answer(opened, 4)
    desk.answer(opened, 4, content="now with words")
    assert opened.state == "answered"


def test_webhook_tokens(desk: Desk) -> None:
    opened = desk.open()
    app = people.APPLICATION_ID
    with refusal(10015):
        desk.interactions.through(app, opened.token)
    desk.answer(opened, 5)
    assert desk.interactions.through(app, opened.token) is opened
    with refusal(10015):
        desk.interactions.through(app, "never seen")
    with refusal(10015):
        desk.interactions.through("999", opened.token)
    desk.clock.advance(15 * 60 + 1)
    with refusal(50027):
        desk.interactions.through(app, opened.token)


def test_a_token_reaches_its_own_messages_only(desk: Desk) -> None:
    mine, other = desk.open(), desk.open()
    desk.answer(mine, 4, content="mine")
    desk.answer(other, 4, content="other")
    assert other.original is not None
    with refusal(10008):
        desk.interactions.reached(mine, other.original)
    with refusal(10008):
        desk.interactions.reached(mine, "123")


def test_a_click_may_update_its_message(desk: Desk) -> None:
    message = post(
        desk.world,
        draft(desk.world, desk.channel, people.APPLICATION_ID),
        Body({"content": "before"}),
    )
    click = desk.open(COMPONENT)
    click.source = message.id
    desk.answer(click, 7, content="after")
    assert message.content == "after"
    assert desk.interactions.reached(click, "@original") is message


@pytest.mark.parametrize(
    ("kind", "source", "refused"),
    [
        (COMMAND, None, {6, 7, 8}),
        (COMPONENT, "1", {8}),
        (AUTOCOMPLETE, None, {4, 5, 6, 7, 9}),
        (MODAL, None, {6, 7, 8, 9}),
        (MODAL, "1", {8, 9}),
    ],
)
def test_which_answers_fit(desk: Desk, kind: int, source: str | None, refused: set[int]) -> None:
    opened = desk.open(kind)
    opened.source = source
    objected = {n for n in range(4, 10) if desk.interactions.objections(opened.id, n)}
    assert objected == refused


def test_nonces_are_enforced_for_a_while(desk: Desk) -> None:
    def say(nonce: str) -> str:
        made = draft(desk.world, desk.channel, people.APPLICATION_ID)
        body = Body({"content": "x", "nonce": nonce, "enforce_nonce": True})
        return post(desk.world, made, body).id

    first = say("a")
    assert say("a") == first
    assert say("b") != first
    desk.clock.advance(301)
    assert say("a") != first


def test_mentions_obey_allowed_mentions(desk: Desk) -> None:
    text = f"<@{people.FINN.id}> <@{people.PAULA.id}> @everyone"

    def said(allowed: dict[str, object] | None) -> tuple[list[str], bool]:
        made = draft(desk.world, desk.channel, people.APPLICATION_ID)
        message = post(desk.world, made, Body({"content": text, "allowed_mentions": allowed}))
        return message.mentions, message.mention_everyone

    assert said(None) == ([people.FINN.id, people.PAULA.id], True)
    assert said({"parse": []}) == ([], False)
    assert said({"parse": [], "users": [people.PAULA.id]}) == ([people.PAULA.id], False)


def test_an_edit_keeps_the_attachments_it_names(desk: Desk) -> None:
    made = draft(desk.world, desk.channel, people.APPLICATION_ID)
    files = {0: Upload("a.png", b"a"), 1: Upload("b b.png", b"b")}
    message = post(desk.world, made, Body({}, files))
    kept, gone = message.attachments
    assert gone.filename == "b_b.png"
    edit(desk.world, message, Body({"attachments": [{"id": kept.id}, {"id": 0}]}, {0: files[1]}))
    assert [a.content for a in message.attachments] == [b"a", b"b"]
    assert message.attachments[0] is kept


def test_files_have_a_largest_size(desk: Desk) -> None:
    desk.world.rules.max_file_bytes = 3
    made = draft(desk.world, desk.channel, people.APPLICATION_ID)
    with refusal(40005):
        post(desk.world, made, Body({}, {0: Upload("a.png", b"1234")}))


@pytest.mark.parametrize(
    ("start", "size"),
    [
        (bytes.fromhex("89504e470d0a1a0a0000000d494844520000002000000010"), (32, 16)),
        (b"GIF89a\x20\x00\x10\x00", (32, 16)),
        (b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0\x1f\0\0\x0f\0\0", (32, 16)),
        (b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f\x1f\xc0\x03\0\0\0\0\0\0", (32, 16)),
        (b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a\x20\0\x10\0", (32, 16)),
        (bytes.fromhex("ffd8ffe000040000ffc2000b08001000200301"), (32, 16)),
        (bytes.fromhex("ffd8ffe00004"), None),
        (b"\0\0\0\x1cftypavif\0\0\0\0\0\0\0\x14ispe\0\0\0\0\0\0\0\x20\0\0\0\x10", (32, 16)),
        (b"\x89PNG\r\n\x1a\n", None),
        (b"plain text", None),
    ],
)
def test_picture_sizes(start: bytes, size: tuple[int, int] | None) -> None:
    assert picture_size(start) == size


def test_snowflakes_grow_while_the_clock_stands(desk: Desk) -> None:
    made = [int(desk.world.snowflakes.next()) for _ in range(100)]
    assert made == sorted(set(made))


def test_the_clock_never_goes_back() -> None:
    with pytest.raises(ValueError, match="only moves forward"):
        Clock().advance(-1)


def test_a_refused_edit_changes_nothing(desk: Desk) -> None:
    made = draft(desk.world, desk.channel, people.APPLICATION_ID)
    message = post(desk.world, made, Body({"content": "here"}))
    with refusal(50006):
        edit(desk.world, message, Body({"content": ""}))
    assert (message.content, message.edited) == ("here", None)


def test_bare_links_to_pictures_are_unfurled(desk: Desk) -> None:
    text = "see https://a.b/c.png?x=1 and <https://a.b/d.png> <https://a.b/f.png?x=1> and https://a.b/page [e](https://a.b/e.webp)"
    shown = [embed["url"] for embed in unfurled(desk.world, text)]
    assert shown == ["https://a.b/c.png?x=1", "https://a.b/e.webp"]


def test_pictures_in_components_go_through_the_proxy(desk: Desk) -> None:
    gallery = {"type": 12, "items": [{"media": {"url": "https://a.b/c.png"}}]}
    made = draft(desk.world, desk.channel, people.APPLICATION_ID)
    body = Body({"components": [{"type": 17, "components": [gallery]}], "flags": 1 << 15})
    message = post(desk.world, made, body)
    (item,) = message.components[0]["components"][0]["items"]
    assert item["media"]["proxy_url"].startswith("/media/")
