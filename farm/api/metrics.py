"""What Prometheus may know of the farm, read from Postgres at each scrape: no process counts for another."""

from collections import Counter

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from shared.connections import Database
from shared.joblists import queue_counts
from shared.jobs import JobState
from shared.moderation.tally import Tally, tally
from shared.plans import Speed
from shared.workers import live_workers

OPEN = (JobState.WAITING, JobState.DISPATCHED, JobState.RUNNING)


async def farm_metrics(database: Database, *, silent_s: float) -> bytes:
    """Open jobs by state and speed, workers, slots and how many are busy, on how many workers a
    checkpoint is at hand, and what moderators have to do; Prometheus text. What a worker's engine does,
    its own port tells."""
    async with database.read() as session:
        counts = await queue_counts(session)
        workers = await live_workers(session, silent_s)
        people = await tally(session)
    registry = CollectorRegistry()
    jobs = Gauge("pictor_jobs_open", "Jobs not ended", ["state", "speed"], registry=registry)
    for state in OPEN:
        for speed in Speed:
            jobs.labels(state.value, speed.value).set(counts.get((state, speed), 0))
    _gauge(registry, "pictor_workers", "Workers seen lately", len(workers))
    _gauge(registry, "pictor_slots", "Jobs that fit at once", sum(w.slots for w in workers))
    _gauge(registry, "pictor_slots_busy", "Slots in use", sum(w.jobs for w in workers))
    words = "Workers that have it at hand"
    warm = Gauge("pictor_checkpoint_workers", words, ["checkpoint"], registry=registry)
    for name, count in Counter(name for w in workers for name in w.checkpoints).items():
        warm.labels(name).set(count)
    _add_people(registry, people)
    return generate_latest(registry)


def _add_people(registry: CollectorRegistry, people: Tally) -> None:
    """What moderators have to do with; no person and no word is a label."""
    keys = ["kind", "category", "state"]
    cases = Gauge("pictor_people_cases", "Cases", keys, registry=registry)
    for key, count in people.cases.items():
        cases.labels(*key).set(count)
    _gauge(registry, "pictor_people_appeals", "Appeals that wait", people.appeals)
    for name, words, label, counts in (
        ("strikes", "Strikes that count now", "category", people.strikes),
        ("bans", "Bans and suspensions in force", "kind", people.bans),
        ("paused", "What is paused", "scope", people.paused),
    ):
        gauge = Gauge(f"pictor_people_{name}", words, [label], registry=registry)
        for value, count in counts.items():
            gauge.labels(value).set(count)


def _gauge(registry: CollectorRegistry, name: str, words: str, value: int) -> None:
    Gauge(name, words, registry=registry).set(value)
