"""The one transaction that accepts an order: caps, credit, jobs, holds, verdicts and routes, or nothing."""

from dataclasses import dataclass, replace
from uuid import UUID

from shared import access, accounts, fleets, hookrows, joblists, jobstore, ledger, limits, workers
from shared.accounts import Account
from shared.catalog import Catalog
from shared.connections import Session
from shared.cost import estimate_ms, hold_ms
from shared.errors import Refusal
from shared.hooks import chosen
from shared.jobs import Job, Route
from shared.ledger import Balance
from shared.moderation import bans, cases
from shared.orders import Ask, Order, Piece, Quote, Receipt, keys_of
from shared.plans import Speed
from shared.safety.verdict import Decision
from shared.spec import RenderSpec

_KEY_LIMIT = 200


class PlanChanged(Exception):
    """The plan in force is another one than the order was made for: it has to be made again."""

    def __init__(self, plan: str) -> None:
        super().__init__(plan)
        self.plan = plan


@dataclass(frozen=True, slots=True)
class Acceptance:
    """`most_jobs` is how many jobs one key may have made, on any plan."""

    catalog: Catalog
    most_jobs: int
    sample_share: float = 0.0  # of the grey zone's jobs, for moderators to look at

    async def accept(self, session: Session, account: Account, order: Order) -> Receipt:
        """The same key gives the same jobs, however often and however many at once ask with it."""
        check_key(order.ask.key)
        if account.plan != order.question.plan.name:
            raise PlanChanged(account.plan)
        balance = await self._welcomed(session, account, order)
        before = await self.before(session, account, order.ask)
        if before is not None:
            return replace(before, notices=order.notices)
        reused = await self._had(session, account, order) if order.ask.reuse else None
        if reused is not None:
            return reused
        speeds = await self._admit(session, account, balance, order)
        digest, jobs = order.ask.sha256(), []
        for copy, speed in enumerate(speeds):
            jobs.append(
                await self._insert(session, account, order, speed=speed, copy=copy, digest=digest)
            )
        return Receipt(tuple(jobs), created=True, notices=order.notices)

    async def before(self, session: Session, account: Account, ask: Ask) -> Receipt | None:
        """The jobs that this key made before. Refusal when it was used for something else."""
        found = await jobstore.asked(session, keys_of(ask.key, self.most_jobs))
        first = next((one for one in found if one[0].submission_key == ask.key), None)
        if first is None:
            return None
        job, asked = first
        if job.account_id != account.id or asked not in (ask.sha256(), None):
            sentence = "This submission was already used for another job."
            raise Refusal("key_reused", sentence, field="key")
        # A key of its own may look like a copy's of this one.
        made = (one for one, what in found if one.account_id == account.id and what == asked)
        return Receipt(tuple(made), created=False)

    def quote(self, account: Account | None, balance: Balance, order: Order) -> Quote:
        """`account` None: somebody new."""
        usual = account.default_speed if account else None
        speeds = [_speed(piece, usual, order) for piece in order.pieces]
        return Quote(
            prompts=tuple(piece.text for piece in order.pieces),
            price_ms=self._total(order, speeds),
            speed=speeds[0],
            available_ms=balance.available_ms if account else order.plan.grant_ms,
        )

    async def _welcomed(self, session: Session, account: Account, order: Order) -> Balance:
        """From here on, this account's submissions stand in a row: caps and credit are exact. Who is
        banned after this has the job cancelled by the ban; who was before gets none."""
        standing, balance = await accounts.locked(session, account.id, plan=order.question.plan)
        limits.check_standing_now(standing)
        guild = order.ask.venue.guild_id
        if guild is not None:
            held = await bans.current(session, account.id, guild)
            limits.check_welcome(any(ban.guild_id == guild for ban in held))
        return balance

    async def _had(self, session: Session, account: Account, order: Order) -> Receipt | None:
        """What this account was delivered of the same recipes before: of all of them, or it is drawn."""
        wanted = {piece.spec.sha256() for piece in order.pieces}
        found = await joblists.delivered(session, account.id, wanted)
        jobs = [found.get((piece.spec.sha256(), piece.visibility)) for piece in order.pieces]
        if not all(jobs):
            return None
        had = tuple(job for job in jobs if job is not None)
        for job in had:
            await _watch(session, job, order.ask)
        return Receipt(had, created=False, notices=order.notices, reused=True)

    async def _admit(
        self, session: Session, account: Account, balance: Balance, order: Order
    ) -> list[Speed]:
        """The speed that each runs at, or the limit or the credit that refuses it."""
        plan, many = order.plan, len(order.pieces)
        speeds = [_speed(piece, account.default_speed, order) for piece in order.pieces]
        _, waiting = await jobstore.running_and_waiting(session, account.id)
        limits.check_waiting(waiting, many, order.question.plan)
        access.decide(replace(order.question, waiting=waiting, jobs=many)).check()
        for spec in {piece.spec.checkpoint: piece.spec for piece in order.pieces}.values():
            await self._check_fleet(session, spec)
        total = self._total(order, speeds)
        if total > balance.available_ms:
            hint = limits.relax_hint(plan, speeds[0])
            raise ledger.no_credit(total, balance.available_ms, hint=hint)
        return speeds

    async def _check_fleet(self, session: Session, spec: RenderSpec) -> None:
        if fleets.needed_bytes(spec, self.catalog):
            fleet = await workers.memories(session, fleets.RECENTLY_S)
            fleets.check_fits(spec, self.catalog, fleet)

    async def _insert(
        self,
        session: Session,
        account: Account,
        order: Order,
        *,
        speed: Speed,
        copy: int,
        digest: str,
    ) -> Job:
        ask, piece = order.ask, order.pieces[copy]
        job = await jobstore.insert(
            session,
            account_id=account.id,
            plan=account.plan,
            kind=order.kind,
            speed=speed,
            prompt=piece.text,
            spec=piece.spec,
            submission_key=order.keys()[copy],
            estimate_ms=self._estimate(piece.spec),
            parent_id=order.parent_id,
            parent_index=order.parent_index,
            strict=piece.strict,
            guild_id=ask.venue.guild_id,
            channel_id=ask.venue.channel_id,
            manner=order.manner,
            visibility=piece.visibility,
            price=order.question.plan.price[speed],
            asked_sha256=digest,
            memo=ask.memo,
            cancel_after_s=ask.cancel_after_s,
        )
        await ledger.hold(session, account.id, job.id, self._price(piece.spec, speed, order))
        await jobstore.add_verdict(session, job.id, "prompt", piece.verdict, account_id=account.id)
        if piece.verdict.decision is Decision.REVIEW and is_sampled(job.id, self.sample_share):
            await cases.sample(session, job=job, verdict=piece.verdict, prompt=piece.text)
        if ask.route is not None:
            await jobstore.set_route(session, job.id, _route_of(ask.route, copy))
        await _watch(session, job, ask)
        return job

    def _total(self, order: Order, speeds: list[Speed]) -> int:
        priced = zip(order.pieces, speeds, strict=True)
        return sum(self._price(piece.spec, speed, order) for piece, speed in priced)

    def _estimate(self, spec: RenderSpec) -> int:
        refiner = self.catalog.get(spec.refiner.checkpoint) if spec.refiner else None
        return estimate_ms(spec, self.catalog.get(spec.checkpoint), refiner=refiner)

    def _price(self, spec: RenderSpec, speed: Speed, order: Order) -> int:
        return hold_ms(self._estimate(spec), speed, order.question.plan)


