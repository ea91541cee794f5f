"""A server's admins: they see and change their own server, and only the operator's give."""

import csv
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from sqlalchemy import select, text

from shared.catalog import read_catalog
from shared.config import SafetySettings, Settings
from shared.errors import Refusal
from shared.guilds import EVERYONE, GuildSettings, Limits, Mature
from shared.moderation import bans
from shared.moderation.ranks import Moderator, Rank
from shared.orders import Person, Venue
from shared.oversight.administration import Administration, Choice
from shared.oversight.explanations import Explanations
from shared.plans import Speed
from shared.reports.sheets import By
from shared.tables import audit
from shared.tradetables import plan_grants
from tests.shared.oversight.people import ADA, ADMIN, BO, GUILD, MOD, STRANGER, House, refused
from tests.shared.rows import BOOK

HOME = Moderator("1000", "Hedy", "7", Rank.ADMIN, house=True)
MONTH = f"{datetime.now(UTC):%Y-%m}"


@pytest.fixture
def office(house: House, settings: Settings) -> Administration:
    catalog = read_catalog(settings.catalog_file)
    return Administration(house.database, BOOK, catalog, SafetySettings(home_guild="7"))


@pytest.fixture
def explanations(house: House, settings: Settings) -> Explanations:
    return Explanations(house.database, BOOK, read_catalog(settings.catalog_file))


async def test_an_admin_sets_their_own_server_and_no_other(office: Administration) -> None:
    await office.open_channel(ADMIN, "10", allowed=True)
    await office.hide_channel(ADMIN, "10", hidden=True)
    await office.open_model(ADMIN, "postcards", add=["role:5"])
    await office.open_model(ADMIN, "postcards", add=["plan:pro"])
    await office.open_model(ADMIN, "postcards", drop=["role:5"])
    await office.limit(ADMIN, "role:5", Limits(waiting=2, steps=9))
    await office.limit(ADMIN, "role:5", Limits(waiting=3))
    choice = Choice("postcards", Speed.FAST, Mature.NEVER, stealth=False, spoilers=True)
    told = await office.choose(ADMIN, choice)
    assert told == GuildSettings(
        channels=("10",),
        models={"postcards": ("plan:pro",)},
        limits={"role:5": Limits(waiting=3, steps=9), EVERYONE: Limits(speed=Speed.FAST)},
        default_model="postcards",
        nsfw=Mature.NEVER,
        stealth=False,
        spoilers=True,
        spoiler_channels=("10",),
    )
    assert await office.settings(ADMIN) == told
    assert await office.settings(STRANGER) == GuildSettings()
    cleared = await office.limit(ADMIN, "role:5", Limits(), clear=True)
    assert list(cleared.limits) == [EVERYONE]
    assert (await office.open_all_channels(ADMIN)).channels == ()
    assert (await office.close_model(ADMIN, "postcards")).models == {"postcards": ()}
    assert (await office.open_model(ADMIN, "postcards", add=[EVERYONE])).models == {}


async def test_each_change_is_in_the_audit_book_with_its_server(
    house: House, office: Administration
) -> None:
    await office.choose(ADMIN, Choice(stealth=False))
    await office.choose(STRANGER, Choice(spoilers=True))
    async with house.database.read() as session:
        query = select(audit).where(audit.c.action == "guild_settings").order_by(audit.c.id)
        rows = (await session.execute(query)).all()
    assert [(row.actor, row.detail["guild"]) for row in rows] == [
        (ADMIN.actor, GUILD),
        (STRANGER.actor, STRANGER.guild_id),
    ]
    assert rows[0].detail["after"] == {"stealth": False}


