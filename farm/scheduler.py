"""Who runs next, and where. Pure: jobs, workers and moments in, choices out; each step is O(log n).

Start-time fair queueing (Goyal, Vin and Cheng, 1996) on two floors. A lane (a speed) and, inside it, a
flow (one account) hold a place in virtual time; the least start is served, and its next start lies
`cost / weight` further, corrected when it is known what the job really took. One that comes back after
a rest starts at the present, so nobody saves up turns and nobody pays for a rest.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from heapq import heappop, heappush
from itertools import count
from uuid import UUID

from farm.lanes import STALENESS_MS_PER_S, Account, Flow, Lane, cost
from farm.placement import RANK, Kind, Seats
from farm.placement import Worker as Worker
from farm.turns import Pick as Pick
from farm.turns import Rules as Rules
from farm.turns import Running as Running
from farm.turns import Served as Served
from farm.turns import Waiting as Waiting
from farm.usage import RecentUse
from shared.plans import Speed

# A job that waited its lane's limit moves up one lane, once: a free lane can never flood turbo.
PROMOTIONS: dict[Speed, tuple[float, Speed]] = {
    Speed.FAST: (60.0, Speed.TURBO),
    Speed.RELAX: (300.0, Speed.FAST),
}
# Bounds one pop when a whole backlog comes of age in the same second; the rest follows at the next.
MOST_PROMOTIONS = 32
# A job whose checkpoint is warm may overtake so many others, and each of those for so long at most.
LOOK_AHEAD = 32
OVERTAKEN_S = 15.0


class Scheduler:
    """push, pop, cancel, ended. `running` are the jobs that hold a slot; caps count them.

    `stranded` wait as well, for a worker with the memory that they need: none that is alive has it.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.waiting: dict[UUID, Waiting] = {}
        self.running: dict[UUID, Running] = {}
        self.stranded: dict[UUID, Kind] = {}
        self.relax_use = RecentUse()
        self._lane_of: dict[UUID, Speed] = {}
        self._lanes = {speed: Lane(speed, rules.weights[speed]) for speed in Speed}
        self._accounts: dict[UUID, Account] = {}
        self._virtual = 0.0
        self._numbers = count()

    # --- what happens ------------------------------------------------------------------------

    def push(self, waiting: Waiting, now: float | None = None) -> None:
        """A job that waits already stays where it is; one that came back keeps its age."""
        if waiting.job_id in self.waiting:
            return
        account = self._accounts.setdefault(waiting.account_id, Account())
        if waiting.lane is Speed.RELAX and account.idle:
            moment = waiting.submitted_at if now is None else now
            self._owe_for_recent_use(waiting, moment)
        account.cap, account.relax_cap = waiting.max_running, waiting.max_running_relax
        account.waiting += 1
        self.waiting[waiting.job_id] = waiting
        self._enter(waiting, waiting.lane)

    def pop(self, workers: Iterable[Worker], now: float) -> Pick | None:
        """The next job and the worker that should take it; it counts as running from here."""
        seats = Seats(workers, reserved=self.rules.reserved)
        if not seats.any:
            return None
        self._land(seats)
        self._promote(now)
        seats.clear_for(kind for lane in self._lanes.values() for kind in lane.kinds())
        for place, (lane, paid) in enumerate(self._in_order()):
            # Only who has the turn may push others aside: a lane beyond its share waits for a slot.
            push = place == 0
            kinds = [kind for kind in lane.kinds() if kind.speed is paid]
            able = [kind for kind in kinds if seats.takers(kind, push=push)]
            flow = self._choose(lane, able, seats, now=now, push=push)
            if flow is not None:
                return self._serve(lane, flow, seats, now=now, push=push)
        return None

    def cancel(self, job_id: UUID) -> None:
        """It waits no longer, whatever the reason."""
        if job_id in self.waiting:
            account_id = self.waiting[job_id].account_id
            flow = self._leave(job_id)
            self._settle(account_id)
            self._refresh(flow)

    def adopt(self, job_id: UUID, running: Running) -> None:
        """A job that holds a slot, dispatched here or by the leader before."""
        if job_id in self.running:
            known = self.running[job_id]
            self.running[job_id] = replace(running, served=known.served)
            return
        if job_id in self.waiting:
            self._leave(job_id)
        self.running[job_id] = running
        account = self._accounts.setdefault(running.account_id, Account())
        account.running += 1
        account.relaxed += running.speed is Speed.RELAX
        self._settle(running.account_id)

    def ended(self, job_id: UUID, now: float, *, used_ms: float | None = None) -> None:
        """`used_ms` is what it really took of a GPU; None when nobody measured it."""
        running = self.running.pop(job_id, None)
        if running is None:
            return
        account = self._accounts[running.account_id]
        if account.capped:
            account.freed_at = now
        account.running -= 1
        if running.speed is Speed.RELAX:
            account.relax_freed_at = now if account.relax_capped else account.relax_freed_at
            account.relaxed -= 1
        self._correct(running, used_ms)
        if running.speed is Speed.RELAX:
            used = running.cost_ms if used_ms is None else used_ms
            self.relax_use.add(running.account_id, used, now)
        self._settle(running.account_id)

    # --- what can be asked -------------------------------------------------------------------

    def known(self) -> set[UUID]:
        return self.waiting.keys() | self.running.keys()

    def cap_reached(self, account_id: UUID, paid: Speed = Speed.FAST) -> int | None:
        """The account's cap of running jobs (at relax) where that is what holds it back."""
        account = self._accounts.get(account_id)
        if account is None or not account.capped_in(paid):
            return None
        return account.cap if account.capped else account.relax_cap

    def lane_of(self, job_id: UUID) -> Speed:
        """Where it waits now; a promoted one waits in a faster lane than it paid for."""
        return self._lane_of[job_id]

    def order(self) -> list[Waiting]:
        """As they will be served if nobody comes, is capped or finds a cold worker. O(n log n)."""
        places = [place for lane in self._lanes.values() for place in self._places(lane)]
        return [self.waiting[job_id] for *_, job_id in sorted(places)]

    def copy(self) -> "Scheduler":
        """A twin to try the future on."""
        twin = Scheduler(self.rules)
        twin.waiting, twin.running = self.waiting.copy(), self.running.copy()
        twin.stranded = self.stranded.copy()
        twin.relax_use = self.relax_use.copy()
        twin._lane_of = self._lane_of.copy()
        twin._lanes = {speed: lane.copy() for speed, lane in self._lanes.items()}
        twin._accounts = {key: account.copy() for key, account in self._accounts.items()}
        twin._virtual = self._virtual
        first = next(self._numbers)
        twin._numbers = count(first)
        return twin

    # --- whose turn it is --------------------------------------------------------------------

    def _in_order(self) -> list[tuple[Lane, Speed]]:
        """Lanes, and in each those who paid for it apart from those who moved up: these have the turns
        of the lane they paid for, before its younger jobs, so an overload of them crowds out nobody."""
        parts = {(lane.speed, kind.speed) for lane in self._lanes.values() for kind in lane.kinds()}
        ready = sorted(parts, key=lambda part: (RANK[part[0]], RANK[part[1]]))
        ready.sort(key=lambda part: self._turn_of(self._lanes[part[1]]))
        return [(self._lanes[where], paid) for where, paid in ready]

    def _turn_of(self, lane: Lane) -> float:
        return lane.start if lane.tickets else max(self._virtual, lane.finish)

    def _choose(
        self, lane: Lane, kinds: list[Kind], seats: Seats, *, now: float, push: bool
    ) -> Flow | None:
        """The next flow, or the first behind it whose checkpoint is warm where there is room."""
        head: Flow | None = None
        with closing(lane.in_order(kinds)) as flows:
            for _, flow in zip(range(LOOK_AHEAD + 1), flows, strict=False):
                head = head or flow
                assert flow.kind is not None
                if seats.warm(flow.kind, push=push):
                    return self._overtake(head, flow, now)
                if head.passed_at is not None and now - head.passed_at >= OVERTAKEN_S:
                    return head
        return head

    @staticmethod
    def _overtake(head: Flow, flow: Flow, now: float) -> Flow:
        if flow is not head and head.passed_at is None:
            head.passed_at = now
        return flow

    def _serve(self, lane: Lane, flow: Flow, seats: Seats, *, now: float, push: bool) -> Pick:
        waiting = self._head(flow)
        worker = seats.best(waiting.kind, push=push)
        paid = self._lanes[waiting.lane]
        served = Served(lane.speed, paid.speed, waiting.plan_weight, self._weight(paid))
        paid.wake(self._virtual)
        self._virtual = max(self._virtual, paid.start)
        lane.served(flow, cost_ms=waiting.cost_ms, plan_weight=served.plan_weight)
        paid.charged(waiting.cost_ms, weight=served.lane_weight)
        self._leave(waiting.job_id)
        running = Running(
            waiting.account_id, waiting.cost_ms, now, waiting.lane, worker.name, served
        )
        self.adopt(waiting.job_id, running)
        return Pick(waiting, worker.name)

    def _weight(self, lane: Lane) -> float:
        """Relax never weighs less than its floor of what competes with it now."""
        if lane.speed is not Speed.RELAX:
            return lane.weight
        others = sum(one.weight for one in self._lanes.values() if one.tickets and one is not lane)
        floor = self.rules.relax_floor
        return max(lane.weight, others * floor / (1 - floor))

    def _places(self, paid: Lane) -> Iterator[tuple[float, int, UUID]]:
        """Of those who paid for this lane: who moved up first, then in the order of their flows."""
        start, weight = max(self._turn_of(paid), self._virtual), self._weight(paid)
        line = [
            job_id
            for lane in self._lanes.values()
            for *_, job_id in sorted(
                place for flow in lane.flows.values() for place in self._turns(lane, flow)
            )
            if self.waiting[job_id].lane is paid.speed
        ]
        for number, job_id in enumerate(line):
            yield start, number, job_id
            start += cost(self.waiting[job_id].cost_ms) / weight

    def _turns(self, lane: Lane, flow: Flow) -> Iterator[tuple[float, int, UUID]]:
        start = flow.start if flow.ticket is not None else max(lane.virtual, flow.finish)
        for since, number, job_id in sorted(flow.jobs):
            if self._lives(job_id, flow):
                waiting = self.waiting[job_id]
                yield start + STALENESS_MS_PER_S * since, number, job_id
                start += cost(waiting.cost_ms) / waiting.plan_weight

    # --- places in virtual time --------------------------------------------------------------

    def _correct(self, running: Running, used_ms: float | None) -> None:
        served = running.served
        if served is None or used_ms is None:
            return
        by_ms = cost(used_ms) - cost(running.cost_ms)
        lane = self._lanes[served.lane]
        flow = lane.flow(running.account_id)
        lane.corrected(flow, by_ms=by_ms, plan_weight=served.plan_weight)
        self._lanes[served.paid].recharged(by_ms, weight=served.lane_weight)
        self._refresh(flow, moved=True)

    def _owe_for_recent_use(self, waiting: Waiting, now: float) -> None:
        """Who used a lot of relax lately comes behind those who did not, when they come back."""
        flow = self._lanes[Speed.RELAX].flow(waiting.account_id)
        flow.debt = self.relax_use.of(waiting.account_id, now) / waiting.plan_weight

    def _enter(self, waiting: Waiting, speed: Speed) -> None:
        flow = self._lanes[speed].flow(waiting.account_id)
        heappush(flow.jobs, (waiting.submitted_at, next(self._numbers), waiting.job_id))
        flow.live += 1
        self._lane_of[waiting.job_id] = speed
        self._settle(waiting.account_id)
        self._refresh(flow)

    def _leave(self, job_id: UUID) -> Flow:
        """Its entry in the flow's heap stays behind, dead, until it comes to the top."""
        waiting = self.waiting.pop(job_id)
        flow = self._lanes[self._lane_of.pop(job_id)].flow(waiting.account_id)
        if self.stranded.pop(job_id, None) is None:
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
            takes_part = flow.live > 0 and not account.capped_in(lane.speed)
            if takes_part and flow.ticket is None:
                self._admit(lane, flow)
            elif not takes_part:
                lane.withdraw(flow)
            if not lane.tickets:
                lane.rest()
        if account.idle:
            del self._accounts[account_id]

    def _admit(self, lane: Lane, flow: Flow) -> None:
        lane.wake(self._virtual)
        lane.admit(flow)
        self._refresh(flow, moved=True, fresh=True)

    def _refresh(self, flow: Flow, *, moved: bool = False, fresh: bool = False) -> None:
        """Its ticket stands for its oldest job, at its present place."""
        if flow.ticket is None and not fresh:
            return
        head = self._head(flow)
        if head.job_id == flow.head and not moved:
            return
        lane, ticket, since = self._lanes[flow.speed], next(self._numbers), self._waits_since(head)
        lane.enlist(flow, ticket, head=head.job_id, kind=head.kind, age=since)
        if flow.speed in PROMOTIONS:
            heappush(lane.ages, (since, ticket))

    def _waits_since(self, waiting: Waiting) -> float:
        account = self._accounts[waiting.account_id]
        return max(waiting.submitted_at, account.free_since(waiting.lane))

    def _head(self, flow: Flow) -> Waiting:
        while not self._lives(flow.jobs[0][2], flow):
            heappop(flow.jobs)
        return self.waiting[flow.jobs[0][2]]

    def _lives(self, job_id: UUID, flow: Flow) -> bool:
        return self._lane_of.get(job_id) is flow.speed and job_id not in self.stranded

    # --- promotion, and jobs that no worker can hold ------------------------------------------

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
            self._refresh(flow, moved=True)

    def _land(self, seats: Seats) -> None:
        """Who fits no worker makes room for the account's next job; a larger worker brings them back."""
        landed = {kind for kind in set(self.stranded.values()) if seats.fits(kind)}
        for job_id in [one for one, kind in self.stranded.items() if kind in landed]:
            del self.stranded[job_id]
            self._enter(self.waiting[job_id], self._lane_of[job_id])
        for lane in self._lanes.values():
            for kind in lane.kinds():
                if not seats.fits(kind):
                    self._strand(lane, kind)

    def _strand(self, lane: Lane, kind: Kind) -> None:
        with closing(lane.in_order([kind])) as flows:
            found = [flow for _, flow in zip(range(MOST_PROMOTIONS), flows, strict=False)]
        for flow in found:
            waiting = self._head(flow)
            self.stranded[waiting.job_id] = kind
            heappop(flow.jobs)
            flow.live -= 1
            self._settle(waiting.account_id)
            if flow.live:
                self._refresh(flow, moved=True)