def is_sampled(job_id: UUID, share: float) -> bool:
    """By the job's own random bits: the same job is in the sample or not, whoever asks."""
    return int.from_bytes(job_id.bytes[-4:]) < share * 2**32


def check_key(key: str) -> None:
    if not 0 < len(key) <= _KEY_LIMIT:
        sentence = f"A submission key has 1 to {_KEY_LIMIT} characters."
        raise Refusal("invalid_key", sentence, field="key")


def _speed(piece: Piece, usual: Speed | None, order: Order) -> Speed:
    """The one it asks for, if it is allowed, else the usual one as far as it is."""
    access.decide(replace(order.question, speed=piece.speed)).check()
    speed = limits.choose_speed(piece.speed, usual, order.plan)
    access.decide(replace(order.question, speed=speed)).check()
    limits.check_many(len(order.pieces), speed, order.plan)
    return speed


async def _watch(session: Session, job: Job, ask: Ask) -> None:
    if (hook := ask.hook) is not None:
        await hookrows.attach(
            session,
            job.account_id,
            job.id,
            url=hook.url,
            events=chosen(hook.events),
            dialect=hook.dialect,
        )


def _route_of(route: Route, copy: int) -> Route:
    """The first answers in the message that asks; each further one gets a message of its own."""
    return route if copy == 0 else replace(route, message_id="", token=None)
