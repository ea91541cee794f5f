"""Every rule of a server and of a plan holds at the front desk: each is set here, and the desk refuses with
the very line that /policy explain tells."""

from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from sqlalchemy import text

from shared import gate, guildrows
from shared.catalog import read_catalog
from shared.config import SHARED
from shared.connections import Database
from shared.errors import Refusal
from shared.guilds import GuildSettings, Limits, Mature
from shared.jobs import JobState
from shared.orders import Person, Submission, Venue
from shared.plans import Speed
from shared.safety.policy import Band, read_policy
from shared.safety.screen import PromptScreen, open_screen
from tests.shared.conftest import Build
from tests.shared.presses import press
from tests.shared.rows import bring_to

HERE = Venue("12", "10")


@cache
def screen() -> PromptScreen:
    """Read once: it is the slowest part of a desk."""
    safety = SHARED / "safety"
    return open_screen(safety / "blocklist.toml", safety / "policy.toml")


ADA = Person("1", "Ada", "pro", ("5",))


async def settle_on(database: Database, settings: GuildSettings) -> None:
    async with database.begin() as session:
        await guildrows.change(session, "12", lambda _: settings, "discord:9")


def submission(typed: str, key: str = "k", *, venue: Venue = HERE, **fields: Any) -> Submission:
    return Submission(typed, replace(ADA, **fields), None, key, venue=venue)


RULES: dict[str, tuple[GuildSettings, str, str]] = {
    "channel": (
        GuildSettings(channels=("77",)),
        "a boat",
        "server setting `channels`: drawing is allowed in <#77> only",
    ),
    "stealth": (
        GuildSettings(stealth=False),
        "a boat --stealth",
        "server setting `stealth`: every picture here is public",
    ),
    "speed": (
        GuildSettings(limits={"everyone": Limits(speed=Speed.RELAX)}),
        "a boat --fast",
        "server setting `limits`: no faster than relax for you",
    ),
    "speed of a role": (
        GuildSettings(limits={"everyone": Limits(speed=Speed.TURBO), "role:5": Limits(Speed.FAST)}),
        "a boat --turbo",
        "server setting `limits`: no faster than fast for you",
    ),
    "jobs at once": (
        GuildSettings(limits={"role:5": Limits(jobs=3)}),
        "a boat --repeat 4",
        "--repeat",
    ),
    "steps": (
        GuildSettings(limits={"role:5": Limits(steps=9)}),
        "a boat --steps 12",
        "9",
    ),
    "model": (
        GuildSettings(models={"postcards": ("role:6",)}),
        "a boat --model postcards",
        "server setting `models`: postcards is for <@&6> only",
    ),
    "model that nobody named": (
        GuildSettings(models={"postcards": ()}),
        "a boat",
        "server setting `models`: postcards is for nobody only",
    ),
}


@pytest.mark.parametrize("rule", RULES)
async def test_a_servers_rule_holds_at_the_desk(
    build: Build, database: Database, rule: str
) -> None:
    settings, typed, line = RULES[rule]
    desk = build(screen=screen())
    if rule.startswith("model"):  # no other one is left to take instead
        settings = _closing(settings)
    await settle_on(database, settings)
    with pytest.raises(Refusal) as refused:
        await desk.submit(submission(typed))
    assert line in refused.value.sentence, refused.value.sentence
    async with database.read() as session:
        assert (await session.execute(text("select count(*) from jobs"))).scalar_one() == 0
    elsewhere = submission("a boat", venue=Venue("99", "10"))
    assert (await desk.submit(elsewhere)).created, "another server has rules of its own"


async def test_where_nothing_is_drawn_nothing_is_read(build: Build, database: Database) -> None:
    """So that no word of it is screened, kept or struck."""
    await settle_on(database, GuildSettings(channels=("77",)))
    with pytest.raises(Refusal) as refused:
        await build(screen=screen()).submit(submission("a boat --nonsense 3"))
    assert refused.value.code == "channel_closed"


