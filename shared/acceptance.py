"""The one transaction that accepts an order: caps, credit, jobs, holds, verdicts and routes, or nothing."""

from dataclasses import dataclass, replace
from uuid import UUID

from shared import accounts, fleets, jobstore, ledger, limits, workers
from shared.accounts import Account
from shared.catalog import Catalog
from shared.connections import Session
from shared.cost import estimate_ms, hold_ms
from shared.errors import Refusal
from shared.jobs import Job, Route
from shared.ledger import Balance
from shared.moderation import bans, cases
from shared.orders import Order, Receipt
from shared.plans import Plan, PlanBook, Speed
from shared.safety.verdict import Decision
from shared.spec import RenderSpec

_KEY_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Acceptance:
    book: PlanBook
    catalog: Catalog
    sample_share: float = 0.0  # of the grey zone's jobs, for moderators to look at

    async def accept(self, session: Session, account: Account, order: Order) -> Receipt:
        """The same key gives the same jobs, however often and however many at once ask with it."""
        _check_key(order.key)
        balance = await self._welcomed(session, account, order)
        before = await jobstore.by_submissions(session, order.keys())
        if before:
            _check_same(before, account, order)
            return Receipt(tuple(before), created=False, notices=order.notices)
        speed = await self._admit(session, account, balance, order)
        copies = range(len(order.specs))
        jobs = [
            await self._insert(session, account, order, speed=speed, copy=copy) for copy in copies
        ]
        return Receipt(tuple(jobs), created=True, notices=order.notices)

    async def _welcomed(self, session: Session, account: Account, order: Order) -> Balance:
        """From here on, this account's submissions stand in a row: caps and credit are exact. Who is
        banned after this has the job cancelled by the ban; who was before gets none."""
        standing, balance = await accounts.locked(
            session, account.id, plan=self._terms(account, order)
        )
        limits.check_standing_now(standing)
        guild = order.venue.guild_id
        if guild is not None:
            held = await bans.current(session, account.id, guild)
            limits.check_welcome(any(ban.guild_id == guild for ban in held))
        return balance

    async def _admit(
        self, session: Session, account: Account, balance: Balance, order: Order
    ) -> Speed:
        """The speed it runs at, or the plan's limit or the credit that refuses it."""
        plan = self._terms(account, order)
        speed = limits.choose_speed(order.speed, account.default_speed, plan)
        _, waiting = await jobstore.running_and_waiting(session, account.id)
        limits.check_waiting(waiting, len(order.specs), plan)
        await self._check_fleet(session, order.specs[0])
        total = sum(self._price(spec, speed, plan) for spec in order.specs)
        if total > balance.available_ms:
            hint = limits.relax_hint(plan, speed)
            raise ledger.no_credit(total, balance.available_ms, hint=hint)
        return speed

    async def _check_fleet(self, session: Session, spec: RenderSpec) -> None:
        """The copies of an order differ in their seeds alone."""
        if fleets.needed_bytes(spec, self.catalog):
            fleet = await workers.memories(session, fleets.RECENTLY_S)
            fleets.check_fits(spec, self.catalog, fleet)

    async def _insert(
        self, session: Session, account: Account, order: Order, *, speed: Speed, copy: int
    ) -> Job:
        spec, plan = order.specs[copy], self._terms(account, order)
        job = await jobstore.insert(
            session,
            account_id=account.id,
            plan=account.plan,
            kind=order.kind,
            speed=speed,
            prompt=order.text,
            spec=spec,
            submission_key=order.keys()[copy],
            estimate_ms=self._estimate(spec),
            parent_id=order.parent_id,
            parent_index=order.parent_index,
            strict=order.strict,
            guild_id=order.venue.guild_id,
            channel_id=order.venue.channel_id,
            manner=order.manner,
            visibility=order.visibility,
            price=plan.price[speed],
        )
        await ledger.hold(session, account.id, job.id, self._price(spec, speed, plan))
        await jobstore.add_verdict(session, job.id, "prompt", order.verdict, account_id=account.id)
        if order.verdict.decision is Decision.REVIEW and is_sampled(job.id, self.sample_share):
            await cases.sample(session, job=job, verdict=order.verdict, prompt=order.text)
        if order.route is not None:
            await jobstore.set_route(session, job.id, _route_of(order.route, copy))
        return job

    def _estimate(self, spec: RenderSpec) -> int:
        refiner = self.catalog.get(spec.refiner.checkpoint) if spec.refiner else None
        return estimate_ms(spec, self.catalog.get(spec.checkpoint), refiner=refiner)

    def _price(self, spec: RenderSpec, speed: Speed, plan: Plan) -> int:
        return hold_ms(self._estimate(spec), speed, plan)

    def _terms(self, account: Account, order: Order) -> Plan:
        """The plan in force, as it is on that server and for this person's roles."""
        person, guild_id = order.person, order.venue.guild_id
        return self.book.terms(account.plan, guild_id=guild_id, roles=person.roles)


def is_sampled(job_id: UUID, share: float) -> bool:
    """By the job's own random bits: the same job is in the sample or not, whoever asks."""
    return int.from_bytes(job_id.bytes[-4:]) < share * 2**32


def _check_key(key: str) -> None:
    if not 0 < len(key) <= _KEY_LIMIT:
        sentence = f"A submission key has 1 to {_KEY_LIMIT} characters."
        raise Refusal("invalid_key", sentence, field="key")


def _check_same(before: list[Job], account: Account, order: Order) -> None:
    if any(job.account_id != account.id or not order.is_same_as(job) for job in before):
        sentence = "This submission was already used for another job."
        raise Refusal("key_reused", sentence, field="key")


def _route_of(route: Route, copy: int) -> Route:
    """The first answers in the message that asks; each further one gets a message of its own."""
    return route if copy == 0 else replace(route, message_id="", token=None)
