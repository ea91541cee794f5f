"""From what was typed to what is played."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from math import ceil, isfinite
from pathlib import Path

from farm.simulate.arrivals import Arrival
from farm.simulate.hardware import LOAD_S, Gpu, Model
from farm.simulate.recording import read_recording
from farm.simulate.scenarios import MODELS, Scenario
from shared.catalog import Catalog, Checkpoint, read_catalog
from shared.config import SHARED
from shared.errors import Refusal
from shared.plans import PlanBook, Speed, read_plans


def the_book(plans: Path | None) -> PlanBook:
    return read_plans(plans or SHARED / "plans.toml")


def the_catalog(path: Path | None) -> Catalog:
    return read_catalog(path or SHARED / "catalog.toml")


def gpu_with(gpu: Gpu, **changes: float | None) -> Gpu:
    """The GPU with whatever was given."""
    given = {name: value for name, value in changes.items() if value is not None}
    return replace(gpu, **given)  # type: ignore[arg-type]


def with_recording(
    chosen: Scenario, path: Path, *, book: PlanBook, catalog: Path | None, minutes: float | None
) -> tuple[Scenario, list[Arrival]]:
    """The scenario's GPUs and mishaps, with the arrivals and the checkpoints of a real farm."""
    known = {name: as_model(one) for name, one in the_catalog(catalog).checkpoints.items()}
    models = {**MODELS, **known}
    arrivals = read_recording(path, book, checkpoints=models)
    wanted = {arrival.checkpoint for arrival in arrivals}
    farm = replace(chosen.farm, models={name: models[name] for name in sorted(wanted)})
    title = f"the arrivals of {path.name} on the GPUs of {chosen.name}"
    length = minutes or ceil(arrivals[-1].at / 60 + 1)
    return replace(chosen, farm=farm, title=title, minutes=length), arrivals


def models_of(
    catalog: Path | None,
    chosen: Sequence[str] | None,
    *,
    load_s: float | None,
    vram_gb: float | None,
) -> dict[str, Model]:
    """The chosen checkpoints of the catalog, or its default one."""
    known = the_catalog(catalog)
    names = _shares(chosen) or {known.default: 1.0}
    return {name: as_model(known.get(name), load_s=load_s, vram_gb=vram_gb) for name in names}


def shares_of(chosen: Sequence[str] | None, models: Iterable[str]) -> dict[str, float]:
    return _shares(chosen) or dict.fromkeys(models, 1.0)


def as_model(
    checkpoint: Checkpoint, *, load_s: float | None = None, vram_gb: float | None = None
) -> Model:
    """`vram_gb` stands in where the catalog tells none."""
    return Model(
        checkpoint,
        vram_gb=checkpoint.vram_gb or vram_gb or 0.0,
        load_s=LOAD_S if load_s is None else load_s,
    )


def slos_of(typed: Iterable[str]) -> Mapping[str, float]:
    """`fast=30` and so on."""
    slos: dict[str, float] = {}
    for text in typed:
        lane, _, seconds = text.partition("=")
        if lane not in set(Speed) or _number(seconds) is None:
            lanes = ", ".join(Speed)
            sentence = f"“{text[:40]}” is no --slo. Write LANE=SECONDS, the lane one of {lanes}."
            raise Refusal("bad_slo", sentence, field="slo")
        slos[lane] = float(seconds)
    return slos


def _shares(typed: Sequence[str] | None) -> dict[str, float]:
    shares: dict[str, float] = {}
    for text in typed or ():
        name, _, part = text.partition("=")
        share = _number(part) if part else 1.0
        if share is None or share <= 0:
            sentence = (
                f"“{text[:40]}” is no --checkpoint. Write NAME or NAME=SHARE, a share above 0."
            )
            raise Refusal("bad_checkpoint", sentence, field="checkpoint")
        shares[name] = share
    return shares


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) else None
