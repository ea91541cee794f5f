"""What must become of jobs and money, whatever is asked in whatever order: the model. Pure.

It is written from the promises, not from the code: each verb says whether it may succeed, and if so
what has changed then.
"""

from dataclasses import dataclass, field

OPEN = ("waiting", "dispatched", "running")
SENT = ("dispatched", "running")


@dataclass
class Life:
    """One job. `attempt` is the fencing token; `expired` says that its lease is past."""

    key: str
    price: int
    state: str = "waiting"
    attempt: int = 0
    crashes: int = 0
    worker: str | None = None
    expired: bool = False
    charged: int | None = None
    story: list[str] = field(default_factory=lambda: ["waiting"])

    @property
    def open(self) -> bool:
        return self.state in OPEN

    def owned(self, attempt: int, worker: str | None, *, states: tuple[str, ...]) -> bool:
        return self.state in states and (self.attempt, self.worker) == (attempt, worker)

    def go(self, state: str) -> None:
        self.state = state
        self.story.append(state)


@dataclass
class World:
    """One account, its credit in ms, and its jobs."""

    credit: int
    max_waiting: int
    max_crashes: int
    lives: list[Life] = field(default_factory=list)
    spent: int = 0

    @property
    def held(self) -> int:
        return sum(life.price for life in self.lives if life.open)

    @property
    def available(self) -> int:
        return self.credit - self.spent - self.held

    def submit(self, key: str, price: int) -> str:
        """What the desk says to a new key: created, too_many_waiting or no_credit."""
        if sum(life.state == "waiting" for life in self.lives) >= self.max_waiting:
            return "too_many_waiting"
        if price > self.available:
            return "no_credit"
        self.lives.append(Life(key, price))
        return "created"

    def dispatch(self, life: Life, worker: str) -> bool:
        if life.state != "waiting":
            return False
        life.attempt += 1
        life.worker, life.expired = worker, False
        life.go("dispatched")
        return True

    def claim(self, life: Life, attempt: int, worker: str) -> bool:
        if not life.owned(attempt, worker, states=("dispatched",)):
            return False
        life.expired = False
        life.go("running")
        return True

    def renew(self, life: Life, attempt: int, worker: str) -> bool:
        if not life.owned(attempt, worker, states=("running",)):
            return False
        life.expired = False
        return True

    def give_back(self, life: Life, attempt: int, worker: str) -> bool:
        if not life.owned(attempt, worker, states=SENT):
            return False
        self._unsend(life)
        return True

    def end(self, life: Life, state: str, *, owner: tuple[int, str | None], charged: int) -> bool:
        """By whoever holds it: a worker that runs it, or for a failure nobody while it waits."""
        states = OPEN if state == "failed" else ("running",)
        if not life.owned(*owner, states=states):
            return False
        self._close(life, state, charged)
        return True

    def cancel(self, life: Life) -> bool:
        if not life.open:
            return False
        self._close(life, "cancelled", 0)
        return True

    def rescue(self) -> int:
        """Every lease that is past: waiting again, or failed after its last crash."""
        lost = [life for life in self.lives if life.state in SENT and life.expired]
        for life in lost:
            ran = life.state == "running"
            life.crashes += ran
            if ran and life.crashes >= self.max_crashes:
                self._close(life, "failed", 0)
            else:
                self._unsend(life)
        return len(lost)

    def _unsend(self, life: Life) -> None:
        life.worker, life.expired = None, False
        life.go("waiting")

    def _close(self, life: Life, state: str, charged: int) -> None:
        life.charged = charged
        self.spent += charged
        life.go(state)
