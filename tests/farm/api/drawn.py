"""A worker's part, for tests of what comes after it: jobs end with pictures that nobody has drawn."""

from shared import jobstore
from shared.connections import Database
from shared.jobs import Job, JobKind, JobState
from tests.shared.deeds import succeed
from tests.shared.rows import Ruling, bring_to

PNG, WEBP = "image/png", "image/webp"
CHARGED_MS = 40  # as little as an enlargement holds


async def draw(database: Database, job: Job) -> Job:
    """Succeeded, with as many pictures as it asked for, and a grid where these are several."""
    async with database.begin() as session:
        running = await bring_to(session, job, JobState.RUNNING)
        await succeed(session, running, CHARGED_MS, attempt=1, worker="w1")
        verdict = await jobstore.add_verdict(session, job.id, "image", Ruling(), attempt=1)
        files = [("image", index, f"{job.id}/1/x-{index}.png") for index in range(job.spec.images)]
        if job.kind is not JobKind.UPSCALE:
            files.append(("grid", 0, f"{job.id}/1/x-grid.webp"))
        for kind, index, key in files:
            await jobstore.add_asset(
                session,
                job.id,
                kind=kind,
                index=index,
                key=key,
                sha256=f"{index}" * 64,
                size=9,
                width=512,
                height=512,
                mime=WEBP if kind == "grid" else PNG,
                verdict_id=verdict,
            )
        ended = await jobstore.load(session, job.id)
    assert ended is not None
    return ended


async def draw_all(database: Database) -> list[Job]:
    """Everything that waits."""
    async with database.read() as session:
        waiting = await jobstore.waiting(session)
    return [await draw(database, job) for job in waiting]
