"""What every waiting job may know: its place, when its picture is due, and why it waits. Pure.

The near future is played on a twin of the scheduler with the workers as they are, so that what people
are told is what will be done. Further back the order is read from the places in virtual time.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from uuid import UUID

from farm.placement import RANK, Seats, Worker
from farm.scheduler import Pick, Running, Scheduler, Waiting
from shared.plans import Speed
from shared.waits import Outlook as Outlook

HORIZON = 500  # turns that are played out
FURTHEST = (
    20_000  # places beyond it are not counted: who stands there need not know which one it is
)
LOAD_S = 20.0  # a cold checkpoint, as long as nobody has measured it
AHEAD_S = 120.0  # a checkpoint that is needed later would only push out one that is needed now
MOST_EXPECTED = 2
LATE = 2.0  # newcomers of a faster lane make it later, nobody makes it sooner
LEAST_SPREAD, MOST_SPREAD = 0.1, 0.9
NO_GPU = "no GPU is up"
PAUSED = "paused for safety"


@dataclass(frozen=True, slots=True)
class Turn:
    """When a job's turn comes and when its picture is due, in seconds from now. `loads_on` names the
    worker that must load its checkpoint first."""

    waiting: Waiting
    start_s: float
    due_s: float
    loads_on: str | None = None


@dataclass(frozen=True, slots=True)
class Foresight:
    """One Outlook for each waiting job, next one first, and what each worker had better read ahead."""

    outlooks: list[Outlook]
    expected: dict[str, list[str]]


def foresee(
    scheduler: Scheduler,
    workers: Sequence[Worker],
    *,
    now: float,
    pace: float = 1.0,
    spread: float = 0.25,
    due: Mapping[UUID, float] | None = None,
) -> Foresight:
    """`pace` is measured time over estimated, and `spread` how far single jobs lie from it, as a part
    of it. `due` are the moments that running jobs say they will end at, as far as they do."""
    up = [worker for worker in workers if not worker.draining]
    turns = _turns_to_come(scheduler, up, now=now, pace=pace, due=due or {})
    reasons = Reasons(scheduler, up)
    outlooks = [
        _outlook(turn, reasons.of(turn, position), position, spread=spread)
        for position, turn in enumerate(turns, 1)
    ]
    told = {turn.waiting.job_id for turn in turns}
    rest = [waiting for waiting in scheduler.waiting.values() if waiting.job_id not in told]
    outlooks += [_unknown(waiting, reasons.without_place(waiting)) for waiting in rest]
    return Foresight(outlooks, _expected(turns))


def halted(foresight: Foresight) -> Foresight:
    """While nothing is dispatched: places stay, times are nobody's to know, and nothing is read ahead."""
    outlooks = [
        replace(one, reason=PAUSED, start_s=None, eta_s=None, eta_low_s=None, eta_high_s=None)
        for one in foresight.outlooks
    ]
    return Foresight(outlooks, {})


def forecast(
    scheduler: Scheduler,
    workers: Sequence[Worker],
    *,
    now: float,
    pace: float = 1.0,
    spread: float = 0.25,
) -> list[Outlook]:
    return foresee(scheduler, workers, now=now, pace=pace, spread=spread).outlooks


def _turns_to_come(
    scheduler: Scheduler,
    up: Sequence[Worker],
    *,
    now: float,
    pace: float,
    due: Mapping[UUID, float],
) -> list[Turn]:
    """The next FURTHEST jobs in order. Times are those of a farm that is up; without one, of nobody."""
    if not up:
        return [Turn(waiting, 0.0, 0.0) for waiting in scheduler.order()[:FURTHEST]]
    play = _Play(scheduler.copy(), up, now=now, pace=pace, due=due)
    near = list(play.turns())
    return near + _far(play, now=now, pace=pace)[: FURTHEST - len(near)]


def _expected(turns: Sequence[Turn]) -> dict[str, list[str]]:
    expected: dict[str, list[str]] = {}
    for turn in turns:
        if turn.loads_on is not None and turn.start_s <= AHEAD_S:
            expected.setdefault(turn.loads_on, []).append(turn.waiting.checkpoint)
    return {worker: names[:MOST_EXPECTED] for worker, names in expected.items()}


