"""`python -m tests.chaos.launch worker|painter|dispatcher|bot --name N --orders FOLDER`: one process.

It is the product's own, with the product's own settings from the environment; what is added are points.
A painter is a worker with the real engine in the place of the stub, and tells every step that it hears.
"""

import argparse
import asyncio
import sys
from pathlib import Path

from farm.worker import Starter
from shared.config import Settings
from tests.chaos import seams
from tests.chaos.children import stub
from tests.chaos.points import Points

# Pauses and limits that have no setting, scaled like the leases.
HEALTHY_S, LONGEST_PAUSE_S, CLAIM_WITHIN_S = 3.0, 2.0, 3


def main(argv: list[str] | None = None) -> int:
    options = _options(argv)
    points = Points(options.orders, options.name)
    roles = {"worker": _worker, "painter": _painter, "dispatcher": _dispatcher, "bot": _bot}
    return roles[options.role](options, points)


def _worker(options: argparse.Namespace, points: Points) -> int:
    seams.worker(points)
    return _work(options, stub(options.orders, name=options.name, step_ms=options.step_ms))


def _painter(options: argparse.Namespace, _: Points) -> int:
    seams.painter(options.orders)
    return _work(options, None)


def _work(options: argparse.Namespace, start: Starter | None) -> int:
    from farm import child, worker

    child.HEALTHY_S, child.LONGEST_PAUSE_S = HEALTHY_S, LONGEST_PAUSE_S
    worker.LONGEST_PAUSE_S = LONGEST_PAUSE_S
    settings = Settings()
    named = settings.worker.model_copy(update={"name": options.name})
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
    parser.add_argument("role", choices=["worker", "painter", "dispatcher", "bot"])
    parser.add_argument("--name", required=True)
    parser.add_argument("--orders", type=Path, required=True)
    parser.add_argument("--step-ms", type=float, default=2.0)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
