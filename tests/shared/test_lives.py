"""A job's life in any order of events, stale and repeated ones too: the database agrees with the model.

A sequence is one transaction that is rolled back in the end, each event a savepoint in it: thousands of
sequences need one database.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from shared import accounts, jobstore, ledger, sweeps
from shared.acceptance import Acceptance
from shared.access import Question
from shared.catalog import read_catalog
from shared.config import SHARED
from shared.connections import Session
from shared.errors import Refusal
from shared.jobs import Job, JobKind
from shared.orders import NOWHERE, Ask, Order, Person, Piece
from shared.safety.verdict import Decision, Verdict
from tests.shared import deeds
from tests.shared.books import wrongs
from tests.shared.deeds import Undone
from tests.shared.lives import Life, World
from tests.shared.rows import BOOK, SPEC

T = TypeVar("T")
CATALOG = read_catalog(SHARED / "catalog.toml")
PERSON = Person("1", "Ada", "free")
ALLOWED = Verdict(Decision.ALLOW, "none", 0.0, "", "test", "0" * 64)
MAX_CRASHES, MAX_WAITING, ENOUGH_FOR = 3, 4, 6
WORKERS = st.sampled_from(["w1", "w2"])
WHICH = st.integers(0, 5)
STALE = st.sampled_from([0, 0, 0, 0, -1, 1])  # mostly the attempt that holds it


class Lives(RuleBasedStateMachine):
    def __init__(self, runner: asyncio.Runner, session: Session) -> None:
        super().__init__()
        self.runner, self.session = runner, session
        self.plan = replace(BOOK.plan("free"), max_waiting=MAX_WAITING, grant_ms=0)
        self.acceptance = Acceptance(CATALOG, most_jobs=2)
        self.price = self.acceptance._estimate(SPEC)
        self.world = World(ENOUGH_FOR * self.price, MAX_WAITING, MAX_CRASHES)
        self.jobs: list[Job] = []
        self.account = self.run(self._begin())

    def run(self, work: Awaitable[T]) -> T:
        async def wait() -> T:
            return await work

        return self.runner.run(wait())

    async def _begin(self) -> accounts.Account:
        book = replace(BOOK, plans={"free": self.plan})
        account = await accounts.ensure(self.session, "1", "Ada", plan="free", book=book)
        await ledger.grant(self.session, account.id, self.world.credit, key="all of it")
        return account

    def do(self, change: Callable[[], Awaitable[T]]) -> T:
        """One transaction of the product, as a savepoint."""

        async def within() -> T:
            async with self.session.begin_nested():
                return await change()

        return self.run(within())

    def pick(self, which: int) -> tuple[Life, Job]:
        which %= len(self.jobs)
        return self.world.lives[which], self.jobs[which]

    # --- what may happen -----------------------------------------------------------------

    @rule(number=st.integers(0, 11), body=st.sampled_from(["a boat", "a boat", "a boat", "a cat"]))
    def submit(self, number: int, body: str) -> None:
        key = f"key-{number}"
        known = next((job for job in self.jobs if job.submission_key == key), None)
        said = self._asked(key, body)
        if known is None:
            expected = self.world.submit(key, self.price)
        else:
            expected = "repeated" if known.prompt == body else "key_reused"
        assert said == expected

    def _asked(self, key: str, body: str) -> str:
        try:
            receipt = self.do(lambda: self.acceptance.accept(*self._order(key, body)))
        except Refusal as refusal:
            return refusal.code
        if receipt.created:
            self.jobs += receipt.jobs
        assert [job.submission_key for job in receipt.jobs] == [key]
        return "created" if receipt.created else "repeated"

    def _order(self, key: str, body: str) -> tuple[Session, accounts.Account, Order]:
        ask = Ask("imagine", PERSON, NOWHERE, key, None, text=body)
        pieces = (Piece(body, SPEC, ALLOWED),)
        order = Order(ask, JobKind.IMAGINE, pieces, Question(plan=self.plan), self.plan)
        return self.session, self.account, order

    @precondition(lambda self: self.jobs)
    @rule(which=WHICH, worker=WORKERS)
    def dispatch(self, which: int, worker: str) -> None:
        life, job = self.pick(which)
        sent = self.do(lambda: jobstore.dispatched(self.session, job.id, worker=worker))
        assert (sent is not None) is self.world.dispatch(life, worker)

    @precondition(lambda self: self.jobs)
    @rule(which=WHICH, worker=WORKERS, stale=STALE)
    def claim(self, which: int, worker: str, stale: int) -> None:
        life, job = self.pick(which)
        attempt = life.attempt + stale
        holder: dict[str, Any] = {"attempt": attempt, "worker": worker}
        claimed = self.do(lambda: jobstore.running(self.session, job.id, lease_s=60, **holder))
        assert (claimed is not None) is self.world.claim(life, attempt, worker)

    @precondition(lambda self: self.jobs)
    @rule(worker=WORKERS, stale=STALE)
    def renew(self, worker: str, stale: int) -> None:
        """A heartbeat for all that this worker believes to have."""
        attempts = {job.id: life.attempt + stale for life, job in self._pairs()}
        kept = self.do(lambda: jobstore.renew_leases(self.session, worker, attempts, 60))
        expected = {
            job.id
            for life, job in self._pairs()
            if self.world.renew(life, attempts[job.id], worker)
        }
        assert kept == expected

    @precondition(lambda self: self.jobs)
    @rule(which=WHICH)
    def time_passes(self, which: int) -> None:
        life, job = self.pick(which)
        if life.worker is not None and life.open:
            life.expired = True
            past = "update jobs set lease_until = clock_timestamp() - interval '1 s' where id = :id"
            self.run(self.session.execute(text(past), {"id": job.id}))

    @rule()
    def rescue(self) -> None:
        found = self.do(lambda: deeds.rescue(self.session, max_crashes=MAX_CRASHES))
        assert found == self.world.rescue()

    @precondition(lambda self: self.jobs)
    @rule(which=WHICH, worker=WORKERS, stale=STALE)
    def give_back(self, which: int, worker: str, stale: int) -> None:
        life, job = self.pick(which)
        attempt = life.attempt + stale
        holder: dict[str, Any] = {"attempt": attempt, "worker": worker}
        back = self.do(lambda: jobstore.given_back(self.session, job.id, **holder))
        assert (back is not None) is self.world.give_back(life, attempt, worker)

    @precondition(lambda self: self.jobs)
    @rule(
        which=WHICH,
        worker=st.sampled_from(["w1", "w2", None]),
        stale=STALE,
        how=st.sampled_from(["succeeded", "blocked", "failed"]),
        part=st.sampled_from([0.0, 0.3, 1.0]),
    )
    def end(self, which: int, worker: str | None, stale: int, how: str, part: float) -> None:
        if worker is None:
            how = "failed"  # nobody else ends what nobody holds
        life, job = self.pick(which)
        charged = int(life.price * part) if how == "succeeded" else 0
        owner = (life.attempt + stale, worker)
        ended = self.do(lambda: self._end(job, how, owner=owner, charged=charged))
        assert ended is self.world.end(life, how, owner=owner, charged=charged)

    async def _end(
        self, job: Job, how: str, *, owner: tuple[int, str | None], charged: int
    ) -> bool:
        attempt, worker = owner
        if how == "failed" or worker is None:
            return await deeds.fail(self.session, job, attempt=attempt, worker=worker)
        holder: dict[str, Any] = {"attempt": attempt, "worker": worker}
        if how == "blocked":
            return await deeds.block(self.session, job, **holder)
        return await deeds.succeed(self.session, job, charged, **holder)

    @precondition(lambda self: self.jobs)
    @rule(which=WHICH, own=st.booleans())
    def cancel(self, which: int, own: bool) -> None:
        life, job = self.pick(which)
        who = job.account_id if own else job.id  # nobody's
        ended = self.do(lambda: deeds.cancel(self.session, job, by=who))
        assert ended is (own and self.world.cancel(life))

    @precondition(lambda self: self.jobs)
    @rule(which=WHICH, part=st.sampled_from([0.0, 0.3, 1.0]))
    def money_is_moved_again(self, which: int, part: float) -> None:
        """A commit whose answer was lost is tried once more."""
        life, job = self.pick(which)
        if not life.open:
            again = int(life.price * part)
            if life.state == "succeeded":
                self.run(ledger.settle(self.session, job, again))
            self.run(ledger.release(self.session, job))

    @precondition(lambda self: self.jobs)
    @rule(which=WHICH, worker=WORKERS)
    def it_is_all_undone(self, which: int, worker: str) -> None:
        """A transaction that dies before its commit has changed nothing."""
        _, job = self.pick(which)

        async def doomed() -> None:
            await jobstore.dispatched(self.session, job.id, worker=worker)
            await deeds.cancel(self.session, job, by=job.account_id)
            raise Undone

        with suppress(Undone):
            self.do(doomed)

    @rule()
    def holds_are_swept(self) -> None:
        """There is nothing to sweep while every end releases its own."""
        at_once = timedelta(0)
        assert self.do(lambda: sweeps.stale_holds(self.session, older_than=at_once)) == []

    # --- what must be true ---------------------------------------------------------------

    @invariant()
    def the_rows_are_as_foreseen(self) -> None:
        query = "select id, state, attempt, crashes, worker, charged_ms from jobs"
        found = {row[0]: tuple(row[1:]) for row in self.run(self.session.execute(text(query)))}
        assert found == {job.id: _row(life) for life, job in self._pairs()}

    @invariant()
    def the_money_is_as_foreseen(self) -> None:
        balance = self.run(ledger.balance(self.session, self.account.id))
        assert balance == ledger.Balance(self.world.available, self.world.held)

    def teardown(self) -> None:
        try:
            assert self.run(wrongs(self.session)) == []
            assert self.run(ledger.audit_sums(self.session)) == []
            for life, job in self._pairs():
                assert self.run(self._story(job)) == life.story
        finally:
            self.run(self.session.rollback())

    async def _story(self, job: Job) -> list[str]:
        query = text("select target from transitions where job_id = :id order by id")
        return list((await self.session.execute(query, {"id": job.id})).scalars())

    def _pairs(self) -> list[tuple[Life, Job]]:
        return list(zip(self.world.lives, self.jobs, strict=True))


def _row(life: Life) -> tuple[Any, ...]:
    return life.state, life.attempt, life.crashes, life.worker, life.charged


QUICK, LONG = (
    (25, 30),
    pytest.param((2000, 60), marks=[pytest.mark.slow, pytest.mark.timeout(7200)]),
)


@pytest.mark.parametrize("size", [QUICK, LONG])
def test_a_job_s_life_is_as_foreseen(database_url: str, size: tuple[int, int]) -> None:
    sequences, steps = size
    print(f"invariant 18: n = {sequences} sequences x {steps} steps")
    profile = settings(
        max_examples=sequences,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # told as it was found: to shrink it takes minutes
        database=None,
        print_blob=True,
    )
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        engine = create_async_engine(database_url)
        session = AsyncSession(engine, expire_on_commit=False)
        try:
            run_state_machine_as_test(partial(Lives, runner, session), settings=profile)  # type: ignore[arg-type]
        finally:
            runner.run(session.close())
            runner.run(engine.dispose())
