"""RELIABILITY's table of routes, row by row: which way is tried, and which follows. Pure."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.ways import Way, first_way, next_way, reach_of
from shared.jobs import Reach, Route

T0 = datetime(2026, 5, 1, tzinfo=UTC)
ROUTE = Route("1", "2", "3", "4", "5", token="t", token_expires_at=T0 + timedelta(minutes=14))
TOKEN, EDIT, POST, DIRECT = Way.TOKEN, Way.EDIT, Way.POST, Way.DIRECT


@pytest.mark.parametrize(
    ("facts", "reach"),
    [
        ({"member": True, "direct": False, "ephemeral": False}, Reach.BOT_EDIT),
        ({"member": True, "direct": True, "ephemeral": False}, Reach.DM),
        ({"member": True, "direct": False, "ephemeral": True}, Reach.TOKEN),
        ({"member": True, "direct": True, "ephemeral": True}, Reach.TOKEN),
        ({"member": False, "direct": False, "ephemeral": False}, Reach.TOKEN),
        ({"member": False, "direct": True, "ephemeral": False}, Reach.TOKEN),
    ],
)
def test_what_can_reach_a_person(facts: dict[str, bool], reach: Reach) -> None:
    assert reach_of(**facts) is reach


@pytest.mark.parametrize(
    ("reach", "young", "old", "homeless"),
    [
        (Reach.BOT_EDIT, TOKEN, EDIT, POST),
        (Reach.DM, TOKEN, EDIT, POST),
        (Reach.TOKEN, TOKEN, DIRECT, DIRECT),
        (Reach.NEW_MSG, TOKEN, EDIT, POST),
        (Reach.API_ONLY, None, None, None),
    ],
)
def test_the_first_way(reach: Reach, young: Way, old: Way, homeless: Way) -> None:
    route = replace(ROUTE, reach=reach)
    assert first_way(route, T0 + timedelta(minutes=12, seconds=59)) is young
    for age in (timedelta(minutes=13), timedelta(minutes=15, seconds=1), timedelta(hours=25)):
        assert first_way(route, T0 + age) is old
    assert first_way(replace(route, message_id=""), T0) is homeless


@pytest.mark.parametrize(
    ("way", "code", "member", "private", "direct"),
    [
        # from, Discord's code, then: where the bot is a member, where only the token works, in its DMs
        (TOKEN, 50027, EDIT, DIRECT, EDIT),
        (TOKEN, 10015, EDIT, DIRECT, EDIT),
        (TOKEN, 10062, EDIT, DIRECT, EDIT),
        (TOKEN, 10008, POST, DIRECT, POST),
        (TOKEN, 50083, POST, DIRECT, POST),
        (TOKEN, 10003, DIRECT, DIRECT, None),
        (TOKEN, 200000, DIRECT, DIRECT, None),
        (TOKEN, 240000, DIRECT, DIRECT, None),
        (EDIT, 30046, POST, POST, POST),
        (EDIT, 10008, POST, POST, POST),
        (EDIT, 50083, POST, POST, POST),
        (EDIT, 10003, DIRECT, DIRECT, None),
        (EDIT, 50001, DIRECT, DIRECT, None),
        (EDIT, 50013, DIRECT, DIRECT, None),
        (EDIT, 50007, POST, POST, POST),
        (EDIT, 200000, DIRECT, DIRECT, None),
        (EDIT, 240000, DIRECT, DIRECT, None),
        (POST, 50083, DIRECT, DIRECT, None),
        (POST, 50013, DIRECT, DIRECT, None),
        (POST, 10003, DIRECT, DIRECT, None),
        (DIRECT, 50007, None, None, None),
    ],
)
def test_the_way_after(
    way: Way, code: int, member: Way | None, private: Way | None, direct: Way | None
) -> None:
    assert next_way(way, code, Reach.BOT_EDIT) is member
    assert next_way(way, code, Reach.TOKEN) is private
    assert next_way(way, code, Reach.DM) is direct


def test_no_route_goes_round_in_circles() -> None:
    for reach in Reach:
        for code in (0, 10003, 10008, 30046, 50001, 50007, 50013, 50027, 50083, 200000, 240000):
            way: Way | None = TOKEN
            for _ in range(4):
                way = next_way(way, code, reach) if way else None
            assert way is None
