"""/admin and /policy in the local Discord: what is set there holds at the desk, at once."""

from typing import Any

import pytest

from bot.emulator import people
from bot.emulator.client import Refused
from tests.bot.house import BOAT, House, text_of

FINN, PAULA, PRIYA, MONA, MAX, ADA, OTTO = people.MEMBERS
LAB, ART = people.AFTER_DARK_CHANNEL_ID, people.IMAGINE_CHANNEL_ID


async def says(house: House, who: people.Person, command: str, **options: Any) -> str:
    """Not with `slash`, whose own `channel` is where it is typed."""
    wish = {"user": who.id, "command": command, "options": options, "channel": ""}
    opened = (await house.local._post("slash", wish))["interaction_id"]
    return text_of(await house.told(opened, who))


async def test_a_servers_admin_closes_a_channel_and_policy_says_so(house: House) -> None:
    told = await says(house, ADA, "admin channels", what="allow", channel=LAB)
    assert f"<#{LAB}>" in told
    line = f"server setting `channels`: drawing is allowed in <#{LAB}> only"
    assert line in await says(house, FINN, "policy explain")
    assert line in await says(house, MONA, "policy explain", user=FINN.id, channel=ART)
    assert "may draw" in await says(house, MONA, "policy explain", user=FINN.id, channel=LAB)
    assert "Only moderators" in await says(house, FINN, "policy explain", user=MONA.id)
    with pytest.raises(
        Refused, match="no command /admin"
    ):  # Discord hides it; the desk would say no too
        await house.local.slash(MONA, "admin channels", what="all")
    await says(house, ADA, "admin channels", what="all")
    assert "Allowed" in await says(house, FINN, "policy explain")


async def test_models_limits_and_settings_are_set_in_words(house: House) -> None:
    role = people.PRO_ROLE.id
    told = await says(house, ADA, "admin models", model="postcards", access="add", role=role)
    assert f"postcards: <@&{role}>" in told
    assert "is for" in await says(house, FINN, "policy explain", model="postcards")
    assert "Allowed" in await says(house, PRIYA, "policy explain", model="postcards")
    told = await says(house, ADA, "admin limits", role=people.GUILD_ID, speed="relax", waiting=1)
    assert "everyone: no faster than relax, waiting 1" in told
    told = await says(house, ADA, "admin settings", default_model="postcards", stealth=False)
    assert "not on this server" in told
    assert "Say which role" in await says(
        house, ADA, "admin models", model="postcards", access="drop"
    )
    assert "There is no model" in await says(house, ADA, "admin settings", default_model="dalle")


async def test_credit_plans_figures_and_files(house: House) -> None:
    await house.finish(await house.imagine(BOAT, FINN))
    told = await says(house, ADA, "admin grant", user=FINN.id, minutes=5, reason="thanks")
    assert f"<@{FINN.id}> has" in told
    told = await says(house, ADA, "admin plan", user=FINN.id, plan="pro", reason="won", days=30)
    assert "has the Pro plan for 30 days" in told
    told = await says(house, ADA, "admin plan", user=FINN.id, plan="pro", reason="x", end=True)
    assert "1 gift of the pro plan ended" in told
    told = await says(house, ADA, "admin usage")
    assert "**Jobs** 1, 100% of them succeeded" in told
    assert "is no month" in await says(house, ADA, "admin usage", month="11/26")
    opened = await house.local.slash(ADA, "admin export", by="model")
    message = await house.told(opened, ADA)
    (file,) = message["attachments"]
    assert file["filename"].startswith("pictor-usage-")
