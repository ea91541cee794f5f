"""One table of rules: each can say no, names its line, and comes before those after it."""

from dataclasses import replace
from typing import Any

import pytest

from shared import access
from shared.access import Question, decide
from shared.errors import Refusal
from shared.guilds import GuildSettings, Limits, Mature
from shared.plans import Speed
from tests.shared.rows import BOOK

FREE = replace(BOOK.plan("free"), stealth=False, models=None)
PRO = replace(FREE, name="pro", title="Pro", stealth=True, models=("sdxl",))
HERE = {"channel_id": "10", "roles": ("1", "2")}


def ask(settings: GuildSettings | None = None, **fields: Any) -> Question:
    asked: dict[str, Any] = {"plan": FREE, **HERE, **fields}
    return Question(settings=settings or GuildSettings(), **asked)


DENIED = [
    ("account_banned", "account standing: banned", ask(standing="banned")),
    ("banned_here", "a ban on this server", ask(banned_here=True)),
    ("paused", "pause `guild`", ask(pause=("guild:1", "later"))),
    ("paused_for_safety", "pause `safety`", ask(pause=("safety", "x"))),
    (
        "channel_closed",
        "server setting `channels`: drawing is allowed in <#7>, <#8> only",
        ask(GuildSettings(channels=("7", "8"))),
    ),
    (
        "stealth_closed",
        "server setting `stealth`: every picture here is public",
        ask(GuildSettings(stealth=False), stealth=True),
    ),
    ("stealth_not_in_plan", "plan Free: stealth = no", ask(stealth=True)),
    ("model_not_in_plan", "plan Pro: models = sdxl", ask(plan=PRO, model="flux")),
    (
        "nsfw_closed",
        "server setting `nsfw`: never, whatever a channel's mark says",
        ask(GuildSettings(nsfw=Mature.NEVER), mature=True, age_restricted=True),
    ),
    (
        "nsfw_closed",
        "server setting `nsfw`: only where a channel is marked as age-restricted",
        ask(mature=True),
    ),
    ("speed_not_in_plan", "plan Free: speeds = fast, relax", ask(speed=Speed.TURBO)),
    (
        "speed_closed",
        "server setting `limits`: no faster than relax for you",
        ask(GuildSettings(limits={"everyone": Limits(speed=Speed.RELAX)}), speed=Speed.FAST),
    ),
    (
        "too_many_waiting",
        "server setting `limits`: waiting = 2 for you",
        ask(GuildSettings(limits={"everyone": Limits(waiting=2)}), jobs=1, waiting=2),
    ),
    (
        "too_many_at_once",
        "server setting `limits`: jobs at once = 2 for you",
        ask(GuildSettings(limits={"role:1": Limits(jobs=2)}), jobs=3),
    ),
    (
        "too_many_steps",
        "server setting `limits`: steps = 20 for you",
        ask(GuildSettings(limits={"role:1": Limits(steps=20)}), steps=21),
    ),
    (
        "model_closed",
        "server setting `models`: sdxl is for <@&9> and plan pro only",
        ask(GuildSettings(models={"sdxl": ("role:9", "plan:pro")}), model="sdxl"),
    ),
    (
        "model_closed",
        "server setting `models`: ink is for nobody only",
        ask(GuildSettings(models={"ink": ()}), model="sdxl", adapters=("ink",)),
    ),
]


@pytest.mark.parametrize(("code", "line", "question"), DENIED)
def test_a_rule_says_no_and_names_its_line(code: str, line: str, question: Question) -> None:
    said = decide(question)
    assert (said.allowed, said.code, said.line) == (False, code, line)
    with pytest.raises(Refusal) as refused:
        said.check()
    assert refused.value.code == code
    if line.startswith("server setting"):
        assert line in refused.value.sentence


def test_every_rule_has_been_seen_to_say_no() -> None:
    """A rule that is taken out of the table, or never fires, is missed here."""
    firing = {rule for _, _, question in DENIED for rule in access.RULES if _denies(rule, question)}
    assert firing == set(access.RULES)


