"""`python -m tests.chaos.launch worker|dispatcher|bot --name N --orders FOLDER`: one process under test.

It is the product's own, with the product's own settings from the environment; what is added are points.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from shared.config import Settings
from tests.chaos import seams
from tests.chaos.children import stub
from tests.chaos.points import Points

# Pauses and limits that have no setting, scaled like the leases.
HEALTHY_S, LONGEST_PAUSE_S, CLAIM_WITHIN_S = 3.0, 2.0, 3


def main(argv: list[str] | None = None) -> int:
    options = _options(argv)
    points = Points(options.orders, options.name)
    roles = {"worker": _worker, "dispatcher": _dispatcher, "bot": _bot}
    return roles[options.role](options, points)


def _worker(options: argparse.Namespace, points: Points) -> int:
    from farm import child, worker

    child.HEALTHY_S, child.LONGEST_PAUSE_S = HEALTHY_S, LONGEST_PAUSE_S
    worker.LONGEST_PAUSE_S = LONGEST_PAUSE_S
    seams.worker(points)
    settings = Settings()
    named = settings.worker.model_copy(update={"name": options.name})
    start = stub(options.orders, name=options.name, step_ms=options.step_ms)
    asyncio.run(worker.run_worker(settings.model_copy(update={"worker": named}), start=start))
    return 0


def _dispatcher(_: argparse.Namespace, points: Points) -> int:
    from farm import chores, dispatcher
    from shared import handovers

    handovers.CLAIM_WITHIN_S = CLAIM_WITHIN_S
    dispatcher.LONGEST_REST_S = chores.LONGEST_REST_S = LONGEST_PAUSE_S
    seams.dispatcher(points)
    asyncio.run(dispatcher.run_dispatcher(Settings()))
    return 0


def _bot(_: argparse.Namespace, points: Points) -> int:
    from bot.__main__ import main as run_bot

    seams.bot(points)
    return run_bot()


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("role", choices=["worker", "dispatcher", "bot"])
    parser.add_argument("--name", required=True)
    parser.add_argument("--orders", type=Path, required=True)
    parser.add_argument("--step-ms", type=float, default=2.0)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
