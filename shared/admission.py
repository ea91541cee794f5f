"""The front desk: what comes in is parsed, screened, resolved, priced and accepted, or refused.

A Refusal leaves nothing written and nothing charged (a blocked prompt leaves its verdict and a strike).
What is accepted is one transaction: account, job, hold, verdict and route. The bell rings after it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

from shared import accounts, drafts, jobstore, ledger, limits
from shared.acceptance import Acceptance
from shared.accounts import Account
from shared.archive import Archive
from shared.bell import Bell
from shared.catalog import Catalog
from shared.config import SafetySettings
from shared.connections import Database
from shared.errors import Refusal
from shared.events import EventKind, Events, JobEvent
from shared.gate import HouseRules
from shared.jobs import Job, JobKind, JobState, Route, Visibility
from shared.lineage import reroll_spec, upscale_spec, vary_spec
from shared.moderation.cases import Case
from shared.moderation.strikes import DEFAULT
from shared.notices import notices
from shared.orders import NOWHERE, Ask, Order
from shared.orders import Info as Info
from shared.orders import Person as Person
from shared.orders import PromptBlocked as PromptBlocked
from shared.orders import Prospects as Prospects
from shared.orders import Quote as Quote
from shared.orders import Receipt as Receipt
from shared.orders import Submission as Submission
from shared.orders import Venue as Venue
from shared.outlooks import Outlooks
from shared.plans import PlanBook, Speed
from shared.prompt import parse, readable
from shared.safety.screen import PromptScreen
from shared.safety.verdict import Verdict
from shared.screening import Screening, permit_of
from shared.spec import RenderSpec, Source, resolve
from shared.telemetry import JOBS_CANCELLED, JOBS_REFUSED, JOBS_SUBMITTED, SUBMIT_SECONDS


class FrontDesk(Archive):
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
        safety: SafetySettings = DEFAULT,
    ) -> None:
        """Without `outlooks` nobody is told how long it may take. `safety` says what share of the grey zone
        moderators look at and what follows strikes, and knows banned people again who had themselves
        erased."""
        super().__init__(database, book, safety.pepper)
        self._bell = bell
        self._events = events
        self._catalog = catalog
        self._screening = Screening(database, screen, book, safety)
        self._draw_seed = draw_seed
        self._outlooks = outlooks
        self._acceptance = Acceptance(book, catalog, safety.sample_share)

    async def submit(self, submission: Submission) -> Receipt:
        one = submission
        return await self.ask(
            Ask(
                "imagine",
                one.person,
                one.venue,
                one.key,
                one.route,
                text=one.text,
                speed=one.speed,
            )
        )

    async def vary(
        self,
        person: Person,
        job_id: UUID,
        index: int,
        *,
        key: str,
        route: Route | None,
        venue: Venue = NOWHERE,
    ) -> Receipt:
        """Four pictures near picture `index` (from 0) of a finished grid."""
        return await self.ask(Ask("vary", person, venue, key, route, job_id=job_id, index=index))

    async def upscale(
        self,
        person: Person,
        job_id: UUID,
        index: int,
        *,
        key: str,
        route: Route | None,
        venue: Venue = NOWHERE,
    ) -> Receipt:
        """Picture `index` (from 0) of a finished grid, twice as large."""
        return await self.ask(Ask("upscale", person, venue, key, route, job_id=job_id, index=index))

    async def reroll(
        self,
        person: Person,
        job_id: UUID,
        *,
        key: str,
        route: Route | None,
        venue: Venue = NOWHERE,
    ) -> Receipt:
        """The same prompt from another seed. A variation stays one, of the same picture."""
        return await self.ask(Ask("reroll", person, venue, key, route, job_id=job_id))

    async def resubmit(self, case: Case) -> Receipt:
        """What was refused, now that a moderator lifted its case. Limits, credit and pauses hold as ever;
        the same case gives the same jobs, and their pictures are judged strictly."""
        if case.submission is None:
            raise Refusal("case_erased", "What was asked for is erased; please ask for it again.")
        return await self.ask(Ask.again(case.submission, f"case:{case.id}"), permit_of(case))

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

    async def quote(self, ask: Ask) -> Quote:
        """What this would make and cost, without making it. Every Refusal that asking for it would give."""
        raise NotImplementedError

    async def confirm(
        self, person: Person, draft_id: UUID, *, route: Route | None, venue: Venue = NOWHERE
    ) -> Receipt:
        """Makes what was drafted, once, however often it is pressed: each press gets the same jobs. What
        is refused can be confirmed again."""
        async with self._database.begin() as session:
            mine = await self._known(session, person)
            ask = await drafts.freeze(session, mine, draft_id)
        wanted = replace(ask, person=person, venue=venue, route=route, confirmed=True)
        try:
            return await self.ask(wanted)
        except Refusal:
            async with self._database.begin() as session:
                await drafts.put_back(session, mine, draft_id)
            raise

    async def ask(self, ask: Ask, permit: Verdict | None = None) -> Receipt:
        try:
            with SUBMIT_SECONDS.time():
                return await self._carry_out(ask, permit)
        except Refusal as refusal:
            JOBS_REFUSED.labels(refusal.code).inc()
            raise

    async def _carry_out(self, ask: Ask, permit: Verdict | None) -> Receipt:
        rules = await self._screening.open(ask)
        if ask.verb == "imagine":
            return await self._imagine(ask, rules, permit)
        parent = await self._drawn(ask)
        spec, kind, index = await self._descendant(ask, parent)
        return await self._descend(
            ask, rules, permit, parent=parent, spec=spec, kind=kind, index=index
        )

    async def _imagine(self, ask: Ask, rules: HouseRules, permit: Verdict | None) -> Receipt:
        plan = self._book.plan(ask.person.plan)
        text = readable(ask.text).strip()
        prompt = parse(ask.text, longest=plan.max_prompt)
        checkpoint = self._catalog.get(self._catalog.default)
        verdict = permit or await self._screening.screened(
            ask, rules, texts=prompt.texts, negative=prompt.negative, said=text
        )
        seed = self._draw_seed()
        copies = range(prompt.repeat)
        specs = tuple(
            resolve(prompt, checkpoint, plan=plan, seed=seed, copy=copy) for copy in copies
        )
        return await self._accept(
            Order(
                person=ask.person,
                kind=JobKind.IMAGINE,
                text=text,
                specs=specs,
                verdict=verdict,
                key=ask.key,
                route=ask.route,
                speed=prompt.speed or ask.speed,
                notices=notices(prompt, specs[0], checkpoint),
                venue=ask.venue,
                manner=ask.manner,
                visibility=ask.visibility or Visibility.PUBLIC,
            )
        )

    async def _descendant(self, ask: Ask, parent: Job) -> tuple[RenderSpec, JobKind, int | None]:
        if ask.verb == "vary":
            return (
                vary_spec(parent.spec, ask.index, seed=self._draw_seed()),
                JobKind.VARY,
                ask.index,
            )
        if ask.verb == "upscale":
            source = await self._source(parent, ask.index)
            return upscale_spec(parent.spec, ask.index, source), JobKind.UPSCALE, ask.index
        return reroll_spec(parent.spec, self._draw_seed()), parent.kind, parent.parent_index

    async def _descend(
        self,
        ask: Ask,
        rules: HouseRules,
        permit: Verdict | None,
        *,
        parent: Job,
        spec: RenderSpec,
        kind: JobKind,
        index: int | None,
    ) -> Receipt:
        limits.check_steps(spec.steps, self._book.plan(ask.person.plan))
        negative = tuple(part for part in spec.negative.split(", ") if part)
        verdict = permit or await self._screening.screened(
            ask, rules, texts=spec.texts, negative=negative, said=parent.prompt
        )
        return await self._accept(
            Order(
                person=ask.person,
                kind=kind,
                text=parent.prompt,
                specs=(spec,),
                verdict=verdict,
                key=ask.key,
                route=ask.route,
                parent_id=parent.id,
                parent_index=index,
                venue=ask.venue,
                manner=ask.manner,
                visibility=ask.visibility or Visibility.PUBLIC,
            )
        )

    async def _drawn(self, ask: Ask) -> Job:
        """The finished job of this person that a button goes on from."""
        assert ask.job_id is not None, "every verb but imagine names a job"
        async with self._database.begin() as session:
            account = await self._account(session, ask.person)
            limits.check_standing(account.standing)
            job = limits.check_own(await jobstore.load(session, ask.job_id), account.id)
            limits.check_drawn(job)
        return job

    async def _source(self, parent: Job, index: int) -> Source:
        async with self._database.read() as session:
            assets = await jobstore.assets(session, parent.id)
        for asset in assets:
            if (asset.kind, asset.index) == ("image", index):
                return Source(asset.key, asset.sha256)
        raise limits.no_such_picture(parent)

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

    async def _announce(self, jobs: tuple[Job, ...]) -> None:
        """After the commit, and best effort: the dispatcher looks at Postgres every second anyway."""
        for job in jobs:
            JOBS_SUBMITTED.labels(job.kind.value, job.speed.value, job.plan).inc()
        rings = [self._bell.ring(job.speed, job.id) for job in jobs]
        await asyncio.gather(*rings, self._events.publish(*map(_changed, jobs)))


def _changed(job: Job) -> JobEvent:
    return JobEvent(job.id, EventKind.STATE, state=job.state.value)
