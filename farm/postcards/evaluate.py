"""Measures the shipped weights and prints the table: `python -m farm.postcards.evaluate`."""

import argparse
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from farm.postcards import manifest, styles
from farm.postcards.captions import describe
from farm.postcards.judge import Attributes, Judge
from farm.postcards.pipelines import GUIDANCE, STEPS, draw, open_pipeline
from farm.postcards.vocabulary import EXAMPLES
from farm.postcards.world import EXTRAS, Picture, Scene, held_out, render, sample

SHEET_COLUMNS = 8
ZOOM = 3


def held_out_scenes(count: int) -> list[Scene]:
    """Every other scene carries one extra, so that those are measured too."""
    rng = random.Random(3)
    scenes = []
    for index, combination in enumerate(held_out(count)):
        extra = EXTRAS[index // 2 % len(EXTRAS)] if index % 2 else ""
        birds = rng.randint(1, 3) if extra == "birds" else 0
        scenes.append(Scene(*combination, extras=(extra,) if extra else (), birds=birds))
    return scenes


def captions_for(scenes: list[Scene]) -> list[str]:
    rng = random.Random(5)
    return [describe(scene, rng) for scene in scenes]


@dataclass(frozen=True)
class Score:
    """Shares of prompts answered rightly."""

    subject: float
    colour: float
    ground: float
    time: float
    all_four: float
    extras: float
    birds_exact: float

    @classmethod
    def of(cls, wanted: list[Scene], seen: list[Attributes]) -> "Score":
        pairs = list(zip(wanted, seen, strict=True))
        hits = np.array([np.equal(w.combination, s.combination) for w, s in pairs])
        extras = [extra in s.extras for w, s in pairs for extra in w.extras]
        birds = [w.birds == s.birds for w, s in pairs if w.birds]
        subject, colour, ground, time = (float(share) for share in hits.mean(axis=0))
        whole = float(hits.all(axis=1).mean())
        return cls(subject, colour, ground, time, whole, _mean(extras), _mean(birds))

    def row(self) -> str:
        values = (self.subject, self.colour, self.ground, self.time, self.all_four)
        return " | ".join(f"{value:.3f}" for value in (*values, self.extras, self.birds_exact))


def _mean(values: list[bool]) -> float:
    return float(np.mean(values)) if values else 1.0


def accuracy(
    pipeline: StableDiffusionPipeline, judge: Judge, *, count: int, **options: Any
) -> Score:
    scenes = held_out_scenes(count)
    pictures = draw(pipeline, captions_for(scenes), **options)
    return Score.of(scenes, judge.attributes(pictures))


def reconstruction(pipeline: StableDiffusionPipeline, pictures: Picture) -> float:
    """Mean PSNR in dB of pictures through the autoencoder and back."""
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        decoded = pipeline.vae.decode(pipeline.vae.encode(pixels).latent_dist.mean).sample
    errors = ((decoded.clamp(-1, 1) - pixels) / 2).pow(2).mean((1, 2, 3))
    return float((-10 * errors.log10()).mean())


def fresh_renders(count: int, *, seed: int = 97) -> Picture:
    rng = random.Random(seed)
    return np.stack([render(sample(rng), seed=rng.getrandbits(30)) for _ in range(count)])


def restyled(pictures: Picture, name: str) -> Picture:
    recolour = {"grey": styles.grey, **styles.STYLES}[name]
    return np.stack([recolour(picture) for picture in pictures])


def seconds_per_picture(pipeline: StableDiffusionPipeline, *, rounds: int = 3) -> float:
    """Of computing, all threads together: what the machine does beside it does not count."""
    spent = []
    for _ in range(rounds):
        began = time.process_time()
        draw(pipeline, [EXAMPLES[0]])
        spent.append(time.process_time() - began)
    return min(spent)


def weight_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def contact_sheet(
    pictures: Picture, *, columns: int = SHEET_COLUMNS, zoom: int = ZOOM
) -> Image.Image:
    rows = [pictures[i : i + columns] for i in range(0, len(pictures), columns)]
    lines = [np.concatenate(list(row), axis=1) for row in rows if len(row) == columns]
    sheet = Image.fromarray(np.concatenate(lines))
    return sheet.resize((sheet.width * zoom, sheet.height * zoom), Image.Resampling.NEAREST)


def report(weights: Path, *, count: int) -> Iterator[str]:
    pipeline, judge = open_pipeline(weights / "base"), Judge.load(weights / "judge")
    yield "| steps | guidance | subject | colour | ground | time | all four | extras | birds exact |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for steps, guidance in ((12, 4.0), (20, 4.0), (8, 4.0), (12, 2.0), (12, 7.0)):
        options = {"num_inference_steps": steps, "guidance_scale": guidance}
        score = accuracy(pipeline, judge, count=count, **options)
        yield f"| {steps} | {guidance:g} | {score.row()} |"
    for size in ((96, 64), (64, 96)):
        score = accuracy(pipeline, judge, count=count, size=size)
        yield f"| {size[0]}x{size[1]}, {STEPS} | {GUIDANCE:g} | {score.row()} |"
    renders = fresh_renders(128)
    yield f"judge on fresh renders: {_judge_check(judge)}"
    yield f"VAE PSNR, fresh renders: {reconstruction(pipeline, renders):.2f} dB"
    for name in ("grey", "sepia", "neon"):
        yield f"VAE PSNR, {name}: {reconstruction(pipeline, restyled(renders, name)):.2f} dB"
    yield f"one picture of {STEPS} steps: {seconds_per_picture(pipeline):.3f} s"
    for folder in sorted(path for path in weights.iterdir() if path.is_dir()):
        manifest.verify(folder)
        yield f"{folder.name}: {weight_of(folder) / 1e6:.2f} MB"


def _judge_check(judge: Judge, *, count: int = 1000) -> str:
    rng = random.Random(98)
    scenes = [sample(rng) for _ in range(count)]
    pictures = np.stack([render(scene, seed=rng.getrandbits(30)) for scene in scenes])
    return Score.of(scenes, judge.attributes(pictures)).row()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m farm.postcards.evaluate", description=__doc__)
    parser.add_argument("--weights", type=Path, default=manifest.WEIGHTS)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--sheet", type=Path, help="also draw a contact sheet to this PNG file")
    options = parser.parse_args()
    for line in report(options.weights, count=options.count):
        print(line, flush=True)
    if options.sheet:
        sheet_captions = [*EXAMPLES, *captions_for(held_out_scenes(200))[100:136]]
        pictures = draw(open_pipeline(options.weights / "base"), sheet_captions)
        contact_sheet(pictures).save(options.sheet)


if __name__ == "__main__":
    main()
