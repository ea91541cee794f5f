"""The finished job that a button goes on from, and the pictures it delivered."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from shared import accounts, jobstore, limits
from shared.connections import Database, Session
from shared.jobs import Job, JobKind
from shared.orders import Ask
from shared.spec import Source


@dataclass(frozen=True, slots=True)
class Parent:
    """Picture `index` of `job`; what was only enlarged is told as the picture of its grid."""

    job: Job
    index: int
    pictures: Mapping[int, Source]

    @property
    def source(self) -> Source:
        """Refusal `no_such_picture`, also for one that was taken back."""
        if self.index not in self.pictures:
            raise limits.no_such_picture(self.job)
        return self.pictures[self.index]


async def parent_of(database: Database, ask: Ask) -> Parent:
    """Refusal for a job that is not there, not theirs, or shows nothing to go on from."""
    assert ask.job_id is not None, "a verb that goes on from a job names it"
    async with database.read() as session:
        account = await accounts.by_discord(session, ask.person.discord_id)
        mine = account.id if account else None
        job, index = await _drawn(session, ask.job_id, mine), ask.index
        if job.kind is JobKind.UPSCALE and job.parent_id is not None:
            # The grid it was cut from holds the noise and the recipe; what was enlarged holds neither.
            index = job.parent_index or 0
            job = await _drawn(session, job.parent_id, mine)
        files = await jobstore.assets(session, job.id)
    pictures = {one.index: Source(one.key, one.sha256) for one in files if one.kind == "image"}
    return Parent(job, index, pictures)


async def _drawn(session: Session, job_id: UUID, mine: UUID | None) -> Job:
    job = limits.check_own(await jobstore.load(session, job_id), mine)
    limits.check_drawn(job)
    return job
