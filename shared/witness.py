"""The bot's side of /verify: a picture is sent in, an answer comes back, and who may know what of it."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from shared import deliveries, inquiries
from shared.attestation import Answer
from shared.connections import Database
from shared.errors import Fault, Refusal
from shared.jobs import Route
from shared.moderation.ranks import Moderator, Rank
from shared.safefetch import MOST_BYTES, fetch
from shared.storage import ObjectStore

ANSWER_WITHIN_S = 45.0
PLAIN = "application/octet-stream"  # whatever it claims to be, nobody is to show it


@dataclass(frozen=True, slots=True)
class Witness:
    """`origins` are ours: links to them need not be public."""

    database: Database
    store: ObjectStore
    origins: Collection[str] = ()

    async def ask(self, account_id: UUID, data: bytes) -> Answer:
        """Refusal for what cannot be looked at, or may not; Fault when nobody comes to look."""
        check_size(len(data))
        key = inquiries.new_key()
        await self.store.put(key, data, mime=PLAIN)
        try:
            async with self.database.begin() as session:
                asked = await inquiries.ask(session, account_id, key)
            return await inquiries.wait_for(self.database, asked, within_s=ANSWER_WITHIN_S)
        finally:
            with suppress(Fault):  # whoever answered has deleted it, and the sweeper takes the rest
                await self.store.delete(key)

    async def ask_about(self, account_id: UUID, link: str) -> Answer:
        return await self.ask(account_id, await fetch(link, allowed=self.origins))

    async def told_in(self, job_id: str | None) -> Route | None:
        """The message that tells of this job."""
        if job_id is None:
            return None
        try:
            wanted = UUID(job_id)
        except ValueError:  # all that is known is the first half
            return None
        async with self.database.read() as session:
            return await deliveries.route(session, wanted)


def for_asker(answer: Answer, asker: Moderator) -> Answer:
    """Whose job it was, its owner may know and the moderators of its server; everybody else may not."""
    owner = answer.owner is not None and answer.owner == asker.discord_id
    guild = answer.guild is not None and answer.guild == asker.guild_id
    if owner or (guild and asker.rank >= Rank.MODERATOR):
        return answer
    return answer.for_strangers()


def check_size(size: int) -> None:
    if size > MOST_BYTES:
        raise Refusal("file_too_large", f"The file is larger than {MOST_BYTES >> 20} MB.")
