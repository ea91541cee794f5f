"""A server's settings: what may be set, how it is kept, and that nothing is lost or undone on the way."""

import asyncio
from functools import partial

import pytest
from sqlalchemy import select, text

from shared import guildrows, guilds
from shared.connections import Database
from shared.errors import Fault, Refusal
from shared.guilds import GuildSettings, Limits, Mature
from shared.plans import Speed
from shared.tables import audit
from tests.shared.rows import BOOK

KNOWN = ("postcards", "sdxl")
FULL = GuildSettings(
    channels=("1", "2"),
    models={"sdxl": ("role:3", "plan:pro"), "ink": ()},
    limits={"everyone": Limits(Speed.FAST, waiting=2), "role:3": Limits(steps=40)},
    default_model="sdxl",
    nsfw=Mature.NEVER,
    stealth=False,
    spoilers=False,
    spoiler_channels=("2",),
)


def test_settings_survive_being_written_down() -> None:
    assert guilds.read_settings(FULL.told()) == FULL
    assert GuildSettings().told() == {}


@pytest.mark.parametrize("told", [{"channels": "all"}, {"nsfw": "always"}, {"limits": {"x": 3}}])
def test_a_rule_that_cannot_be_read_is_not_one_that_is_gone(told: dict[str, object]) -> None:
    with pytest.raises(Fault) as broken:
        guilds.read_settings(told)
    assert broken.value.code == "settings_unreadable"


def test_spoilers_where_a_channel_asks_for_them() -> None:
    assert FULL.hides("2")
    assert FULL.hides("77", "2")
    assert not FULL.hides("1", None)
    assert GuildSettings(spoilers=True).hides("1")


def test_channels_and_models_are_added_and_taken_away() -> None:
    with_two = guilds.with_channel(
        guilds.with_channel(GuildSettings(), "7", allowed=True), "8", allowed=True
    )
    assert with_two.channels == ("7", "8")
    assert guilds.with_channel(with_two, "7", allowed=False).channels == ("8",)
    one = guilds.with_model(GuildSettings(), "sdxl", ["role:1", "role:1"], known=KNOWN)
    assert one.models == {"sdxl": ("role:1",)}
    assert guilds.with_model(one, "sdxl", [guilds.EVERYONE], known=KNOWN) == GuildSettings()


WRONG = [
    ("unknown_model", partial(guilds.with_model, model="nope", who=[], known=KNOWN)),
    ("unknown_model", partial(guilds.with_default_model, model="nope", known=KNOWN)),
    ("invalid_value", partial(guilds.with_model, model="sdxl", who=["him"], known=KNOWN)),
    ("invalid_value", partial(guilds.with_limits, who="plan:pro", limits=Limits(jobs=1))),
    ("invalid_value", partial(guilds.with_limits, who="role:1", limits=Limits(jobs=0))),
    ("invalid_value", partial(guilds.with_limits, who="role:1", limits=Limits(steps=10**9))),
    ("invalid_value", partial(guilds.with_channel, channel_id="#art", allowed=True)),
]


@pytest.mark.parametrize(("code", "edit"), WRONG)
def test_what_cannot_be_set_is_refused(code: str, edit: partial[GuildSettings]) -> None:
    with pytest.raises(Refusal) as refused:
        edit(GuildSettings())
    assert refused.value.code == code


def test_a_setting_has_room_for_so_many_and_no_more() -> None:
    full = GuildSettings(channels=tuple(map(str, range(guilds.MOST_LISTED))))
    with pytest.raises(Refusal, match="take another one away"):
        guilds.with_channel(full, "999", allowed=True)


def test_a_plan_that_is_named_exists() -> None:
    guilds.check_plans(["everyone", "role:1", "plan:pro"], BOOK)
    with pytest.raises(Refusal, match=r"There is no plan “gold”\. There are: free, paid, pro"):
        guilds.check_plans(["plan:gold"], BOOK)


async def test_two_who_change_at_once_undo_nothing_and_each_change_is_in_the_audit_book(
    database: Database,
) -> None:
    async def allow(channel: str) -> None:
        async with database.begin() as session:
            edit = partial(guilds.with_channel, channel_id=channel, allowed=True)
            await guildrows.change(session, "12", edit, "discord:1")

    await asyncio.gather(*(allow(str(number)) for number in range(5)))
    await allow("3")  # it is there already
    async with database.read() as session:
        kept = await guildrows.read(session, "12")
        told = (await session.execute(select(audit).order_by(audit.c.id))).all()
        elsewhere = await guildrows.read(session, "13")
    assert sorted(kept.channels) == ["0", "1", "2", "3", "4"]
    assert elsewhere == GuildSettings()
    assert [row.action for row in told] == ["guild_settings"] * 5
    assert {row.detail["guild"] for row in told} == {"12"}
    assert told[0].detail["before"] == {}
    assert len(told[0].detail["after"]["channels"]) == 1


async def test_what_changes_nothing_is_not_written_down(database: Database) -> None:
    async with database.begin() as session:
        await guildrows.change(session, "12", lambda settings: settings, "discord:1")
    async with database.read() as session:
        assert (await session.execute(text("select count(*) from audit"))).scalar_one() == 0
        assert await guildrows.read(session, None) == GuildSettings()
        assert await guildrows.of_guilds(session, ["12"]) == {"12": GuildSettings()}
