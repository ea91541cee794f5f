"""What the bot sees of people who have keys of a server: their plan, roles and rank there, kept up to date.

Each of their interactions tells; and once an hour Discord is asked, so that who lost a role or left the
server does not keep it in a key. Whoever is not seen for a day is no moderator (shared.keyrows).
"""

import asyncio
import logging
from collections.abc import Mapping

import discord

from bot.client import PictorBot
from bot.reception import Interaction, Reception
from bot.seats import seat
from bot.whereabouts import member_of
from shared.apikeys import USUAL, Scope
from shared.errors import Fault
from shared.keychain import Keychain, Standing
from shared.moderation.ranks import Moderator, Rank
from shared.orders import Person
from shared.oversight.house import House

log = logging.getLogger(__name__)

EVERY_S = 3600.0
LOOK_S = 60.0  # so soon a key that another process made is known of
APART_S = 1.0  # between two questions to Discord
Place = tuple[str, str]  # a person's id, a server's


class Sightings:
    def __init__(
        self, bot: PictorBot, keychain: Keychain, *, reception: Reception, house: House
    ) -> None:
        self._bot, self._keychain = bot, keychain
        self._reception, self._house = reception, house
        self._known: dict[Place, Standing | None] = {}

    async def run(self) -> None:
        await self._bot.wait_until_ready()
        rounds = 0
        while True:
            await self._renew()
            if rounds % int(EVERY_S / LOOK_S) == 0:
                await self.look(APART_S)
            rounds += 1
            await asyncio.sleep(LOOK_S)

    async def standing(self, interaction: Interaction) -> Standing:
        """What whoever asks may put into a key here."""
        person = await self._reception.person(interaction)
        mod = await seat(self._house, interaction)
        where = str(interaction.guild_id) if interaction.guild_id else None
        return standing_of(person, mod) if where and member_of(interaction) else Standing()

    def expect(self, person_id: str, guild_id: str | None) -> None:
        """They have a key of this server from now on."""
        if guild_id is not None:
            self._known.setdefault((person_id, guild_id), None)

    async def hear(self, interaction: Interaction) -> None:
        """Costs nothing where the person has no key of this server, or is what they were."""
        place = (str(interaction.user.id), str(interaction.guild_id))
        if place in self._known and member_of(interaction):
            await self._note(place, await self.standing(interaction))

    async def look(self, apart_s: float = 0) -> None:
        """Asks Discord about each of them. What cannot be told now is asked again in an hour."""
        for place in list(self._known):
            try:
                await self._look_at(place)
            except (Fault, discord.DiscordException, OSError, TimeoutError) as error:
                log.info("what a key is worth is looked up later: %s", type(error).__name__)
            await asyncio.sleep(apart_s)

    async def _look_at(self, place: Place) -> None:
        person_id, guild_id = place
        guild = self._bot.get_guild(int(guild_id))
        if guild is None or not person_id.isdecimal():
            return
        try:
            member = await guild.fetch_member(int(person_id))
        except discord.NotFound:
            await self._note(place, Standing(guild_id=guild_id), again=True)
            return
        person = await self._reception.person_of(member)
        mod = await self._house.moderator(
            person_id,
            member.display_name,
            guild_id,
            roles=person.roles,
            permissions=member.guild_permissions.value,
        )
        await self._note(place, standing_of(person, mod), again=True)

    async def _note(self, place: Place, standing: Standing, *, again: bool = False) -> None:
        """`again`: although nothing changed, for it is seen now."""
        if again or self._known.get(place) != standing:
            await self._keychain.saw(*place, standing)
            self._known[place] = standing

    async def _renew(self) -> None:
        try:
            places = await self._keychain.on_servers()
        except Fault as fault:
            log.info("whose keys there are is read later (%s)", fault.code)
            return
        before: Mapping[Place, Standing | None] = self._known
        self._known = {place: before.get(place) for place in places}


def standing_of(person: Person, mod: Moderator) -> Standing:
    scopes = {*USUAL, *((Scope.MODERATE,) if mod.rank >= Rank.VIEWER else ())}
    return Standing(frozenset(scopes), mod.guild_id, person.plan, person.roles, mod.rank)
