"""Who runs next. Pure: jobs and moments in, choices out; every step is O(log n).

Start-time fair queueing on two floors. A lane (a speed) and, inside it, a flow (one account) hold a
place in virtual time; the least start is served, and its next start lies `cost / weight` further. One
that comes back after a rest starts at the present, so nobody saves up turns and nobody pays for a rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from uuid import UUID

from farm.lanes import Account, Flow, Lane
from shared.plans import Speed

# A job that waited its lane's limit moves up one lane, once: a free lane can never flood turbo.
PROMOTIONS: dict[Speed, tuple[float, Speed]] = {
    Speed.FAST: (60.0, Speed.TURBO),
    Speed.RELAX: (300.0, Speed.FAST),
}
# Bounds one pop when a whole backlog comes of age in the same second; the rest follows at the next.
MOST_PROMOTIONS = 32


@dataclass(frozen=True, slots=True)
class Waiting:
    """`cost_ms` is estimated GPU-milliseconds; `submitted_at` is seconds on the database's clock."""

    job_id: UUID
    account_id: UUID
    lane: Speed
    plan_weight: int
    max_running: int
    cost_ms: int
    submitted_at: float
    checkpoint: str


@dataclass(frozen=True, slots=True)
class Running:
    """A job that holds a slot, dispatched or rendering, `since` then."""

    account_id: UUID
    cost_ms: int
    since: float


@dataclass(frozen=True, slots=True)
class Worker:
    """A GPU as the farm sees it: `busy` of `slots` taken, and the checkpoints that are warm on it."""

    name: str
    slots: int
    busy: int = 0
    checkpoints: frozenset[str] = frozenset()
    draining: bool = False

    @property
    def free(self) -> int:
        return 0 if self.draining else max(self.slots - self.busy, 0)


