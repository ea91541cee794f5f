"""What is told of jobs beside their rows: the files they delivered, and what whoever asked wants told back."""

from collections.abc import Sequence
from dataclasses import dataclass

from shared import assets, joblists
from shared.assets import Asset
from shared.connections import Session
from shared.jobs import Job


@dataclass(frozen=True, slots=True)
class Dossier:
    """`files` without what was withdrawn, in the order of their index."""

    job: Job
    files: tuple[Asset, ...]
    memo: str

    def of_kind(self, kind: str) -> list[Asset]:
        """grid, image or recipe."""
        return [one for one in self.files if one.kind == kind]


async def read(session: Session, jobs: Sequence[Job]) -> list[Dossier]:
    """In the order of `jobs`."""
    ids = [job.id for job in jobs]
    memos = await joblists.memos(session, ids)
    files = sorted(await assets.of_jobs(session, ids), key=lambda one: one.index)
    return [
        Dossier(job, tuple(one for one in files if one.job_id == job.id), memos.get(job.id, ""))
        for job in jobs
    ]
