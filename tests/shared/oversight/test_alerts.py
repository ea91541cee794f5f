"""Alerts: every one reaches its server's channel, in order, also across restarts; never what was typed."""

import asyncio

from shared.moderation import cases, pauses
from shared.moderation.audit import audit
from tests.shared.oversight.people import (
    ADA,
    ADMIN,
    GUILD,
    MOD,
    OPERATOR,
    STRANGER,
    House,
)
from tests.shared.oversight.test_house import HOME


async def test_a_channel_hears_of_its_server_and_of_what_concerns_all(house: House) -> None:
    alerts, desk = house.oversight.alerts, house.oversight.house
    await house.blocked()  # before there was a channel
    assert await alerts.pending() == []
    for who, channel in ((ADMIN, "c1"), (STRANGER, "c2"), (HOME, "c3")):
        await desk.set_channel(who, channel)
    case_id, ada = await house.blocked(), await house.account()
    async with house.database.begin() as session:
        await cases.appeal(session, case_id, ada.id, "please")
        await pauses.pause(session, pauses.SAFETY, "filter_failed", "breaker")
    await house.oversight.discipline.ban(OPERATOR, ADA.discord_id, "spam")
    pending = {
        one.channel_id: [alert.action for alert in one.alerts] for one in await alerts.pending()
    }
    assert pending == {"c1": ["case_opened", "pause"], "c2": ["pause"], "c3": ["pause", "ban"]}
    assert "garden" not in str(await alerts.pending())
    first = next(one for one in await alerts.pending() if one.channel_id == "c1")
    assert (first.counters.appeals, first.counters.strikes) == (1, 2)
    await alerts.told(GUILD, first.alerts[0].number)
    await alerts.told(GUILD, 1)  # never goes back
    [left] = [one for one in await alerts.pending() if one.channel_id == "c1"]
    assert [alert.action for alert in left.alerts] == ["pause"]
    await desk.set_channel(ADMIN, "c9")
    [moved] = [one for one in await alerts.pending() if one.guild_id == GUILD]
    assert (moved.channel_id, len(moved.alerts)) == ("c9", 1)


async def test_nothing_is_missed_however_commits_overlap(house: House) -> None:
    """A row that is written first may be committed last: its link says when it could be seen."""
    await house.oversight.house.set_channel(ADMIN, "c1")
    heard: list[str] = []
    written, go = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with house.database.begin() as session:
            await audit(session, MOD.actor, "ban", "account:slow", {"guild": GUILD})
            written.set()
            await go.wait()

    async def hear() -> None:
        for one in await house.oversight.alerts.pending():
            heard.extend(alert.subject for alert in one.alerts)
            await house.oversight.alerts.told(one.guild_id, one.alerts[-1].number)

    late = asyncio.create_task(slow())
    await written.wait()
    async with house.database.begin() as session:
        await audit(session, MOD.actor, "ban", "account:quick", {"guild": GUILD})
    await hear()
    go.set()
    await late
    await hear()
    assert heard == ["account:quick", "account:slow"]
