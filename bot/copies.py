"""Pictures as direct messages, for who wants them so beside the channel that they were shown in."""

from dataclasses import dataclass

from bot.cards import Card
from bot.delivery import Delivery
from bot.mail import Mail
from shared import preferencerows
from shared.connections import Database
from shared.jobs import JobState


@dataclass(frozen=True, slots=True)
class Copies:
    mail: Mail
    database: Database

    async def send(self, delivery: Delivery, card: Card) -> None:
        """Nothing for what was not drawn, and nothing for what was a direct message to begin with."""
        job, route = delivery.job, delivery.route
        if job.state is not JobState.SUCCEEDED or route.guild_id is None:
            return
        async with self.database.read() as session:
            chosen = await preferencerows.read(session, job.account_id)
        if chosen.auto_dm:
            await self.mail.copy(card, job, route)
