"""Who waits, for how long and why, and who works: what operators see of the farm at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from redis.asyncio import Redis

from shared import joblists, openjobs, workers
from shared.connections import Database
from shared.jobs import JobState
from shared.leadership import is_led
from shared.openjobs import Brief
from shared.outlooks import Outlooks
from shared.plans import Speed
from shared.waits import Outlook
from shared.workers import WorkerRow

REMEMBERED_S = 300.0  # a worker that is silent for longer is forgotten by the leader too


@dataclass(frozen=True, slots=True)
class Place:
    """A waiting job; `age_s` since it was submitted, `outlook` None where nobody tells of it."""

    job: Brief
    age_s: float
    outlook: Outlook | None


@dataclass(frozen=True, slots=True)
class Station:
    """A worker; `silent_s` since it was last heard, and `lost` once that is too long."""

    worker: WorkerRow
    silent_s: float
    lost: bool


@dataclass(frozen=True, slots=True)
class Lineup:
    """`places` by lane, the next one first; `counts` of all open jobs; `trouble` says in words why
    nobody moves, or nobody tells when."""

    places: Mapping[Speed, Sequence[Place]]
    counts: Mapping[tuple[JobState, Speed], int]
    stations: Sequence[Station]
    trouble: str = ""

    def count(self, *states: JobState, speed: Speed | None = None) -> int:
        return sum(
            number
            for (state, lane), number in self.counts.items()
            if state in states and speed in (None, lane)
        )


async def read_lineup(
    database: Database, redis: "Redis | None", *, limit: int, lost_after_s: float
) -> Lineup:
    """`limit` jobs of each lane at most. A Fault when there is no database; Redis may be away."""
    async with database.read() as session:
        now = await openjobs.clock(session)
        lanes = {lane: await openjobs.look_waiting(session, lane, limit=limit) for lane in Speed}
        counts = await joblists.queue_counts(session)
        rows = await workers.live_workers(session, REMEMBERED_S)
        silences = await workers.silences(session)
        led = await is_led(session)
    ids = [job.id for jobs in lanes.values() for job in jobs]
    outlooks = await Outlooks(redis).read(ids) if redis is not None else None
    return Lineup(
        {lane: _in_order(jobs, outlooks or {}, now=now) for lane, jobs in lanes.items()},
        counts,
        [_station(row, silences.get(row.name, 0.0), lost_after_s) for row in rows],
        _trouble(led=led, configured=redis is not None, told=outlooks is not None),
    )


def _trouble(*, led: bool, configured: bool, told: bool) -> str:
    if not led:
        return "No dispatcher leads, so nobody is sent to a GPU."
    if not configured:
        return "No Redis is configured (PICTOR_REDIS__URL), so nobody tells how long it takes."
    if not told:
        return "Redis does not answer, or the dispatcher has only just begun: nobody tells how long it takes."
    return ""


def _in_order(
    jobs: Sequence[Brief], outlooks: Mapping[UUID, Outlook], *, now: float
) -> list[Place]:
    places = [Place(job, max(now - job.submitted_at, 0.0), outlooks.get(job.id)) for job in jobs]
    return sorted(places, key=_rank)


def _rank(place: Place) -> tuple[bool, int, float]:
    position = place.outlook.position if place.outlook else None
    return position is None, position or 0, place.job.submitted_at


def _station(row: WorkerRow, silent_s: float, lost_after_s: float) -> Station:
    return Station(row, silent_s, lost=silent_s > lost_after_s)


# --- for scripts -----------------------------------------------------------------------------


def facts(lineup: Lineup) -> dict[str, Any]:
    """Times in seconds, sizes in bytes; prompts are nobody else's and not in it."""
    states = {"waiting": [JobState.WAITING], "running": [JobState.DISPATCHED, JobState.RUNNING]}
    return {
        "trouble": lineup.trouble or None,
        "counts": {
            word: {lane.value: lineup.count(*those, speed=lane) for lane in Speed}
            for word, those in states.items()
        },
        "waiting": {
            lane.value: [_facts_of_job(place) for place in places]
            for lane, places in lineup.places.items()
        },
        "workers": [_facts_of_worker(station) for station in lineup.stations],
    }


def _facts_of_job(place: Place) -> dict[str, Any]:
    job, told = place.job, asdict(place.outlook) if place.outlook else {}
    names = ("position", "start_s", "eta_s", "eta_low_s", "eta_high_s", "reason")
    return {
        "job": str(job.id),
        "account": str(job.account_id),
        "plan": job.plan,
        "checkpoint": job.checkpoint,
        "age_s": round(place.age_s, 1),
        "crashes": job.crashes,
        **{name: told.get(name) for name in names},
    }


def _facts_of_worker(station: Station) -> dict[str, Any]:
    worker = station.worker
    return {
        **asdict(worker),
        "busy": {lane.value: count for lane, count in worker.busy.items()},
        "silent_s": round(station.silent_s, 1),
        "lost": station.lost,
    }
