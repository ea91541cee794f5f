"""The front desk: what comes in is read, screened, resolved, priced and accepted, or refused.

A Refusal leaves nothing written and nothing charged (a blocked prompt leaves its verdict and a strike).
What is accepted is one transaction: account, job, hold, verdict and route. The bell rings after it.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from uuid import UUID

from shared import accounts, drafts, jobstore, ledger, limits
from shared.acceptance import Acceptance, PlanChanged, check_key
from shared.accounts import Account
from shared.archive import Archive
from shared.asking.pictures import Pictures
from shared.asking.reading import Reading, read
from shared.asking.resolver import Resolver
from shared.asking.rulebook import Rulebook as Rulebook
from shared.bell import Bell
from shared.connections import Database
from shared.errors import Refusal
from shared.events import EventKind, Events, JobEvent
from shared.gate import HouseRules
from shared.hookdesk import Addresses
from shared.intake import Intake
from shared.jobs import Job, JobState, Route
from shared.moderation.cases import Case
from shared.orders import NOWHERE, Ask, Estimate, Order
from shared.orders import Info as Info
from shared.orders import Person as Person
from shared.orders import PromptBlocked as PromptBlocked
from shared.orders import Prospects as Prospects
from shared.orders import Quote as Quote
from shared.orders import Receipt as Receipt
from shared.orders import Submission as Submission
from shared.orders import Unconfirmed as Unconfirmed
from shared.orders import Venue as Venue
from shared.outlooks import Outlooks
from shared.plans import Speed
from shared.safety.verdict import Verdict
from shared.screening import UNSCREENED, Screening, permit_of
from shared.telemetry import JOBS_CANCELLED, JOBS_REFUSED, JOBS_SUBMITTED, SUBMIT_SECONDS


class FrontDesk(Archive):
    def __init__(
        self,
        database: Database,
        bell: Bell,
        events: Events,
        rulebook: Rulebook,
        *,
        draw_seed: Callable[[], int],
        outlooks: Outlooks | None = None,
        intake: Intake | None = None,
        addresses: Addresses | None = None,
    ) -> None:
        """Without `outlooks` nobody is told how long it may take; without `intake` nobody brings pictures;
        without `addresses` webhooks lead to public ones alone."""
        super().__init__(database, rulebook.plans, rulebook.safety.pepper)
        self._bell = bell
        self._events = events
        self._outlooks = outlooks
        self._pictures = Pictures(intake)
        self._addresses = addresses or Addresses()
        self._screening = Screening(database, rulebook.screen, rulebook.plans, rulebook.safety)
        self._resolver = Resolver(database, rulebook, self._screening, draw_seed)
        self._acceptance = Acceptance(
            rulebook.catalog, most_jobs(rulebook), rulebook.safety.sample_share
        )

    # --- drawing ---------------------------------------------------------------------------------

    async def submit(self, submission: Submission) -> Receipt:
        return await self.ask(submission.ask())

    async def ask(self, ask: Ask, permit: Verdict | None = None) -> Receipt:
        """Refusal for whatever stands against it; Unconfirmed where so many jobs want a word first."""
        try:
            with SUBMIT_SECONDS.time():
                return await self._carry_out(ask, permit)
        except Refusal as refusal:
            JOBS_REFUSED.labels(refusal.code).inc()
            raise

    async def resubmit(self, case: Case) -> Receipt:
        """What was refused, now that a moderator lifted its case. Limits, credit and pauses hold as ever;
        the same case gives the same jobs, and their pictures are judged strictly."""
        if case.submission is None:
            raise Refusal("case_erased", "What was asked for is erased; please ask for it again.")
        return await self.ask(Ask.again(case.submission, f"case:{case.id}"), permit_of(case))

    async def quote(self, ask: Ask) -> Quote:
        """What this would make and cost, without making it. Every Refusal that asking for it would give but
        those that only the moment of asking knows: a full line, no credit, a link that is dead."""
        rules = await self._screening.open(ask)
        reading = read(ask, rules, self._likely_plan(ask, rules), self._book)
        return await self._quoted(reading, None)

    async def estimate(self, ask: Ask) -> Estimate:
        """Of words that are still being typed: read, resolved and priced as by `quote`, but not screened. So
        nothing half written is refused for what it means, and nobody learns here what the screen lets pass."""
        rules = await self._screening.open(ask)
        reading = read(ask, rules, self._likely_plan(ask, rules), self._book)
        order = await self._resolver.order(reading, UNSCREENED, self._pictures.imagined)
        confirm = reading.jobs > reading.plan.confirm_above
        specs = tuple(piece.spec for piece in order.pieces)
        return Estimate(await self._priced(order), specs, order.notices, confirm)

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

    async def draft(self, person: Person, kind: str, ask: Ask) -> UUID:
        """Keeps what is not confirmed yet, for days; its buttons name it by this number. Pictures that it
        brings are taken in now: the links to them may be dead by then."""
        async with self._pictures.adopted(ask) as kept:
            return await super().draft(person, kind, kept)

    async def cancel(self, person: Person, job_id: UUID) -> Job:
        """This one and no other."""
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

    # --- how an account stands -------------------------------------------------------------------

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

    # --- from an ask to its jobs -----------------------------------------------------------------

    async def _carry_out(self, ask: Ask, permit: Verdict | None) -> Receipt:
        check_key(ask.key)
        rules = await self._screening.open(ask)
        try:
            return await self._placed(ask, rules, self._likely_plan(ask, rules), permit)
        except PlanChanged as changed:
            return await self._placed(ask, rules, changed.plan, permit)

    async def _placed(
        self, ask: Ask, rules: HouseRules, plan: str, permit: Verdict | None
    ) -> Receipt:
        if rules.asked_before and (before := await self._before(ask)) is not None:
            return before
        reading = read(ask, rules, plan, self._book)
        if reading.jobs > reading.plan.confirm_above and not ask.confirmed:
            raise Unconfirmed(await self._quoted(reading, permit))
        if ask.hook is not None:
            await self._addresses.check(ask.hook.url, field="webhook")
        order = await self._resolver.order(reading, permit, self._pictures.take)
        async with self._pictures.kept(order.uploads) as settled:
            receipt = await self._accept(order)
            settled(receipt.created)
        if receipt.created:
            await self._announce(receipt.jobs)
        return receipt

    def _likely_plan(self, ask: Ask, rules: HouseRules) -> str:
        """The one in force was so when they last asked; which one it is now, the transaction decides."""
        return self._book.weightiest([ask.person.plan, *rules.plans]).name

    async def _before(self, ask: Ask) -> Receipt | None:
        """What a repeat of an old ask is given, before anything is fetched or drawn for it."""
        async with self._database.begin() as session:
            account = await self._account(session, ask.person)
            return await self._acceptance.before(session, account, ask)

    async def _quoted(self, reading: Reading, permit: Verdict | None) -> Quote:
        order = await self._resolver.order(reading, permit, self._pictures.imagined)
        return await self._priced(order)

    async def _priced(self, order: Order) -> Quote:
        async with self._database.read() as session:
            account = await accounts.by_discord(session, order.ask.person.discord_id)
            mine = account.id if account else UUID(int=0)
            balance = await ledger.balance(session, mine)
        return self._acceptance.quote(account, balance, order)

    async def _accept(self, order: Order) -> Receipt:
        person = order.ask.person
        try:
            async with self._database.begin() as session:
                account = await self._account(session, person)
                return await self._acceptance.accept(session, account, order)
        except Refusal as refusal:
            if refusal.code != limits.LINE_FULL:
                raise
            ahead = await self.prospects(person)
            raise limits.with_next_start(refusal, ahead.next_start_s) from None

    async def _announce(self, jobs: Sequence[Job]) -> None:
        """After the commit, and best effort: the dispatcher looks at Postgres every second anyway."""
        for job in jobs:
            JOBS_SUBMITTED.labels(job.kind.value, job.speed.value, job.plan).inc()
        rings = [self._bell.ring(job.speed, job.id) for job in jobs]
        await asyncio.gather(*rings, self._events.publish(*map(_changed, jobs)))


def most_jobs(rulebook: Rulebook) -> int:
    """Of one key, whatever the plan is."""
    plans = rulebook.plans.plans.values()
    return max(max(plan.max_permutations, plan.max_repeat) for plan in plans)


def _changed(job: Job) -> JobEvent:
    return JobEvent(job.id, EventKind.STATE, state=job.state.value)
