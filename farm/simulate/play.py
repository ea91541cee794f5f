"""One scenario under each order with the same arrivals. Pure but for the clock that measures itself."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from time import perf_counter

from farm.simulate.arrivals import Arrival, arrivals
from farm.simulate.figures import Figures, figures
from farm.simulate.hardware import checked
from farm.simulate.policies import policies
from farm.simulate.scenarios import Scenario
from farm.simulate.world import Past, World
from shared.plans import PlanBook


@dataclass(frozen=True, slots=True)
class Played:
    """`pasts` and `figures` in the order of the policies: fair, fifo, strict."""

    scenario: Scenario
    seed: int
    arrivals: int
    pasts: list[Past]
    figures: list[Figures]


def play(
    scenario: Scenario,
    book: PlanBook,
    *,
    seed: int,
    recorded: Sequence[Arrival] | None = None,
    gpu_hour_price: float = 0.0,
) -> Played:
    farm = checked(scenario.farm)
    asked = recorded
    if asked is None:
        asked = arrivals(scenario.streams, models=farm.models, until=scenario.until, seed=seed)
    pasts, told = [], []
    for policy in policies(book):
        began = perf_counter()
        world = World(
            farm,
            policy,
            book,
            until=scenario.until,
            waiting_limits=scenario.waiting_limits,
        )
        past = world.run(asked)
        found = figures(past, book, gpu_hour_price=gpu_hour_price)
        pasts.append(past)
        told.append(replace(found, seconds=perf_counter() - began))
    return Played(scenario, seed, len(asked), pasts, told)
