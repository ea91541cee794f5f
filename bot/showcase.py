"""A finished job as its message shows it, painted anew from the rows."""

from dataclasses import dataclass

from bot.cards import Card
from bot.messages import Painter
from bot.parcels import Parcel, without_picture
from shared import jobstore
from shared.connections import Database
from shared.jobs import Job
from shared.storage import ObjectStore


@dataclass(frozen=True, slots=True)
class Showcase:
    database: Database
    painter: Painter
    store: ObjectStore

    async def card(self, job: Job, owner: str, *, spoiler: bool = False) -> Card:
        async with self.database.read() as session:
            pictures = await jobstore.assets(session, job.id)
        return self.painter.paint(job, owner, pictures=pictures, spoiler=spoiler)

    async def message_link(self, job: Job) -> str:
        """Where its own message stands; nothing where there is none."""
        async with self.database.read() as session:
            route = await jobstore.route(session, job.id)
        if route is None or not route.message_id:
            return ""
        place = route.guild_id or "@me"
        return f"https://discord.com/channels/{place}/{route.channel_id}/{route.message_id}"

    async def parcel(self, card: Card, *, most: int) -> Parcel:
        """With its picture as a file of `most` bytes where Discord cannot reach our links."""
        if not card.upload:
            return Parcel(card, "")
        picture = await self.store.get(card.upload)
        return (
            Parcel(card, "", picture) if len(picture) <= most else Parcel(without_picture(card), "")
        )

    def link(self, key: str) -> str:
        """Nothing where Discord cannot reach it."""
        return self.painter.link(key) if self.painter.linked else ""