class Scheduler:
    """push, pop, cancel, ended. `running` are the jobs that hold a slot; caps count them."""

    def __init__(self, lane_weights: Mapping[Speed, int]) -> None:
        self.waiting: dict[UUID, Waiting] = {}
        self.running: dict[UUID, Running] = {}
        self._lane_of: dict[UUID, Speed] = {}
        self._lanes = {speed: Lane(speed, lane_weights[speed]) for speed in Speed}
        self._accounts: dict[UUID, Account] = {}
        self._virtual = 0.0
        self._numbers = count()

    def push(self, waiting: Waiting) -> None:
        """A job that waits already stays where it is; one that came back keeps its age."""
        if waiting.job_id in self.waiting:
            return
        account = self._accounts.setdefault(waiting.account_id, Account())
        account.cap = waiting.max_running
        account.waiting += 1
        self.waiting[waiting.job_id] = waiting
        self._enter(waiting, waiting.lane)

    def pop(self, worker: Worker, now: float) -> Waiting | None:
        """The job that `worker` should take; it counts as running from here.

        Only the first job of the first flow is looked at. A look-ahead for `worker.checkpoints`
        belongs into `Lane.next_flow`, where the flows lie in order.
        """
        self._promote(now)
        lane = self._next_lane()
        if lane is None:
            return None
        flow = lane.next_flow()
        waiting = self._head(flow)
        self._virtual = lane.start
        lane.served(flow, cost_ms=waiting.cost_ms, plan_weight=waiting.plan_weight)
        self._leave(waiting.job_id)
        self.adopt(waiting.job_id, Running(waiting.account_id, waiting.cost_ms, now))
        return waiting

    def cancel(self, job_id: UUID) -> None:
        """It waits no longer, whatever the reason."""
        if job_id in self.waiting:
            account_id = self.waiting[job_id].account_id
            flow = self._leave(job_id)
            self._settle(account_id)
            self._mark_age(flow)

    def adopt(self, job_id: UUID, running: Running) -> None:
        """A job that holds a slot, dispatched here or by the leader before."""
        if job_id in self.running:
            self.running[job_id] = running
            return
        if job_id in self.waiting:
            self._leave(job_id)
        self.running[job_id] = running
        self._accounts.setdefault(running.account_id, Account()).running += 1
        self._settle(running.account_id)

    def ended(self, job_id: UUID, now: float) -> None:
        running = self.running.pop(job_id, None)
        if running is None:
            return
        account = self._accounts[running.account_id]
        if account.capped:
            account.freed_at = now
        account.running -= 1
        self._settle(running.account_id)

    def cap_reached(self, account_id: UUID) -> int | None:
        """The account's cap of running jobs where that is what holds it back."""
        account = self._accounts.get(account_id)
        return account.cap if account and account.capped else None

    def copy(self) -> "Scheduler":
        """A twin to try the future on."""
        twin = Scheduler({speed: lane.weight for speed, lane in self._lanes.items()})
        twin.waiting, twin.running = self.waiting.copy(), self.running.copy()
        twin._lane_of = self._lane_of.copy()
        twin._lanes = {speed: lane.copy() for speed, lane in self._lanes.items()}
        twin._accounts = {key: account.copy() for key, account in self._accounts.items()}
        twin._virtual = self._virtual
        first = next(self._numbers)
        twin._numbers = count(first)
        return twin

    def _enter(self, waiting: Waiting, speed: Speed) -> None:
        flow = self._lanes[speed].flow(waiting.account_id)
        took_part = flow.ticket
        heappush(flow.jobs, (waiting.submitted_at, next(self._numbers), waiting.job_id))
        flow.live += 1
        self._lane_of[waiting.job_id] = speed
        self._settle(waiting.account_id)
        if took_part is not None and flow.jobs[0][2] == waiting.job_id:
            self._mark_age(flow)

    def _leave(self, job_id: UUID) -> Flow:
        """Its entry in the flow's heap stays behind, dead, until it comes to the top."""
        waiting = self.waiting.pop(job_id)
        flow = self._lanes[self._lane_of.pop(job_id)].flows[waiting.account_id]
        flow.live -= 1
        if not flow.live:
            flow.jobs.clear()
        self._accounts[waiting.account_id].waiting -= 1
        return flow

    def _settle(self, account_id: UUID) -> None:
        """A flow takes part while it has jobs and its account is below its cap."""
        account = self._accounts[account_id]
        for lane in self._lanes.values():
            flow = lane.flows.get(account_id)
            if flow is None:
                continue
            takes_part = flow.live > 0 and not account.capped
            if takes_part and flow.ticket is None:
                self._admit(lane, flow)
            elif not takes_part:
                lane.withdraw(flow)
            if not lane.tickets:
                lane.rest()
        if not account.running and not account.waiting:
            del self._accounts[account_id]

    def _admit(self, lane: Lane, flow: Flow) -> None:
        if not lane.tickets:
            lane.start = max(self._virtual, lane.finish)
        lane.admit(flow, next(self._numbers))
        self._mark_age(flow)

    def _mark_age(self, flow: Flow) -> None:
        if flow.ticket is not None and flow.speed in PROMOTIONS:
            age = self._waits_since(self._head(flow))
            heappush(self._lanes[flow.speed].ages, (age, flow.ticket))

    def _waits_since(self, waiting: Waiting) -> float:
        return max(waiting.submitted_at, self._accounts[waiting.account_id].freed_at)

    def _head(self, flow: Flow) -> Waiting:
        while self._lane_of.get(flow.jobs[0][2]) is not flow.speed:
            heappop(flow.jobs)
        return self.waiting[flow.jobs[0][2]]

    def _next_lane(self) -> Lane | None:
        ready = [lane for lane in self._lanes.values() if lane.tickets]
        return min(ready, key=lambda lane: lane.start, default=None)

    def _promote(self, now: float) -> None:
        for speed, (limit, higher) in PROMOTIONS.items():
            lane = self._lanes[speed]
            for _ in range(MOST_PROMOTIONS):
                flow = lane.of_age(now - limit)
                if flow is None:
                    break
                self._move_up(flow, higher=higher, before=now - limit)

    def _move_up(self, flow: Flow, *, higher: Speed, before: float) -> None:
        waiting = self._head(flow)
        # Promoted into this lane already: its turn comes here, and marks the next one's age.
        if waiting.lane is not flow.speed:
            return
        if self._waits_since(waiting) <= before:
            heappop(flow.jobs)
            flow.live -= 1
            self._enter(waiting, higher)
        if flow.live:
            self._mark_age(flow)