def _denies(rule: access.Rule, question: Question) -> bool:
    said = rule(question)
    return said is not None and not said.allowed


ALLOWED = [
    (access.NOTHING_AGAINST, ask()),
    (
        "server setting `channels`: drawing is allowed in <#10> only",
        ask(GuildSettings(channels=("10",))),
    ),
    (
        "server setting `channels`: drawing is allowed in <#7> only",
        ask(GuildSettings(channels=("7",)), parent_id="7"),
    ),
    (
        "server setting `models`: sdxl is for <@&2> only",
        ask(GuildSettings(models={"sdxl": ("role:2",)}), model="sdxl", speed=Speed.FAST),
    ),
    (
        "server setting `models`: sdxl is for plan free only",
        ask(GuildSettings(models={"sdxl": ("plan:free",)}), model="sdxl"),
    ),
    ("plan Free: speeds = fast, relax", ask(speed=Speed.FAST)),
    ("plan Pro: stealth = yes", ask(plan=PRO, stealth=True)),
    ("plan Pro: models = sdxl", ask(plan=PRO, model="sdxl")),
    ("plan Free: models = all", ask(model="sdxl")),
    (
        "server setting `nsfw`: this channel is marked as age-restricted",
        ask(mature=True, age_restricted=True),
    ),
]


@pytest.mark.parametrize(("line", "question"), ALLOWED)
def test_what_is_allowed_names_the_line_that_allows_it(line: str, question: Question) -> None:
    assert decide(question) == access.Decision(True, line)


def test_the_first_no_decides() -> None:
    closed = GuildSettings(channels=("7",), stealth=False)
    question = ask(closed, standing="suspended", banned_here=True, stealth=True)
    codes = []
    for clear in ({}, {"standing": "good"}, {"banned_here": False}, {"channel_id": "7"}):
        question = replace(question, **clear)
        codes.append(decide(question).code)
    assert codes == ["account_suspended", "banned_here", "channel_closed", "stealth_closed"]
    assert [one.allowed for one in access.weighed(question)] == [True, False]


def test_the_most_generous_of_several_roles_holds_and_a_role_goes_before_everyone() -> None:
    settings = GuildSettings(
        limits={
            "everyone": Limits(Speed.RELAX, waiting=1, steps=10),
            "role:1": Limits(Speed.FAST, waiting=3),
            "role:2": Limits(waiting=2, jobs=4),
            "role:9": Limits(Speed.TURBO, waiting=99),
        }
    )
    assert settings.limits_of(()) == Limits(Speed.RELAX, waiting=1, steps=10)
    assert settings.limits_of(("1", "2")) == Limits(Speed.FAST, waiting=3, jobs=4, steps=10)


def test_a_server_narrows_a_plan_and_never_widens_it() -> None:
    limits = Limits(Speed.RELAX, waiting=1, jobs=50, steps=900)
    narrow = access.within(ask(GuildSettings(limits={"everyone": limits})))
    assert (narrow.speeds, narrow.default_speed) == ((Speed.RELAX,), Speed.RELAX)
    assert (narrow.max_waiting, narrow.max_repeat) == (1, FREE.max_repeat)
    assert narrow.step_budget == FREE.step_budget
    assert access.within(ask()) == FREE


def test_nobody_named_a_model_so_the_first_allowed_one_is_taken() -> None:
    settings = GuildSettings(models={"sdxl": ("role:9",)}, default_model="sdxl")
    assert access.usual_model(ask(settings), ["postcards", "flux"]) == "postcards"
    assert access.usual_model(ask(settings, roles=("9",)), ["postcards"]) == "sdxl"
    nothing = GuildSettings(models={"sdxl": (), "postcards": ()})
    assert access.usual_model(ask(nothing), ["postcards", "sdxl"]) == "postcards"
