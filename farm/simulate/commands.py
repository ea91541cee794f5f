"""The `pictor simulate` commands. Each imports what it needs, so that help is instant."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from farm.simulate.scenarios import Scenario

PLAY = "play"


class ScenarioFirst(TyperGroup):
    """`pictor simulate NAME` plays the scenario of that name."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        named = not args or args[0] in self.commands or args[0].startswith("-")
        return super().resolve_command(ctx, args if named else [PLAY, *args])


app = typer.Typer(
    cls=ScenarioFirst,
    no_args_is_help=True,
    subcommand_metavar="SCENARIO | capacity | record [OPTIONS]",
    help="Play the farm's own fair queue on paper, against first come first served and strict"
    " priority. Scenarios: steady, free-tier-rush, viral-turbo-spike, half-the-gpus-lost, model-flip,"
    " overload.",
)

Plans = Annotated[
    Path | None, typer.Option(envvar="PICTOR_PLANS_FILE", help="Weights and caps of the plans.")
]
CatalogFile = Annotated[
    Path | None, typer.Option(envvar="PICTOR_CATALOG_FILE", help="Checkpoints and what they cost.")
]
Price = Annotated[float, typer.Option(min=0, help="What a GPU costs for an hour, in any money.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Slots = Annotated[int | None, typer.Option(help="Jobs that share a GPU.")]
Vram = Annotated[float | None, typer.Option(help="GB of memory of a GPU.")]
JobVram = Annotated[float | None, typer.Option(help="GB that a running job takes beside weights.")]
GpuSpeed = Annotated[float | None, typer.Option(help="Times as fast as the catalog's step_ms.")]
Overhead = Annotated[
    float | None,
    typer.Option(min=0, max=0.99, help="Part of a step that more jobs do not make longer."),
]


@app.command(PLAY)
def play_scenario(
    scenario: Annotated[str, typer.Argument(help="Its name; see above.")],
    seed: Annotated[int, typer.Option(help="Another seed, other arrivals.")] = 1,
    gpus: Annotated[int | None, typer.Option(help="Instead of the scenario's number.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.1, help="Instead of the hour.")] = None,
    recorded: Annotated[
        Path | None, typer.Option(help=".csv or .jsonl: arrivals of a real farm.")
    ] = None,
    plots: Annotated[Path | None, typer.Option(help="A folder for PNG and SVG.")] = None,
    slots: Slots = None,
    vram: Vram = None,
    job_vram: JobVram = None,
    speed: GpuSpeed = None,
    overhead: Overhead = None,
    gpu_hour_price: Price = 0.0,
    as_json: AsJson = False,
    plans: Plans = None,
    catalog: CatalogFile = None,
) -> None:
    """Play one scenario under three orders with the same arrivals."""
    from farm.simulate.options import gpu_with, the_book, with_recording
    from farm.simulate.play import play
    from farm.simulate.report import played_json, print_played
    from farm.simulate.scenarios import scenario as named

    book = the_book(plans)
    chosen, arrivals = _sized(named(scenario), gpus=gpus, minutes=minutes), None
    gpu = gpu_with(
        chosen.farm.gpu, slots=slots, vram_gb=vram, job_gb=job_vram, speed=speed, overhead=overhead
    )
    chosen = replace(chosen, farm=replace(chosen.farm, gpu=gpu))
    if recorded is not None:
        chosen, arrivals = with_recording(
            chosen, recorded, book=book, catalog=catalog, minutes=minutes
        )
    played = play(chosen, book, seed=seed, recorded=arrivals, gpu_hour_price=gpu_hour_price)
    if as_json:
        typer.echo(played_json(played))
    else:
        print_played(played, priced=gpu_hour_price > 0)
    if plots is not None:
        from farm.simulate.plots import write_plots

        for path in write_plots(played, plots):
            typer.echo(path, err=True)


@app.command()
def capacity(
    images_per_minute: Annotated[float, typer.Option(help="Pictures, four of them a grid.")],
    slo: Annotated[list[str], typer.Option(help="LANE=SECONDS that it may wait; repeat it.")],
    percentile: Annotated[float, typer.Option(help="Of the waits.")] = 95.0,
    seeds: Annotated[int, typer.Option(min=1, help="The worst of so many counts.")] = 3,
    minutes: Annotated[
        float, typer.Option(min=0, help="Of each seed; 0: as many as make it sure.")
    ] = 0.0,
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(help="NAME or NAME=SHARE; repeat it. Default: the catalog's."),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Default: each checkpoint's.")] = None,
    load_s: Annotated[float | None, typer.Option(min=0, help="Seconds of a cold load.")] = None,
    vram_gb: Annotated[
        float | None, typer.Option(min=0, help="Of a checkpoint that the catalog has none for.")
    ] = None,
    slots: Slots = None,
    vram: Vram = None,
    job_vram: JobVram = None,
    speed: GpuSpeed = None,
    overhead: Overhead = None,
    gpu_hour_price: Price = 0.0,
    as_json: AsJson = False,
    plans: Plans = None,
    catalog: CatalogFile = None,
) -> None:
    """How many GPUs for so many images a minute, at these waits."""
    from farm.simulate.capacity import Question, answer
    from farm.simulate.hardware import Gpu
    from farm.simulate.options import gpu_with, models_of, shares_of, slos_of, the_book
    from farm.simulate.report import answer_json, print_answer

    models = models_of(catalog, checkpoint, load_s=load_s, vram_gb=vram_gb)
    question = Question(
        images_per_minute=images_per_minute,
        slos=slos_of(slo),
        gpu=gpu_with(
            Gpu(), slots=slots, vram_gb=vram, job_gb=job_vram, speed=speed, overhead=overhead
        ),
        models=models,
        checkpoints=shares_of(checkpoint, models),
        steps=steps,
        percentile=percentile,
        seeds=tuple(range(1, seeds + 1)),
        minutes=minutes,
        gpu_hour_price=gpu_hour_price,
    )
    found = answer(question, the_book(plans))
    if as_json:
        typer.echo(answer_json(found))
    else:
        print_answer(found, priced=gpu_hour_price > 0)


def _sized(chosen: "Scenario", *, gpus: int | None, minutes: float | None) -> "Scenario":
    farm = chosen.farm if gpus is None else replace(chosen.farm, gpus=gpus)
    return replace(chosen, farm=farm, minutes=chosen.minutes if minutes is None else minutes)
