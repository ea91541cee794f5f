"""`make bench`: every bench in turn, on this machine. Figures are ratios within one run."""

import importlib
import os
import platform
import sys
from datetime import UTC, datetime

BENCHES = (
    "engine",
    "engine_promises",
    "preemption",
    "snapshot_overhead",
    "start_latency",
    "control_plane",
    "recovery",
    "memory",
    "provenance",
)


def main(names: list[str]) -> None:
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    when = datetime.now(UTC).date().isoformat()
    print(
        f"{when}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, load {load}"
    )
    for name in names or BENCHES:
        print(f"\n## {name}")
        importlib.import_module(f"tests.bench.{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])
