"""/key: shown once to its owner alone; on a server it is worth what its owner is there, and no more."""

import re
from typing import cast

import pytest

from bot.cogs.keys import Keys
from bot.emulator.people import FINN, GUILD_ID, MONA
from shared.config import ApiSettings, DiscordSettings, Settings
from shared.keychain import Standing
from shared.keyrows import Holder
from shared.moderation.ranks import Rank
from tests.bot.house import House, text_of

PEPPER = "of these tests alone, thirty-two bytes and more"


@pytest.fixture
def house_settings(settings: Settings, pointed: DiscordSettings) -> Settings:
    api = ApiSettings.model_validate({"pepper": PEPPER})
    return settings.model_copy(update={"discord": pointed, "api": api})


async def key(house: House, who: object, verb: str, **options: object) -> str:
    opened = await house.local.slash(who, f"key {verb}", **options)  # type: ignore[arg-type]
    return text_of(await house.told(opened, who))  # type: ignore[arg-type]


async def holder(house: House, said: str) -> Holder | None:
    found = re.search(r"pk_live_[\w-]{43}", said)
    assert found is not None, said
    return await cogs_of(house)._keychain.holder(found[0])


def cogs_of(house: House) -> Keys:
    return cast(Keys, house.bot.get_cog("Keys"))


async def test_a_key_is_shown_once_listed_turned_and_revoked(house: House) -> None:
    said = await key(house, FINN, "create", name="my farm", may="read and draw", days=7)
    found = await holder(house, said)
    assert found is not None
    assert (found.discord_id, found.key.scopes) == (FINN.id, ("read", "draw"))
    assert (found.key.guild_id, found.key.rank) == (GUILD_ID, Rank.NONE)
    listed = await key(house, FINN, "list")
    assert "my farm" in listed
    assert not re.search(r"pk_live_[\w-]{43}", listed)
    turned = await key(house, FINN, "rotate", key=str(found.key.id))
    assert await holder(house, said) is None
    again = await holder(house, turned)
    assert again is not None
    assert "opens nothing" in await key(house, FINN, "revoke", key=str(again.key.id))
    assert await holder(house, turned) is None
    assert "no API keys" in await key(house, FINN, "list")
    more = await key(house, FINN, "create", name="x", may="everything usual, and moderate")
    assert "no more than you have" in more


async def test_what_the_bot_sees_of_a_moderator_is_what_their_key_is_worth(house: House) -> None:
    said = await key(house, MONA, "create", name="desk", may="everything usual, and moderate")
    found = await holder(house, said)
    assert found is not None
    assert found.key.rank == Rank.MODERATOR
    sightings = cogs_of(house)._sightings
    for lost in (Standing(guild_id=GUILD_ID), Standing(guild_id=GUILD_ID, rank=Rank.ADMIN)):
        await sightings._keychain.saw(MONA.id, GUILD_ID, lost)
        await sightings.look()
        seen = await holder(house, said)
        assert seen is not None
        assert (seen.key.rank, seen.key.roles) == (found.key.rank, found.key.roles)


async def test_who_left_the_server_is_nobody_there(house: House) -> None:
    keys = cogs_of(house)
    gone = "1100000000000000999"
    account = await keys._keychain.account(gone, "Gone")
    from shared.apikeys import Scope
    from shared.keychain import Wanted

    was = Standing(frozenset(Scope), GUILD_ID, "pro", ("1",), Rank.ADMIN)
    made = await keys._keychain.make(account.id, Wanted("key"), was)
    keys._sightings.expect(gone, GUILD_ID)
    await keys._sightings.look()
    seen = await keys._keychain.holder(made.secret)
    assert seen is not None
    assert (seen.key.rank, seen.key.plan, seen.key.roles) == (Rank.NONE, "", ())