async def test_what_takes_an_admin_is_no_moderators(office: Administration) -> None:
    assert await office.settings(MOD) == GuildSettings(), "to look is theirs"
    for work in (
        office.choose(MOD, Choice(stealth=False)),
        office.open_channel(MOD, "10", allowed=True),
        office.limit(MOD, EVERYONE, Limits(jobs=1)),
        office.close_model(MOD, "postcards"),
        office.figures(MOD, MONTH),
        office.export(MOD, MONTH, "usage", By.USER),
        office.give_plan(MOD, "1", "pro", days=1, reason="x", key="k"),
        office.take_plan(MOD, "1", "pro", reason="x"),
    ):
        assert await refused(work) == "not_allowed"
    assert await refused(office.settings(Moderator("5", "x", GUILD, Rank.VIEWER))) == "not_allowed"


async def test_somebody_without_a_server_has_none_to_set(office: Administration) -> None:
    assert (
        await refused(office.choose(Moderator("9", "r", None, Rank.ADMIN), Choice())) == "no_server"
    )


async def test_plans_are_the_operators_to_give(house: House, office: Administration) -> None:
    account = await house.account(BO)
    told: dict[str, Any] = {"days": 30, "reason": "thanks", "key": "k"}
    assert await refused(office.give_plan(ADMIN, "2", "pro", **told)) == "not_allowed"
    assert await refused(office.take_plan(ADMIN, "2", "pro", reason="x")) == "not_allowed"
    for _ in range(3):
        await office.give_plan(HOME, "2", "pro", **told)
    async with house.database.read() as session:
        (grant,) = (await session.execute(select(plan_grants))).all()
    assert (grant.account_id, grant.plan, grant.source) == (account.id, "pro", "admin")
    assert await office.take_plan(HOME, "2", "pro", reason="over") == 1
    assert await refused(office.take_plan(HOME, "2", "pro", reason="over")) == "no_such_gift"
    actions = await house.actions()
    assert (actions.count("plan_given"), actions.count("plan_taken")) == (1, 1)


async def test_a_plan_that_cannot_be_given_is_refused_by_its_field(
    house: House, office: Administration
) -> None:
    await house.account(BO)
    given = {"reason": "x", "key": "k"}
    assert await refused(office.give_plan(HOME, "2", "gold", days=1, **given)) == "unknown_plan"
    assert await refused(office.give_plan(HOME, "2", "pro", days=0, **given)) == "invalid_value"
    assert await refused(office.give_plan(HOME, "404", "pro", days=1, **given)) == "unknown_person"
    await house.account(Person(HOME.discord_id, "Hedy", "free"))
    mine = office.give_plan(HOME, HOME.discord_id, "pro", days=1, **given)
    assert await refused(mine) == "no_self_approval"


async def test_without_a_home_server_its_admins_are_the_operators(
    house: House, office: Administration
) -> None:
    await house.account(BO)
    single = Administration(house.database, BOOK, office.catalog, SafetySettings())
    await single.give_plan(ADMIN, "2", "pro", days=None, reason="x", key="k")
    assert "plan_given" in await house.actions()


async def test_figures_and_exports_are_of_ones_own_server(
    house: House, office: Administration
) -> None:
    for person, guild in ((ADA, GUILD), (ADA, "99"), (BO, "99")):
        await house.drawn(person, guild=guild)
    own = await office.figures(ADMIN, MONTH)
    assert (own.models.total("jobs"), own.people.total("jobs")) == (1, 1)
    assert (await office.figures(STRANGER, MONTH)).people.total("jobs") == 2
    assert await refused(office.figures(ADMIN, MONTH, everywhere=True)) == "not_allowed"
    assert (await office.figures(HOME, MONTH, everywhere=True)).models.total("jobs") == 3
    assert await refused(office.export(ADMIN, MONTH, "usage", By.USER, everywhere=True)) == (
        "not_allowed"
    )
    assert await refused(office.figures(ADMIN, "November")) == "bad_month"
    name, table = await office.export(ADMIN, MONTH, "billing", By.USER)
    heads, *rows = csv.reader(StringIO(table, newline=""))
    assert name == f"pictor-billing-{MONTH}-by-user.csv"
    assert heads[:3] == ["user", "name", "granted_ms"]
    assert [row[:2] for row in rows] == [["1", "Ada"]]
    assert (await house.actions())[-1] == "export"


