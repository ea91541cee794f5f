"""Snapshots of jobs that ended while no worker held them: nobody else would delete them for days."""

import asyncio
from pathlib import Path
from uuid import UUID

from farm.child import Child
from shared import sweeps
from shared.connections import Database

EVERY_S = 60.0


async def forget_ended(child: Child, folder: Path, database: Database) -> int:
    """How many jobs' snapshots the child was told to delete. A job that this database does not know may
    be another farm's."""
    jobs = await asyncio.to_thread(_jobs, folder)
    if not jobs:
        return 0
    async with database.single() as session:
        standings = await sweeps.standings(session, jobs)
    ended = [job_id for job_id, (state, _) in standings.items() if state.terminal]
    for job_id in ended:
        await child.drop(str(job_id), forget=True)
    return len(ended)


def _jobs(folder: Path) -> list[UUID]:
    found = []
    for one in folder.iterdir() if folder.is_dir() else ():
        try:
            found.append(UUID(one.name))
        except ValueError:
            continue
    return found
