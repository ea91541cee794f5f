"""The fair queue's parts: an account, its flow inside a lane, a lane. Pure, virtual times only."""

from collections.abc import Collection, Generator
from heapq import heapify, heappop, heappush
from uuid import UUID

from farm.placement import Kind
from shared.plans import Speed

# A second of waiting is worth so many virtual milliseconds. Between two flows only the difference of
# their ages counts, so the bonus is part of a place that does not move.
STALENESS_MS_PER_S = 5.0


class Account:
    """`freed_at` is when it last came down from its cap: waiting for oneself does not count as age. Of its
    running jobs `relaxed` paid for relax, which has a cap of its own below that."""

    __slots__ = ("cap", "freed_at", "relax_cap", "relax_freed_at", "relaxed", "running", "waiting")

    def __init__(self) -> None:
        self.cap = self.relax_cap = 1
        self.running = self.relaxed = 0
        self.waiting = 0
        self.freed_at = self.relax_freed_at = float("-inf")

    @property
    def capped(self) -> bool:
        return self.running >= self.cap

    @property
    def relax_capped(self) -> bool:
        return self.relaxed >= self.relax_cap

    def capped_in(self, lane: Speed) -> bool:
        return self.capped or (lane is Speed.RELAX and self.relax_capped)

    def free_since(self, paid: Speed) -> float:
        """Since when nothing of its own holds back its jobs of this speed."""
        return max(self.freed_at, self.relax_freed_at if paid is Speed.RELAX else self.freed_at)

    @property
    def idle(self) -> bool:
        return not self.running and not self.waiting

    def copy(self) -> "Account":
        twin = Account()
        for name in Account.__slots__:
            setattr(twin, name, getattr(self, name))
        return twin


class Flow:
    """One account in one lane. It has a `ticket` while it takes part; `live` of its `jobs` still wait.

    `start` and `finish` are its place in virtual time and `since` the moment it came at; `debt` is put
    before its next start. `head` and `kind` are of the job that its ticket stands for, `passed_at` is
    when a warm one was first preferred to it.
    """

    __slots__ = (
        *("account_id", "speed", "jobs", "live"),
        *("start", "finish", "since", "debt"),
        *("ticket", "head", "kind", "passed_at"),
    )

    def __init__(self, account_id: UUID, speed: Speed) -> None:
        self.account_id = account_id
        self.speed = speed
        self.jobs: list[tuple[float, int, UUID]] = []
        self.live = 0
        self.start = self.finish = self.since = self.debt = 0.0
        self.ticket: int | None = None
        self.head: UUID | None = None
        self.kind: Kind | None = None
        self.passed_at: float | None = None

    def copy(self) -> "Flow":
        twin = Flow(self.account_id, self.speed)
        for name in Flow.__slots__:
            setattr(twin, name, getattr(self, name))
        twin.jobs = self.jobs.copy()
        return twin