async def test_a_name_begins_no_formula_in_an_export(house: House, office: Administration) -> None:
    await house.drawn(Person("1", "=HYPERLINK(0)", "pro"))
    _, table = await office.export(ADMIN, MONTH, "usage", By.USER)
    assert "'=HYPERLINK(0)" in table


# --- /policy explain ---

HERE = Venue(GUILD, "10")
ANYBODY = Moderator("2", "Bo", GUILD, Rank.NONE)


async def test_everybody_may_ask_about_themselves_and_moderators_about_all(
    explanations: Explanations,
) -> None:
    told = await explanations.explain(ANYBODY, BO, HERE, model="postcards")
    assert told.decision.allowed
    assert await refused(explanations.explain(ANYBODY, ADA, HERE)) == "not_allowed"
    assert (await explanations.explain(MOD, ADA, HERE)).model == "postcards"
    assert await refused(explanations.explain(MOD, ADA, HERE, model="x")) == "unknown_model"


async def test_an_explanation_names_the_line_that_decides(
    house: House, office: Administration, explanations: Explanations
) -> None:
    await office.open_model(ADMIN, "postcards", add=["role:5"])
    told = await explanations.explain(ANYBODY, BO, HERE, model="postcards")
    assert told.decision.line == "server setting `models`: postcards is for <@&5> only"
    friend = Person("2", "Bo", "pro", ("5",))
    assert (await explanations.explain(ANYBODY, friend, HERE, model="postcards")).decision.allowed
    await office.open_channel(ADMIN, "77", allowed=True)
    told = await explanations.explain(ANYBODY, friend, HERE)
    assert told.decision.line.startswith("server setting `channels`")
    thread = Venue(GUILD, "88", parent_id="77")
    assert (await explanations.explain(ANYBODY, friend, thread)).decision.allowed
    await house.oversight.house.pause(ADMIN, "a rest")
    assert (await explanations.explain(ANYBODY, friend, HERE)).decision.line == "pause `guild`"
    account = await house.account(BO)
    async with house.database.begin() as session:
        await bans.ban(session, account.id, guild_id=GUILD, reason="x", actor="person:1")
    told = await explanations.explain(ANYBODY, BO, HERE)
    assert told.decision.line == "a ban on this server"
    assert len(told.said) > 2


async def test_an_adapter_that_the_catalog_keeps_for_a_plan_says_so(
    explanations: Explanations,
) -> None:
    name, adapter = next(iter(explanations.catalog.adapters.items()))
    kept = replace(explanations.catalog, adapters={name: replace(adapter, plan="pro")})
    desk = replace(explanations, catalog=kept)
    free = await desk.explain(ANYBODY, replace(BO, plan="free"), HERE, model=name)
    assert (free.decision.allowed, free.decision.line) == (
        False,
        f"catalog: {name} is for the Pro plan and above",
    )
    assert (await desk.explain(ANYBODY, BO, HERE, model=name)).decision.allowed


async def test_an_explanation_knows_a_standing(house: House, explanations: Explanations) -> None:
    await house.account(BO)
    async with house.database.begin() as session:
        await session.execute(text("update accounts set standing = 'suspended'"))
    told = await explanations.explain(ANYBODY, BO, HERE)
    assert told.decision.line == "account standing: suspended"


async def test_a_setting_that_cannot_be_read_stops_drawing_and_opens_nothing(
    house: House, office: Administration
) -> None:
    await office.open_channel(ADMIN, "77", allowed=True)
    async with house.database.begin() as session:
        await session.execute(text("""update guild_settings set chosen = '{"channels": 7}'"""))
    with pytest.raises(Exception, match="cannot be read") as broken:
        await house.submit("a boat")
    assert not isinstance(broken.value, Refusal)
