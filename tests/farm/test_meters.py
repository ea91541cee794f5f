"""The page that Prometheus reads of a worker: true numbers, whole over the lives of its child."""

import socket
import urllib.error
import urllib.request
from typing import Any

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from farm.engine.messages import Failed, Loads, Tier
from farm.meters import Meters, served
from shared.errors import Fault
from tests.farm.workshop import report

Samples = dict[tuple[str, str], float]


def samples(meters: Meters) -> Samples:
    """By name and the value of the one label; parsed as Prometheus would."""
    text = generate_latest(meters.registry).decode()
    families = text_string_to_metric_families(text)
    return {
        (one.name, "".join(one.labels.values())): one.value
        for family in families
        for one in family.samples
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as door:
        return int(door.getsockname()[1])


def page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


WORKED: dict[str, Any] = {
    "checkpoints": ["postcards", "other"],
    "forwards": 7,
    "rows": 40,
    "redrawn": 2,
    "out_of_memory": 3,
    "rung": 1,
    "snapshots_failed": 4,
    "snapshots_passed_over": {"damaged": 5, "foreign": 6},
    "hits": 8,
    "warm_hits": 9,
    "misses": 10,
    "failures": 11,
    "loads": {"disk": Loads(12, 1.5, 1300), "host": Loads(14, 0.25, 1500)},
    "tiers": {"device": Tier(16, 17, 18), "host": Tier(19, 20, 21)},
}
TOLD: Samples = {
    ("pictor_engine_forwards_total", ""): 7,
    ("pictor_engine_rows_total", ""): 40,
    ("pictor_engine_redrawn_total", ""): 2,
    ("pictor_engine_out_of_memory_total", ""): 3,
    ("pictor_engine_rung", ""): 1,
    ("pictor_snapshots_failed_total", ""): 4,
    ("pictor_snapshots_passed_over_total", "damaged"): 5,
    ("pictor_snapshots_passed_over_total", "foreign"): 6,
    ("pictor_pool_hits_total", ""): 8,
    ("pictor_pool_warm_hits_total", ""): 9,
    ("pictor_pool_misses_total", ""): 10,
    ("pictor_pool_failures_total", ""): 11,
    ("pictor_pool_loads_total", "disk"): 12,
    ("pictor_pool_load_seconds_total", "disk"): 1.5,
    ("pictor_pool_load_bytes_total", "disk"): 1300,
    ("pictor_pool_loads_total", "host"): 14,
    ("pictor_pool_load_seconds_total", "host"): 0.25,
    ("pictor_pool_load_bytes_total", "host"): 1500,
    ("pictor_pool_bytes", "device"): 16,
    ("pictor_pool_budget_bytes", "device"): 17,
    ("pictor_pool_evictions_total", "device"): 18,
    ("pictor_pool_bytes", "host"): 19,
    ("pictor_pool_budget_bytes", "host"): 20,
    ("pictor_pool_evictions_total", "host"): 21,
    ("pictor_checkpoint_warm", "postcards"): 1,
    ("pictor_checkpoint_warm", "other"): 1,
}


def test_every_number_of_a_report_is_told() -> None:
    meters = Meters()
    meters.hear(report(**WORKED))
    assert samples(meters) == TOLD
    assert set(WORKED) == set(report().__struct_fields__)


def test_a_report_replaces_the_one_before() -> None:
    meters = Meters()
    meters.hear(report(**WORKED))
    meters.hear(report(**WORKED | {"forwards": 8}))
    assert samples(meters) == TOLD | {("pictor_engine_forwards_total", ""): 8}


def test_counts_go_on_after_a_death_and_what_was_held_is_free() -> None:
    meters = Meters()
    meters.hear(report(**WORKED))
    meters.ended(70)
    counted = {key: value for key, value in TOLD.items() if key[0].endswith("_total")}
    ends = {("pictor_engine_ends_total", "70"): 1.0}
    assert samples(meters) == counted | ends
    meters.hear(report(**WORKED))
    doubled = {key: 2 * value for key, value in counted.items()}
    assert samples(meters) == TOLD | doubled | ends
    meters.ended(70)
    meters.ended(0)
    ends = {("pictor_engine_ends_total", "70"): 2.0, ("pictor_engine_ends_total", "0"): 1.0}
    assert samples(meters) == doubled | ends


def test_failures_are_counted_by_their_code() -> None:
    meters = Meters()
    for code in ("not_finite", "bad_spec", "not_finite"):
        meters.hear(Failed("job", 1, code, "No.", False))
    assert samples(meters)["pictor_engine_failed_total", "not_finite"] == 2
    assert samples(meters)["pictor_engine_failed_total", "bad_spec"] == 1


def test_the_page_is_there_meanwhile_and_then_gone() -> None:
    meters, port = Meters(), free_port()
    meters.hear(report(forwards=7))
    with served(meters.registry, host="127.0.0.1", port=port):
        assert "pictor_engine_forwards_total 7.0" in page(port)
    with pytest.raises(urllib.error.URLError):
        page(port)


def test_without_a_port_there_is_no_page() -> None:
    with served(Meters().registry, host="not an address", port=0):
        pass


def test_a_port_that_is_taken_is_a_fault_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        with (
            pytest.raises(Fault, match=f"127.0.0.1:{port}"),
            served(Meters().registry, host="127.0.0.1", port=port),
        ):
            pass
