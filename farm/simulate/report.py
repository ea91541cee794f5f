"""What a simulation found, for people (tables) and for scripts (one JSON object)."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from farm.simulate.capacity import Answer
from farm.simulate.figures import Figures, Waits
from farm.simulate.play import Played

Row = tuple[str, Callable[[Figures], str]]


def print_played(played: Played, *, priced: bool) -> None:
    console = Console()
    scenario = played.scenario
    console.print(f"\n[bold]{scenario.name}[/]: {scenario.title}")
    console.print(
        f"{scenario.minutes:g} minutes, {scenario.farm.gpus} GPUs, {played.arrivals} jobs,"
        f" seed {played.seed}, the same for each order\n"
    )
    console.print(_waits_table(played.figures))
    console.print(_whole_table(played.figures, priced=priced))
    console.print(
        "Wait: from submission to the first step, in seconds; who still waits counts with its age.",
        style="dim",
    )


def played_json(played: Played) -> str:
    scenario = played.scenario
    return json.dumps(
        {
            "scenario": scenario.name,
            "title": scenario.title,
            "seed": played.seed,
            "minutes": scenario.minutes,
            "gpus": scenario.farm.gpus,
            "arrivals": played.arrivals,
            "policies": {one.policy: asdict(one) for one in played.figures},
        }
    )


def print_answer(answer: Answer, *, priced: bool) -> None:
    console = Console()
    asked = answer.question
    console.print(
        f"\n[bold]{answer.gpus} GPU{'s' if answer.gpus > 1 else ''}[/] for"
        f" {asked.images_per_minute:g} images a minute"
    )
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("lane", f"asked, p{asked.percentile:g}", "found", "margin", "with one GPU less"):
        table.add_column(name, justify="left" if name == "lane" else "right")
    for lane, limit in asked.slos.items():
        found, less = answer.found[lane], answer.one_less.get(lane)
        margin = f"{100 * (1 - found / limit):.0f}%"
        shown = "-" if less is None else f"{less:.1f} s"
        table.add_row(lane, f"{limit:g} s", f"{found:.1f} s", margin, shown)
    console.print(table)
    console.print(f"What binds: {answer.binds}.")
    console.print(
        f"Busy {answer.utilisation:.0%} of the time. The worst of seeds"
        f" {', '.join(map(str, asked.seeds))}; {asked.minutes:.0f} minutes each."
    )
    if priced:
        console.print(f"{answer.cost_per_image:.4f} for each image.")


def answer_json(answer: Answer) -> str:
    asked = answer.question
    return json.dumps(
        {
            "images_per_minute": asked.images_per_minute,
            "percentile": asked.percentile,
            "slos": asked.slos,
            "checkpoints": asked.checkpoints,
            "gpu": asdict(asked.gpu),
            "seeds": asked.seeds,
            "minutes": asked.minutes,
            "gpus": answer.gpus,
            "found": answer.found,
            "one_less": answer.one_less,
            "binds": answer.binds,
            "utilisation": answer.utilisation,
            "cost_per_image": answer.cost_per_image,
        }
    )


def _waits_table(found: Sequence[Figures]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("who", "order", "jobs", "refused", "p50", "p95", "p99", "waiting", "oldest"):
        table.add_column(name, justify="left" if name in ("who", "order") else "right")
    for kind in ("lanes", "plans", "accounts"):
        for who in getattr(found[0], kind):
            for number, one in enumerate(found):
                waits: Waits = getattr(one, kind)[who]
                table.add_row(who if number == 0 else "", one.policy, *_waits(waits))
            table.add_section()
    return table


def _waits(waits: Waits) -> tuple[str, ...]:
    times = (waits.p50, waits.p95, waits.p99)
    counts = (waits.jobs, waits.refused)
    return (
        *map(str, counts),
        *(f"{time:.1f}" for time in times),
        str(waits.waiting),
        f"{waits.oldest_waiting:.0f}",
    )


def _whole_table(found: Sequence[Figures], *, priced: bool) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("")
    for one in found:
        table.add_column(one.policy, justify="right")
    for name, show in ROWS + PRICED if priced else ROWS:
        table.add_row(name, *(show(one) for one in found))
    return table


def _told(one: Figures) -> str:
    return "-" if one.told_true is None else f"{one.told_true:.0%} of {one.told}"


def _parts(one: Figures) -> str:
    return " : ".join(f"{100 * part:.0f}" for part in one.served.values())


ROWS: list[Row] = [
    ("images", lambda one: str(one.images)),
    ("Jain's index", lambda one: f"{one.jain:.3f}"),
    ("turbo : fast : relax, % of GPU time", _parts),
    ("GPUs draw", lambda one: f"{one.utilisation:.1%}"),
    ("GPUs only load", lambda one: f"{one.loading_part:.1%}"),
    ("loads", lambda one: str(one.loads)),
    ("GPU-hours", lambda one: f"{one.gpu_hours:.1f}"),
    ("forecasts that came true", _told),
    ("simulated in", lambda one: f"{one.seconds:.1f} s"),
]
PRICED: list[Row] = [("cost of an image", lambda one: f"{one.cost_per_image:.5f}")]