def _closing(settings: GuildSettings) -> GuildSettings:
    known = read_catalog(SHARED / "catalog.toml").checkpoints
    return replace(settings, models=dict.fromkeys(known, settings.models["postcards"]))


PLANS: dict[str, tuple[dict[str, Any], str, str]] = {
    "speed": ({"speeds": (Speed.FAST,)}, "a boat --turbo", "has no turbo speed"),
    "stealth": ({"stealth": False}, "a boat --stealth", "plan Pro: stealth = no"),
    "model": ({"models": ("sdxl",)}, "a boat --model postcards", "plan Pro: models = sdxl"),
}


@pytest.mark.parametrize("rule", PLANS)
async def test_a_plans_rule_holds_at_the_desk(build: Build, rule: str) -> None:
    changes, typed, line = PLANS[rule]
    with pytest.raises(Refusal) as refused:
        await build(screen=screen(), **changes).submit(submission(typed))
    assert line in refused.value.sentence


async def test_waiting_jobs_are_counted_where_a_server_says_so(
    build: Build, database: Database
) -> None:
    await settle_on(database, GuildSettings(limits={"everyone": Limits(waiting=2)}))
    desk = build(screen=screen())
    for key in ("one", "two"):
        await desk.submit(submission("a boat", key))
    with pytest.raises(Refusal) as refused:
        await desk.submit(submission("a boat", "three"))
    assert refused.value.code == "too_many_waiting"


async def test_a_button_asks_the_same_rules(build: Build, database: Database) -> None:
    desk = build(screen=screen())
    job = (await desk.submit(submission("a boat"))).jobs[0]
    async with database.begin() as session:
        await bring_to(session, job, JobState.SUCCEEDED)
    await settle_on(database, GuildSettings(models={job.spec.checkpoint: ()}))
    with pytest.raises(Refusal) as refused:
        await press(desk, "vary", ADA, job.id, key="v", venue=HERE)
    assert refused.value.code == "model_closed"
    await settle_on(database, GuildSettings(channels=("77",)))
    with pytest.raises(Refusal) as refused:
        await press(desk, "reroll", ADA, job.id, key="r", venue=HERE)
    assert refused.value.code == "channel_closed"
    thread = Venue("12", "88", parent_id="77")
    assert (await press(desk, "reroll", ADA, job.id, key="r", venue=thread)).created


async def test_without_a_word_of_it_a_server_is_drawn_for_as_it_allows(
    build: Build, database: Database
) -> None:
    """Nobody named a speed or steps: they are what is left, and no refusal."""
    limits = Limits(Speed.RELAX, steps=9)
    await settle_on(database, GuildSettings(limits={"everyone": limits}))
    (job,) = (await build(screen=screen()).submit(submission("a boat"))).jobs
    assert (job.speed, job.spec.steps) == (Speed.RELAX, 9)


async def test_a_server_below_every_speed_of_a_plan_draws_nothing(
    build: Build, database: Database
) -> None:
    await settle_on(database, GuildSettings(limits={"everyone": Limits(Speed.RELAX)}))
    desk = build(screen=screen(), speeds=(Speed.FAST, Speed.TURBO), default_speed=Speed.FAST)
    with pytest.raises(Refusal) as refused:
        await desk.submit(submission("a boat"))
    assert refused.value.code == "speed_closed"


@pytest.mark.parametrize(("nsfw", "wider"), [(Mature.CHANNEL, True), (Mature.NEVER, False)])
async def test_the_mark_of_a_channel_widens_only_where_the_server_lets_it(
    database: Database, nsfw: Mature, wider: bool
) -> None:
    await settle_on(database, GuildSettings(nsfw=nsfw))
    marked = replace(HERE, age_restricted=True)
    operator = replace(read_policy(SHARED / "safety" / "policy.toml"), wider=Band(0.9, 0.95))
    async with database.read() as session:
        rules = await gate.read(session, ADA, marked)
    assert ("+age" in rules.policy(operator, marked).version) is wider
