"""/key: keys that open the API, for oneself."""

import asyncio
import logging
from uuid import UUID

from discord import app_commands
from discord.ext import commands

from bot.keycards import keys_card, label_of, made_card, revoked_card
from bot.pickers import PICKER_S, Choices
from bot.reception import Interaction, Reception, open_private, tell
from bot.sightings import Sightings
from shared.admission import FrontDesk
from shared.apikeys import USUAL, Scope
from shared.errors import Fault, Refusal
from shared.keychain import MOST_DAYS, Keychain, Wanted

log = logging.getLogger(__name__)

_MAY = {
    "everything usual": USUAL,
    "read and draw": (Scope.READ, Scope.DRAW),
    "read only": (Scope.READ,),
    "everything usual, and moderate": (*USUAL, Scope.MODERATE),
}
_MAYS = [app_commands.Choice(name=words, value=words) for words in _MAY]
Days = app_commands.Range[int, 1, MOST_DAYS]


class Keys(commands.GroupCog, group_name="key", group_description="Keys that open the API"):
    def __init__(
        self,
        keychain: Keychain,
        *,
        desk: FrontDesk,
        reception: Reception,
        sightings: Sightings,
        url: str,
    ) -> None:
        self._keychain, self._desk, self._reception = keychain, desk, reception
        self._sightings, self._url = sightings, url

    async def run(self) -> None:
        await self._sightings.run()

    @app_commands.command(description="Make a key; only you see it, and only once")
    @app_commands.describe(
        name="What you will know it by",
        may="What it may do; everything usual if left out",
        days="How many days it is good",
    )
    @app_commands.choices(may=_MAYS)
    async def create(
        self,
        interaction: Interaction,
        name: str,
        may: str = "everything usual",
        days: Days | None = None,
    ) -> None:
        await open_private(interaction)
        account_id = await self._account(interaction)
        standing = await self._sightings.standing(interaction)
        made = await self._keychain.make(account_id, Wanted(name, _MAY[may], days), standing)
        self._sightings.expect(str(interaction.user.id), standing.guild_id)
        await tell(interaction, made_card(made, self._url))

    @app_commands.command(name="list", description="Your keys, what each may do, and when it ends")
    async def show(self, interaction: Interaction) -> None:
        await open_private(interaction)
        await tell(
            interaction, keys_card(await self._keychain.keys(await self._account(interaction)))
        )

    @app_commands.command(description="Put another key in the place of one")
    @app_commands.describe(
        key="Which one", overlap="Minutes that the old one still opens; 0 if left out"
    )
    async def rotate(
        self, interaction: Interaction, key: str, overlap: app_commands.Range[int, 0, 1440] = 0
    ) -> None:
        await open_private(interaction)
        account_id = await self._account(interaction)
        standing = await self._sightings.standing(interaction)
        made = await self._keychain.rotate(account_id, _id(key), standing, overlap_s=60 * overlap)
        await tell(interaction, made_card(made, self._url, turned=True))

    @app_commands.command(description="Revoke a key: it opens nothing from then on")
    @app_commands.describe(key="Which one")
    async def revoke(self, interaction: Interaction, key: str) -> None:
        await open_private(interaction)
        ended = await self._keychain.revoke(await self._account(interaction), _id(key))
        await tell(interaction, revoked_card(ended))

    @rotate.autocomplete("key")
    @revoke.autocomplete("key")
    async def mine(self, interaction: Interaction, current: str) -> Choices:
        try:
            async with asyncio.timeout(PICKER_S):
                keys = await self._keychain.keys(await self._account(interaction))
        except (Refusal, Fault, TimeoutError):
            return []
        wanted = current.casefold()
        labels = {key.id: label_of(key) for key in keys}
        return [
            app_commands.Choice(name=label, value=str(id))
            for id, label in labels.items()
            if wanted in label.casefold()
        ]

    @commands.Cog.listener()
    async def on_interaction(self, interaction: Interaction) -> None:
        """Worth no failure: what was not noted now is looked up within the hour."""
        try:
            await self._sightings.hear(interaction)
        except (Refusal, Fault) as error:
            log.info("what a key is worth is noted later (%s)", error.code)

    async def _account(self, interaction: Interaction) -> UUID:
        return (await self._desk.account(await self._reception.person(interaction))).id


def _id(key: str) -> UUID:
    try:
        return UUID(key)
    except ValueError:
        sentence = "Pick one of your keys from the list that opens under the box."
        raise Refusal("not_found", sentence, field="key") from None
