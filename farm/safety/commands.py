"""`pictor safety ...`: what the prompt layer would say, has said, and how good it is."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from farm.exits import read_settings, told

app = typer.Typer(
    no_args_is_help=True, help="Look into the safety filters; train and measure them."
)


AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


@app.command()
def replay(
    policy: Annotated[Path, typer.Option(help="The policy file to try.")],
    since: Annotated[str, typer.Option(help="How far back: 7d, 36h, 90m.")] = "7d",
    as_json: AsJson = False,
) -> None:
    """Try a new policy on what was said in the last days: what would it have decided otherwise?"""
    from farm.safety.replay import run_replay
    from farm.simulate.record import span

    window = told(lambda: span(since))
    told(lambda: asyncio.run(run_replay(read_settings(), window, policy, as_json=as_json)))


@app.command()
def train(
    data: Annotated[Path, typer.Option(help="CSV: id,prompt,label,category,source.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the weights; default: ours.")
    ] = None,
    seed_corpus: Annotated[
        Path | None, typer.Option(help="TOML of patterns to draw more prompts from; default: ours.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed, another draw and fit.")] = 1,
) -> None:
    """Train the heads on labelled prompts and set their thresholds. Takes minutes."""
    from farm.safety.training.runs import run_training

    told(lambda: run_training(read_settings(), data, output, seed_corpus, seed=seed))


@app.command(hidden=True)
def distil(
    encoder: Annotated[Path, typer.Option(help="Folder of a BERT-like encoder, safetensors.")],
    data: Annotated[Path, typer.Option(help="CSV whose words get vectors too.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the weights.")],
) -> None:
    """Make the word vectors anew. Takes minutes, needs the farm's extras; `train` reads the result."""
    from farm.safety.training.runs import run_distillation

    told(lambda: run_distillation(encoder, data, output))


@app.command()
def evaluate(
    data: Annotated[Path, typer.Option(help="CSV: id,prompt,label,category[,source].")],
    as_json: AsJson = False,
    ids: Annotated[bool, typer.Option(help="Name the rows that went wrong, by id.")] = False,
) -> None:
    """Run the whole prompt screen over labelled prompts: what it stops, what it stops in error."""
    from farm.safety.training.runs import run_evaluation

    told(lambda: run_evaluation(read_settings(), data, as_json=as_json, ids=ids))


@app.command()
def explain(
    text: Annotated[str, typer.Argument(help="The prompt, as a person would type it.")],
    negative: Annotated[str, typer.Option("--no", help="What it asks to leave out.")] = "",
    as_json: AsJson = False,
) -> None:
    """Show what each step of the prompt layer makes of one text. Nothing is kept."""
    from farm.safety.explain import run_explain

    told(lambda: run_explain(read_settings(), text, negative, as_json=as_json))


@app.command(name="train-garbled")
def train_garbled(
    data: Annotated[Path, typer.Option(help="CSV: id,prompt,label[,source].")],
    lists: Annotated[
        Path, typer.Option(help="Folder: words.txt, pairs.txt, pieces.txt, texts.txt.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the weights; default: ours.")
    ] = None,
) -> None:
    """Train the model of garbled texts and say what it stops. Takes minutes."""
    from farm.safety.training.garbled import run_garbled

    told(lambda: run_garbled(data, lists, output))


@app.command()
def bias(
    samples: Annotated[Path, typer.Option(help="Folder of pictures; each subfolder is a group.")],
    table: Annotated[
        Path | None,
        typer.Option("--csv", help="file,group[,label]: labels other than safe are harmful."),
    ] = None,
    checkpoint: Annotated[
        str | None, typer.Option(help="Whose filter; default: the catalog's.")
    ] = None,
    strict: Annotated[bool, typer.Option(help="As for prompts from the grey zone.")] = False,
    as_json: AsJson = False,
) -> None:
    """How often the image filter blocks pictures of one group rather than another. Keeps no picture."""
    from farm.safety.bias import run_bias

    told(
        lambda: run_bias(
            read_settings(), samples, table, checkpoint=checkpoint, strict=strict, as_json=as_json
        )
    )