class _Play:
    """Pops and ends on the twin until the horizon. Slots share a GPU, so a job takes as much longer."""

    def __init__(
        self,
        trial: Scheduler,
        up: Sequence[Worker],
        *,
        now: float,
        pace: float,
        due: Mapping[UUID, float],
    ) -> None:
        self.trial = trial
        self.clock = self._began = now
        self.gpus = len(up)
        self._workers = {worker.name: worker for worker in up}
        self.stretch = pace * sum(worker.slots for worker in up) / len(up)
        self._ends = [
            (max(now, due.get(job_id, self._end_of(run))), job_id)
            for job_id, run in trial.running.items()
        ]
        heapify(self._ends)

    def _end_of(self, running: Running) -> float:
        return running.since + running.cost_ms / 1000 * self.stretch

    def turns(self) -> Iterator[Turn]:
        for _ in range(HORIZON):
            while (pick := self.trial.pop(self._workers.values(), self.clock)) is None:
                if not self._ends:
                    return
                self._end_next()
            yield self._start(pick)

    def _start(self, pick: Pick) -> Turn:
        waiting, worker = pick.waiting, self._workers[pick.worker]
        loads_on = None if waiting.checkpoint in worker.checkpoints else worker.name
        due = self.clock + waiting.cost_ms / 1000 * self.stretch + (LOAD_S if loads_on else 0.0)
        self._workers[worker.name] = worker.with_job(waiting.kind)
        heappush(self._ends, (due, waiting.job_id))
        return Turn(waiting, self.clock - self._began, due - self._began, loads_on)

    def _end_next(self) -> None:
        self.clock, job_id = heappop(self._ends)
        running = self.trial.running[job_id]
        self.trial.ended(job_id, self.clock)
        worker = self._workers.get(running.worker)
        if worker is not None:
            self._workers[worker.name] = worker.without_job(running.speed)


def _far(play: _Play, *, now: float, pace: float) -> list[Turn]:
    """All GPUs busy all the time, one job after another: a guess, and the range says so."""
    turns, ahead_s = [], play.clock - now
    for waiting in play.trial.order()[:FURTHEST]:
        turns.append(Turn(waiting, ahead_s, ahead_s + waiting.cost_ms / 1000 * play.stretch))
        ahead_s += waiting.cost_ms / 1000 * pace / play.gpus
    return turns


class Reasons:
    """Why a job waits, in the order in which they matter to the person."""

    def __init__(self, scheduler: Scheduler, up: Sequence[Worker]) -> None:
        self._scheduler = scheduler
        self._seats = Seats(up, reserved={})
        self._warm = frozenset[str]().union(*(worker.checkpoints for worker in up))
        self._ahead: Counter[Speed] = Counter()

    def of(self, turn: Turn, position: int) -> str:
        """Ask in order: it counts who stands before whom."""
        ahead = self._ahead.copy()
        self._ahead[turn.waiting.lane] += 1
        return self._barred(turn.waiting) or self._behind(turn.waiting, ahead, position)

    def without_place(self, waiting: Waiting) -> str:
        return self._barred(waiting) or f"behind more than {FURTHEST} jobs"

    def _barred(self, waiting: Waiting) -> str:
        cap = self._scheduler.cap_reached(waiting.account_id, waiting.lane)
        if not self._seats.any:
            return NO_GPU
        if not self._seats.fits(waiting.kind):
            return f"no GPU that is up has the {_gib(waiting.vram_bytes)} of memory that it needs"
        if cap is not None:
            return f"your own cap of {cap} running job{'s' if cap > 1 else ''}"
        if waiting.alone:
            return "its workers died twice, so it waits for a GPU of its own"
        return "" if waiting.checkpoint in self._warm else "the model is loading"

    @staticmethod
    def _behind(waiting: Waiting, ahead: Counter[Speed], position: int) -> str:
        if position == 1:
            return "next in line"
        before = f"behind {position - 1} job{'s' if position > 2 else ''}"
        faster = [one for one in Speed if ahead[one] and RANK[one] < RANK[waiting.lane]]
        if not faster:
            return before
        count = sum(ahead[speed] for speed in faster)
        return f"{before}, {count} of them {' or '.join(speed.value for speed in faster)}"


def _outlook(turn: Turn, reason: str, position: int, *, spread: float) -> Outlook:
    if reason == NO_GPU:
        return _unknown(turn.waiting, reason, position)
    spread = min(max(spread, LEAST_SPREAD), MOST_SPREAD)
    return Outlook(
        job_id=turn.waiting.job_id,
        position=position,
        start_s=round(turn.start_s, 1),
        eta_s=round(turn.due_s, 1),
        eta_low_s=round(turn.due_s * (1 - spread), 1),
        eta_high_s=round(turn.due_s * (1 + LATE * spread), 1),
        reason=reason,
        checkpoint=turn.waiting.checkpoint,
    )


def _unknown(waiting: Waiting, reason: str, position: int | None = None) -> Outlook:
    return Outlook(waiting.job_id, position, None, None, None, None, reason, waiting.checkpoint)


def _gib(size: int) -> str:
    return f"{size / 2**30:.0f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
