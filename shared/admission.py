"""The front desk: what comes in is parsed, screened, resolved, priced and accepted, or refused.

A Refusal leaves nothing written and nothing charged (a blocked prompt leaves its verdict and a strike).
What is accepted is one transaction: account, job, hold, verdict and route. The bell rings after it.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from shared import accounts, jobstore, ledger, limits
from shared.acceptance import Acceptance
from shared.accounts import Account
from shared.bell import Bell
from shared.catalog import Catalog, Checkpoint, unknown_words
from shared.connections import Database, Session
from shared.errors import Refusal
from shared.events import EventKind, Events, JobEvent
from shared.jobs import Job, JobKind, JobState, Route
from shared.lineage import reroll_spec, upscale_spec, vary_spec
from shared.moderation.strikes import strike
from shared.orders import Info as Info
from shared.orders import Order
from shared.orders import Person as Person
from shared.orders import Prospects as Prospects
from shared.orders import Receipt as Receipt
from shared.orders import Submission as Submission
from shared.outlooks import Outlooks
from shared.plans import PlanBook, Speed
from shared.prompt import parse, readable
from shared.safety.screen import PromptScreen, sentence_for
from shared.safety.verdict import Decision, Verdict
from shared.spec import RenderSpec, Source, resolve, size_notice
from shared.telemetry import JOBS_CANCELLED, JOBS_REFUSED, JOBS_SUBMITTED, SUBMIT_SECONDS
from shared.weights import WeightedText


class FrontDesk:
    def __init__(
        self,
        database: Database,
        bell: Bell,
        events: Events,
        book: PlanBook,
        catalog: Catalog,
        screen: PromptScreen,
        *,
        draw_seed: Callable[[], int],
        outlooks: Outlooks | None = None,
    ) -> None:
        """Without `outlooks` nobody is told how long it may take."""
        self._database = database
        self._bell = bell
        self._events = events
        self._book = book
        self._catalog = catalog
        self._screen = screen
        self._draw_seed = draw_seed
        self._outlooks = outlooks
        self._acceptance = Acceptance(book, catalog)

    async def submit(self, submission: Submission) -> Receipt:
        with _measured():
            return await self._submit(submission)

    async def vary(
        self, person: Person, job_id: UUID, index: int, *, key: str, route: Route | None
    ) -> Receipt:
        """Four pictures near picture `index` (from 0) of a finished grid."""
        with _measured():
            parent = await self._drawn(person, job_id)
            spec = vary_spec(parent.spec, index, seed=self._draw_seed())
            return await self._descend(
                person, parent, spec, kind=JobKind.VARY, index=index, key=key, route=route
            )

    async def upscale(
        self, person: Person, job_id: UUID, index: int, *, key: str, route: Route | None
    ) -> Receipt:
        """Picture `index` (from 0) of a finished grid, twice as large."""
        with _measured():
            parent = await self._drawn(person, job_id)
            spec = upscale_spec(parent.spec, index, await self._source(parent, index))
            return await self._descend(
                person, parent, spec, kind=JobKind.UPSCALE, index=index, key=key, route=route
            )

    async def reroll(
        self, person: Person, job_id: UUID, *, key: str, route: Route | None
    ) -> Receipt:
        """The same prompt from another seed. A variation stays one, of the same picture."""
        with _measured():
            parent = await self._drawn(person, job_id)
            spec = reroll_spec(parent.spec, self._draw_seed())
            return await self._descend(
                person,
                parent,
                spec,
                kind=parent.kind,
                index=parent.parent_index,
                key=key,
                route=route,
            )

    async def cancel(self, person: Person, job_id: UUID) -> Job:
        async with self._database.begin() as session:
            account = await self._account(session, person)
            job = limits.check_own(await jobstore.load(session, job_id), account.id)
            cancelled = await jobstore.cancelled(session, job_id, account.id)
            if cancelled is None:
                raise limits.already_finished(await jobstore.load(session, job_id) or job)
            await ledger.release(session, cancelled)
        JOBS_CANCELLED.inc()
        await self._events.publish(_changed(cancelled))
        return cancelled

    async def account(self, person: Person) -> Account:
        async with self._database.begin() as session:
            return await self._account(session, person)

    async def set_speed(self, person: Person, speed: Speed) -> Account:
        async with self._database.begin() as session:
            account = await self._account(session, person)
            limits.check_speed(speed, self._book.plan(account.plan))
            return await accounts.set_default_speed(session, account.id, speed)

    async def info(self, person: Person) -> Info:
        async with self._database.begin() as session:
            account = await self._account(session, person)
            running, waiting = await jobstore.running_and_waiting(session, account.id)
            return Info(
                account=account,
                plan=self._book.plan(account.plan),
                balance=await ledger.balance(session, account.id),
                running=running,
                waiting=waiting,
                counts=await jobstore.state_counts(session, account.id),
            )

    async def queue(self, person: Person) -> list[Job]:
        """What is not finished yet, the oldest first."""
        async with self._database.begin() as session:
            account = await self._account(session, person)
            return await jobstore.open_jobs(session, account.id)

    async def prospects(self, person: Person) -> Prospects:
        """The same, and what may be expected of it."""
        async with self._database.begin() as session:
            account = await self._account(session, person)
            jobs = await jobstore.open_jobs(session, account.id)
        waiting = [job.id for job in jobs if job.state is JobState.WAITING]
        told = await self._outlooks.read(waiting) if self._outlooks else None
        return Prospects(tuple(jobs), self._book.plan(account.plan), told)

    async def _submit(self, submission: Submission) -> Receipt:
        person, plan = submission.person, self._book.plan(submission.person.plan)
        await self._check_standing(person)
        text = readable(submission.text).strip()
        prompt = parse(submission.text, longest=plan.max_prompt)
        checkpoint = self._catalog.get(self._catalog.default)
        verdict = await self._screened(person, prompt.texts, prompt.negative)
        seed = self._draw_seed()
        copies = range(prompt.repeat)
        specs = tuple(
            resolve(prompt, checkpoint, plan=plan, seed=seed, copy=copy) for copy in copies
        )
        size = size_notice(prompt, specs[0], checkpoint)
        return await self._accept(
            Order(
                person=person,
                kind=JobKind.IMAGINE,
                text=text,
                specs=specs,
                verdict=verdict,
                key=submission.key,
                route=submission.route,
                speed=prompt.speed or submission.speed,
                notices=(*([size] if size else []), *_word_notice(specs[0], checkpoint)),
            )
        )

    async def _descend(
        self,
        person: Person,
        parent: Job,
        spec: RenderSpec,
        *,
        kind: JobKind,
        index: int | None,
        key: str,
        route: Route | None,
    ) -> Receipt:
        limits.check_steps(spec.steps, self._book.plan(person.plan))
        negative = tuple(part for part in spec.negative.split(", ") if part)
        verdict = await self._screened(person, spec.texts, negative)
        return await self._accept(
            Order(
                person=person,
                kind=kind,
                text=parent.prompt,
                specs=(spec,),
                verdict=verdict,
                key=key,
                route=route,
                parent_id=parent.id,
                parent_index=index,
            )
        )

    async def _check_standing(self, person: Person) -> None:
        async with self._database.single() as session:
            account = await accounts.by_discord(session, person.discord_id)
        if account is not None:
            limits.check_standing(account.standing)

    async def _drawn(self, person: Person, job_id: UUID) -> Job:
        """The finished job of this person that a button goes on from."""
        async with self._database.begin() as session:
            account = await self._account(session, person)
            limits.check_standing(account.standing)
            job = limits.check_own(await jobstore.load(session, job_id), account.id)
            limits.check_drawn(job)
        return job

    async def _source(self, parent: Job, index: int) -> Source:
        async with self._database.read() as session:
            assets = await jobstore.assets(session, parent.id)
        for asset in assets:
            if (asset.kind, asset.index) == ("image", index):
                return Source(asset.key, asset.sha256)
        raise limits.no_such_picture(parent)

    async def _screened(
        self, person: Person, texts: Sequence[WeightedText], negative: Sequence[str]
    ) -> Verdict:
        """A no is written down in a transaction of its own: the refusal undoes everything else."""
        verdict = self._screen.screen([text.text for text in texts], negative=negative)
        if verdict.decision is Decision.ALLOW:
            return verdict
        async with self._database.begin() as session:
            account = await self._account(session, person)
            await jobstore.add_verdict(session, None, "prompt", verdict, account_id=account.id)
            if verdict.decision is Decision.BLOCK and not verdict.failed:
                await strike(session, account.id, None, verdict)
        raise Refusal("prompt_blocked", sentence_for(verdict), field="prompt")

    async def _accept(self, order: Order) -> Receipt:
        try:
            async with self._database.begin() as session:
                account = await self._account(session, order.person)
                receipt = await self._acceptance.accept(session, account, order)
        except Refusal as refusal:
            if refusal.code != limits.LINE_FULL:
                raise
            ahead = await self.prospects(order.person)
            raise limits.with_next_start(refusal, ahead.next_start_s) from None
        if receipt.created:
            await self._announce(receipt.jobs)
        return receipt

    async def _account(self, session: Session, person: Person) -> Account:
        return await accounts.ensure(
            session, person.discord_id, person.name, plan=person.plan, book=self._book
        )

    async def _announce(self, jobs: tuple[Job, ...]) -> None:
        """After the commit, and best effort: the dispatcher looks at Postgres every second anyway."""
        for job in jobs:
            JOBS_SUBMITTED.labels(job.kind.value, job.speed.value, job.plan).inc()
        rings = [self._bell.ring(job.speed, job.id) for job in jobs]
        await asyncio.gather(*rings, self._events.publish(*map(_changed, jobs)))


@contextmanager
def _measured() -> Iterator[None]:
    try:
        with SUBMIT_SECONDS.time():
            yield
    except Refusal as refusal:
        JOBS_REFUSED.labels(refusal.code).inc()
        raise


def _changed(job: Job) -> JobEvent:
    return JobEvent(job.id, EventKind.STATE, state=job.state.value)


def _word_notice(spec: RenderSpec, checkpoint: Checkpoint) -> list[str]:
    text = " ".join([*(text.text for text in spec.texts), spec.negative])
    unknown = unknown_words(text, checkpoint)
    if not unknown:
        return []
    examples = "; ".join(f"“{example}”" for example in checkpoint.examples[:2])
    known = f" It knows subjects like {examples}." if examples else ""
    return [f"{checkpoint.title} does not know: {', '.join(unknown[:12])}.{known}"]
