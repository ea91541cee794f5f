"""What moderators have to do, for graphs: counted, and without a person or a word."""

from typing import Any

from farm.api.metrics import farm_metrics
from shared.connections import Database
from shared.moderation import bans, cases, pauses
from shared.moderation.strikes import strike
from tests.shared.rows import Ruling, make_account

GORE = Ruling(decision="block", category="gore", rule="lexicon:gore:quixotic", score=0.9)


async def test_cases_strikes_bans_and_pauses_are_told(database: Database) -> None:
    async with database.begin() as session:
        ada = await make_account(session)
        told: dict[str, Any] = {"account_id": ada.id, "guild_id": "g", "verdict": GORE}
        for state in (cases.NOTED, cases.NOTED, cases.OPEN):
            await cases.note(session, kind="prompt", prompt="quixotic", state=state, **told)
        await strike(session, ada.id, None, GORE, guild_id="g")
        await bans.ban(session, ada.id, guild_id="g", reason="quixotic", actor="discord:7")
        for scope in (pauses.SAFETY, pauses.of_guild("1"), pauses.of_guild("2")):
            await pauses.pause(session, scope, "why", "discord:7")
    text = (await farm_metrics(database, silent_s=15)).decode()
    for line in (
        'pictor_people_cases{category="gore",kind="prompt",state="noted"} 2.0',
        'pictor_people_cases{category="gore",kind="prompt",state="open"} 1.0',
        "pictor_people_appeals 1.0",
        'pictor_people_strikes{category="gore"} 1.0',
        'pictor_people_bans{kind="ban"} 1.0',
        'pictor_people_paused{scope="safety"} 1.0',
        'pictor_people_paused{scope="guild"} 2.0',
    ):
        assert line in text
    assert "quixotic" not in text
    assert str(ada.id) not in text
