"""Does to the rows what the farm does, one move at a time. The farm's own tests test the farm."""

import hashlib
from dataclasses import dataclass
from uuid import UUID, uuid4

from shared import accounts, jobstore, ledger
from shared.connections import Database, Session
from shared.events import EventKind, Events, JobEvent
from shared.jobs import Job, JobKind, JobState, Route
from shared.moderation import cases
from shared.plans import PlanBook, Speed
from tests.bot.making import make_spec

WORKER = "worker-1"


@dataclass(frozen=True)
class Passed:
    decision: str = "allow"
    category: str = "none"
    score: float = 0.0
    rule: str = ""
    policy: str = "test"
    sha256: str = hashlib.sha256(b"picture").hexdigest()


class Farmhand:
    def __init__(self, database: Database, events: Events, book: PlanBook) -> None:
        self._database = database
        self._events = events
        self._book = book

    async def accept(self, route: Route, prompt: str = "a red sailboat --seed 7") -> Job:
        """A waiting job with its hold and its open delivery, as the front desk leaves them."""
        async with self._database.begin() as session:
            account = await accounts.ensure(
                session, route.user_id, "Finn", plan="free", book=self._book
            )
            job = await self._insert(session, account.id, prompt, 5000)
            await ledger.hold(session, account.id, job.id, 5000)
            await jobstore.set_route(session, job.id, route)
        return job

    async def put_down(self, discord_id: str, prompt: str) -> Job:
        """A job in the rows, of which nobody is told."""
        async with self._database.begin() as session:
            account = await accounts.ensure(session, discord_id, "", plan="free", book=self._book)
            return await self._insert(session, account.id, prompt, 5000)

    async def _insert(
        self, session: Session, account_id: UUID, prompt: str, estimate_ms: int
    ) -> Job:
        return await jobstore.insert(
            session,
            account_id=account_id,
            plan="free",
            kind=JobKind.IMAGINE,
            speed=Speed.FAST,
            prompt=prompt,
            spec=make_spec(),
            submission_key=f"test:{uuid4()}",
            estimate_ms=estimate_ms,
        )

    async def start(self, job_id: UUID) -> Job:
        """waiting -> dispatched -> running."""
        async with self._database.begin() as session:
            sent = await jobstore.dispatched(session, job_id, worker=WORKER)
            assert sent
            job = await jobstore.running(
                session, job_id, attempt=sent.attempt, worker=WORKER, lease_s=60
            )
            assert job
        await self._say(job)
        return job

    async def give_back(self, job: Job) -> Job:
        async with self._database.begin() as session:
            waiting = await jobstore.given_back(session, job.id, attempt=job.attempt, worker=WORKER)
            assert waiting
        await self._say(waiting)
        return waiting

    async def tell(self, job: Job, step: int, steps: int = 12) -> None:
        await self._events.publish(progress(job, step, steps))

    async def succeed(self, job: Job) -> Job:
        images = range(job.spec.images)
        names = [("grid", 0, "grid.webp"), *(("image", i, f"{i}.png") for i in images)]
        async with self._database.begin() as session:
            verdict = await jobstore.add_verdict(
                session, job.id, "job", Passed(), attempt=job.attempt
            )
            for kind, index, name in names:
                await jobstore.add_asset(
                    session, job.id, kind=kind, index=index, key=f"{job.id}/1/{name}",
                    sha256=Passed().sha256, size=10, width=64, height=64, mime="image/webp",
                    verdict_id=verdict,
                )  # fmt: skip
            charge = min(1900, await ledger.held(session, job.id))
            await ledger.settle(session, job, charge)
            done = await jobstore.succeeded(
                session, job.id, attempt=job.attempt, worker=WORKER, verdict_id=verdict,
                gpu_ms=1900, charged_ms=charge,
            )  # fmt: skip
            assert done
        await self._say(done)
        return done

    async def fail(self, job: Job, sentence: str) -> Job:
        async with self._database.begin() as session:
            done = await jobstore.failed(
                session, job.id, attempt=job.attempt, worker=WORKER, code="test", sentence=sentence
            )
            assert done
            await ledger.release(session, job)
        await self._say(done)
        return done

    async def block(self, job: Job, *, category: str = "gore") -> Job:
        """The image filter says no: the job, and the case that its owner may appeal with."""
        verdict = Passed(decision="block", category=category, score=0.97, rule="vit:gore")
        async with self._database.begin() as session:
            done = await jobstore.blocked(
                session, job.id, attempt=job.attempt, worker=WORKER, code="image_blocked",
                sentence="The image filter withheld this picture.", gpu_ms=900,
            )  # fmt: skip
            assert done
            await ledger.release(session, done)
            await cases.note(
                session, kind=cases.PICTURE, account_id=job.account_id, guild_id=job.guild_id,
                verdict=verdict, job_id=job.id, picture=0, prompt=job.prompt,
            )  # fmt: skip
        await self._say(done)
        return done

    async def spend_all(self, discord_id: str, name: str) -> None:
        async with self._database.begin() as session:
            account = await accounts.ensure(session, discord_id, name, plan="free", book=self._book)
            left = (await ledger.balance(session, account.id)).available_ms
            job = await self._insert(session, account.id, "spent", left)
            await ledger.hold(session, account.id, job.id, left)
            await ledger.settle(session, job, left)

    async def load(self, job_id: UUID) -> Job:
        async with self._database.read() as session:
            job = await jobstore.load(session, job_id)
        assert job
        return job

    async def route(self, job_id: UUID) -> Route:
        async with self._database.read() as session:
            route = await jobstore.route(session, job_id)
        assert route
        return route

    async def open_ids(self) -> list[UUID]:
        async with self._database.read() as session:
            return [job.id for job, _ in await jobstore.open_deliveries(session)]

    async def _say(self, job: Job) -> None:
        await self._events.publish(JobEvent(job.id, EventKind.STATE, state=job.state))


def progress(job: Job, step: int, steps: int = 12) -> JobEvent:
    state = JobState.RUNNING
    return JobEvent(job.id, EventKind.PROGRESS, state, step=step, steps=steps, steps_per_s=9.5)