class Lane:
    """One speed. A ticket that left `tickets` is dead: the heaps drop it when it comes to their top."""

    def __init__(self, speed: Speed, weight: int) -> None:
        self.speed = speed
        self.weight = weight
        self.start = self.finish = self.since = 0.0
        self.virtual = 0.0
        self.furthest = 0.0
        self.flows: dict[UUID, Flow] = {}
        self.tickets: dict[int, Flow] = {}
        self.turns: dict[Kind, list[tuple[float, int]]] = {}
        self.ages: list[tuple[float, int]] = []
        self.crowded = 1024

    def flow(self, account_id: UUID) -> Flow:
        if account_id not in self.flows:
            self._forget_rested()
            self.flows[account_id] = Flow(account_id, self.speed)
        return self.flows[account_id]

    def _forget_rested(self) -> None:
        """A flow whose finish has passed would start at the present anyway: nothing to remember."""
        if len(self.flows) < self.crowded:
            return
        self.flows = {key: flow for key, flow in self.flows.items() if self._remembers(flow)}
        self.crowded = 2 * len(self.flows) + 1024

    def _remembers(self, flow: Flow) -> bool:
        return flow.live > 0 or flow.finish > self.virtual

    def admit(self, flow: Flow) -> None:
        """From now on it takes part; `enlist` gives it its ticket."""
        flow.since = self.virtual + flow.debt
        flow.start = max(flow.since, flow.finish)
        flow.debt = 0.0

    def enlist(self, flow: Flow, ticket: int, *, head: UUID, kind: Kind, age: float) -> None:
        """Stands for its oldest job. `age` is when that began to wait."""
        self.withdraw(flow)
        flow.ticket, flow.head, flow.kind = ticket, head, kind
        self.tickets[ticket] = flow
        place = flow.start + STALENESS_MS_PER_S * age
        heappush(self.turns.setdefault(kind, []), (place, ticket))

    def withdraw(self, flow: Flow) -> None:
        if flow.ticket is not None:
            del self.tickets[flow.ticket]
            flow.ticket = flow.head = flow.kind = None

    def kinds(self) -> list[Kind]:
        """Of the jobs whose turn could come: few, as many as checkpoints and speeds that wait."""
        for kind in list(self.turns):
            if not self._top(kind):
                del self.turns[kind]
        return list(self.turns)

    def in_order(self, kinds: Collection[Kind]) -> Generator[Flow]:
        """Flows of these kinds, the next one first. Close it: what was looked at is put back then."""
        tops = [(self.turns[kind][0], kind) for kind in kinds if self._top(kind)]
        heapify(tops)
        seen: list[tuple[tuple[float, int], Kind]] = []
        try:
            while tops:
                entry, kind = heappop(tops)
                heappop(self.turns[kind])
                seen.append((entry, kind))
                yield self.tickets[entry[1]]
                if self._top(kind):
                    heappush(tops, (self.turns[kind][0], kind))
        finally:
            for entry, kind in seen:
                heappush(self.turns[kind], entry)

    def _top(self, kind: Kind) -> bool:
        """Whether anybody of this kind has a living ticket; dead ones before it are dropped."""
        turns = self.turns.get(kind, [])
        while turns and turns[0][1] not in self.tickets:
            heappop(turns)
        return bool(turns)

    def of_age(self, before: float) -> Flow | None:
        """Takes the flow whose mark of age is the oldest and lies at or before that moment."""
        while self.ages and self.ages[0][0] <= before:
            _, ticket = heappop(self.ages)
            if ticket in self.tickets:
                return self.tickets[ticket]
        return None

    def served(self, flow: Flow, *, cost_ms: int, plan_weight: int) -> None:
        self.virtual = max(self.virtual, flow.start)
        flow.finish = flow.start + cost(cost_ms) / plan_weight
        flow.passed_at = None
        self.furthest = max(self.furthest, flow.finish)
        self.withdraw(flow)

    def charged(self, cost_ms: int, *, weight: float) -> None:
        """A job that paid for this lane was served, here or one lane higher."""
        self.start = self.finish = self.start + cost(cost_ms) / weight

    def wake(self, now: float) -> None:
        """Its turn begins at the present, if nobody of this lane has been waiting for one."""
        if not self.tickets:
            self.since = now
            self.start = max(now, self.finish)

    def corrected(self, flow: Flow, *, by_ms: float, plan_weight: int) -> None:
        """A job of this flow took so much more (or less) than was thought. Nobody moves before the
        place they came at: what was not used is given back, credit for it is not."""
        flow.finish += by_ms / plan_weight
        self.furthest = max(self.furthest, flow.finish)
        flow.start = max(flow.since, flow.start + by_ms / plan_weight)

    def recharged(self, by_ms: float, *, weight: float) -> None:
        self.finish += by_ms / weight
        self.start = max(self.since, self.start + by_ms / weight)

    def rest(self) -> None:
        """Nobody waits here, so nobody was kept short: the next ones all start level."""
        self.virtual = max(self.virtual, self.furthest)

    def copy(self) -> "Lane":
        twin = Lane(self.speed, self.weight)
        for name in ("start", "finish", "since", "virtual", "furthest"):
            setattr(twin, name, getattr(self, name))
        twin.flows = {key: flow.copy() for key, flow in self.flows.items() if self._remembers(flow)}
        twin.tickets = {
            ticket: twin.flows[flow.account_id] for ticket, flow in self.tickets.items()
        }
        twin.turns = {kind: turns.copy() for kind, turns in self.turns.items()}
        twin.ages = self.ages.copy()
        return twin


def cost(cost_ms: float) -> float:
    """A job that costs nothing would keep its flow at the front for ever."""
    return max(cost_ms, 1.0)
