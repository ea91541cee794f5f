"""The fair queue's parts: an account, its flow inside a lane, a lane. Pure, virtual times only."""

from heapq import heappop, heappush
from uuid import UUID

from shared.plans import Speed


class Account:
    """`freed_at` is when it last came down from its cap: waiting for oneself does not count as age."""

    __slots__ = ("cap", "freed_at", "running", "waiting")

    def __init__(self) -> None:
        self.cap = 1
        self.running = 0
        self.waiting = 0
        self.freed_at = float("-inf")

    @property
    def capped(self) -> bool:
        return self.running >= self.cap

    def copy(self) -> "Account":
        twin = Account()
        twin.cap, twin.running = self.cap, self.running
        twin.waiting, twin.freed_at = self.waiting, self.freed_at
        return twin


class Flow:
    """One account in one lane. It has a `ticket` while it takes part; `live` of its `jobs` still wait."""

    __slots__ = ("account_id", "finish", "jobs", "live", "speed", "start", "ticket")

    def __init__(self, account_id: UUID, speed: Speed) -> None:
        self.account_id = account_id
        self.speed = speed
        self.jobs: list[tuple[float, int, UUID]] = []
        self.live = 0
        self.start = 0.0
        self.finish = 0.0
        self.ticket: int | None = None

    def copy(self) -> "Flow":
        twin = Flow(self.account_id, self.speed)
        twin.jobs, twin.live = self.jobs.copy(), self.live
        twin.start, twin.finish, twin.ticket = self.start, self.finish, self.ticket
        return twin


class Lane:
    """One speed. A ticket that left `tickets` is dead: the heaps drop it when it comes to their top."""

    def __init__(self, speed: Speed, weight: int) -> None:
        self.speed = speed
        self.weight = weight
        self.start = 0.0
        self.finish = 0.0
        self.virtual = 0.0
        self.furthest = 0.0
        self.flows: dict[UUID, Flow] = {}
        self.tickets: dict[int, Flow] = {}
        self.turns: list[tuple[float, int]] = []
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

    def admit(self, flow: Flow, ticket: int) -> None:
        flow.start = max(self.virtual, flow.finish)
        flow.ticket = ticket
        self.tickets[ticket] = flow
        heappush(self.turns, (flow.start, ticket))

    def withdraw(self, flow: Flow) -> None:
        if flow.ticket is not None:
            del self.tickets[flow.ticket]
            flow.ticket = None

    def next_flow(self) -> Flow:
        while self.turns[0][1] not in self.tickets:
            heappop(self.turns)
        return self.tickets[self.turns[0][1]]

    def of_age(self, before: float) -> Flow | None:
        """Takes the flow whose mark of age is the oldest and lies at or before that moment."""
        while self.ages and self.ages[0][0] <= before:
            _, ticket = heappop(self.ages)
            if ticket in self.tickets:
                return self.tickets[ticket]
        return None

    def served(self, flow: Flow, *, cost_ms: int, plan_weight: int) -> None:
        # A job that costs nothing would keep its flow at the front for ever.
        cost = max(cost_ms, 1)
        self.virtual = flow.start
        flow.finish = flow.start + cost / plan_weight
        self.furthest = max(self.furthest, flow.finish)
        self.start = self.finish = self.start + cost / self.weight
        self.withdraw(flow)

    def rest(self) -> None:
        """Nobody waits here, so nobody was kept short: the next ones all start level."""
        self.virtual = max(self.virtual, self.furthest)

    def copy(self) -> "Lane":
        twin = Lane(self.speed, self.weight)
        twin.start, twin.finish = self.start, self.finish
        twin.virtual, twin.furthest = self.virtual, self.furthest
        twin.flows = {key: flow.copy() for key, flow in self.flows.items() if self._remembers(flow)}
        twin.tickets = {
            ticket: twin.flows[flow.account_id] for ticket, flow in self.tickets.items()
        }
        twin.turns, twin.ages = self.turns.copy(), self.ages.copy()
        return twin
