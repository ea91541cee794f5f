"""What Prometheus may know of one worker: its engine's own numbers, over every life of the child."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from farm.engine.messages import Failed, Report, ToParent
from shared.errors import Fault

Values = Mapping[str, float]  # by the value of the one label; "" where there is none


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    words: str
    values: Callable[[Report], Values]
    label: str = ""


def _plain(name: str, words: str, value: Callable[[Report], float]) -> Line:
    return Line(name, words, lambda report: {"": value(report)})


def _of(kind: str, name: str) -> Callable[[Report], Values]:
    """One number of each of a report's `loads` or `tiers`."""
    return lambda report: {key: getattr(one, name) for key, one in getattr(report, kind).items()}


COUNTERS = (
    _plain("pictor_engine_forwards", "Forwards of a model", lambda r: r.forwards),
    _plain("pictor_engine_rows", "Rows in those forwards", lambda r: r.rows),
    _plain("pictor_engine_redrawn", "Broken pictures begun again", lambda r: r.redrawn),
    _plain("pictor_engine_out_of_memory", "Forwards that did not fit", lambda r: r.out_of_memory),
    _plain("pictor_snapshots_failed", "Snapshots not written", lambda r: r.snapshots_failed),
    Line(
        "pictor_snapshots_passed_over",
        "Snapshots not used, by why",
        lambda r: r.snapshots_passed_over,
        "kind",
    ),
    _plain("pictor_pool_hits", "Checkpoints that were on the device", lambda r: r.hits),
    _plain("pictor_pool_warm_hits", "Checkpoints that were on the host", lambda r: r.warm_hits),
    _plain("pictor_pool_misses", "Checkpoints read from the disk", lambda r: r.misses),
    _plain("pictor_pool_failures", "Checkpoints that could not be had", lambda r: r.failures),
    Line("pictor_pool_loads", "Loads, by where from", _of("loads", "count"), "source"),
    Line("pictor_pool_load_seconds", "Time they took", _of("loads", "seconds"), "source"),
    Line("pictor_pool_load_bytes", "Bytes they brought", _of("loads", "bytes"), "source"),
    Line("pictor_pool_evictions", "Checkpoints that left", _of("tiers", "evictions"), "tier"),
)
GAUGES = (
    _plain("pictor_engine_rung", "Of the ladder of savings; 0 is none", lambda r: r.rung),
    Line("pictor_pool_bytes", "Held by checkpoints", _of("tiers", "used"), "tier"),
    Line("pictor_pool_budget_bytes", "What they may hold", _of("tiers", "budget"), "tier"),
    Line(
        "pictor_checkpoint_warm",
        "1 for each that is at hand",
        lambda r: dict.fromkeys(r.checkpoints, 1.0),
        "checkpoint",
    ),
)

Sums = Mapping[str, "Counter[str]"]  # by the name of a line


class Meters(Collector):
    """A child's counts begin at nothing; ours go on. Read by another thread than the one that hears."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._life: tuple[Sums, Report | None] = (defaultdict(Counter), None)
        self._failed: Counter[str] = Counter()
        self._ends: Counter[str] = Counter()
        self.registry.register(self)

    def hear(self, message: ToParent) -> None:
        match message:
            case Report():
                self._life = (self._life[0], message)
            case Failed():
                self._failed[message.code] += 1

    def ended(self, status: int) -> None:
        """The child is gone: what it did stays done, what it held is free."""
        past, report = self._life
        self._ends[str(status)] += 1
        self._life = ({line.name: _sum(line, past, report) for line in COUNTERS}, None)

    def collect(self) -> Iterator[Metric]:
        past, report = self._life
        for line in COUNTERS:
            yield _counter(line.name, line.words, line.label, _sum(line, past, report))
        if report is not None:
            for line in GAUGES:
                yield _gauge(line, report)
        yield _counter("pictor_engine_failed", "Jobs that failed", "code", self._failed.copy())
        yield _counter(
            "pictor_engine_ends", "GPU processes that ended", "status", self._ends.copy()
        )


def _sum(line: Line, past: Sums, report: Report | None) -> "Counter[str]":
    total = Counter(past.get(line.name, {}))
    if report is not None:
        for value, number in line.values(report).items():
            total[value] += number  # type: ignore[assignment]  # seconds are no whole numbers
    return total


def _counter(name: str, words: str, label: str, values: Values) -> Metric:
    family = CounterMetricFamily(name, words, labels=[label] if label else [])
    for value, number in values.items():
        family.add_metric([value] if label else [], number)
    return family


def _gauge(line: Line, report: Report) -> Metric:
    family = GaugeMetricFamily(line.name, line.words, labels=[line.label] if line.label else [])
    for value, number in line.values(report).items():
        family.add_metric([value] if line.label else [], number)
    return family


@contextmanager
def served(registry: CollectorRegistry, *, host: str, port: int) -> Iterator[None]:
    """At http://host:port/metrics meanwhile; not at all if the port is 0. Fault if it is taken."""
    if not port:
        yield
        return
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as problem:
        sentence = f"Metrics cannot be served at {host}:{port}: {problem.strerror or problem}."
        raise Fault("metrics_port", sentence) from problem
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
