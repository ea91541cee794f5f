"""Trains everything that `weights/` holds: `python -m farm.postcards.train [stage ...]`."""

import argparse
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from farm.postcards.captions import training_caption
from farm.postcards.manifest import WEIGHTS
from farm.postcards.pipelines import draw, open_pipeline
from farm.postcards.styles import STYLES
from farm.postcards.train.assemble import assemble, seal
from farm.postcards.train.config import Plan
from farm.postcards.train.dataset import Encoding
from farm.postcards.train.team import run_team
from farm.postcards.train.vae import set_scale
from farm.postcards.vocabulary import EXAMPLES
from farm.postcards.world import Picture, sample

SAMPLES = 320
WAYS = tuple(itertools.product((6, 8, 12, 20), (2.0, 4.0, 7.0)))


@dataclass(frozen=True)
class Workshop:
    plan: Plan
    work: Path
    weights: Path

    def vae(self) -> None:
        run_team(self.plan.vae(), folder=self.work, stage="vae")
        set_scale(self.work / "vae")

    def data(self) -> None:
        self.plan.rendering()(self.work)
        run_team(Encoding(self.work / "vae"), folder=self.work, stage="encoding")

    def denoiser(self) -> None:
        run_team(self.plan.denoiser(), folder=self.work, stage="denoiser")

    def refinement(self) -> None:
        more = self.plan.refinement(self.work / "denoiser")
        run_team(more, folder=self.work, stage="refinement")

    def decoder(self) -> None:
        run_team(self.plan.decoder(self.work / "vae"), folder=self.work, stage="decoder")

    def polish(self) -> None:
        run_team(self.plan.polish(self.work / "decoder"), folder=self.work, stage="polish")

    def base(self) -> None:
        assemble(self.work / "refinement", self.work / "polish", self.weights / "base")

    def lora(self, style: str) -> None:
        self.plan.lora(style)(self.weights / "base", self.weights / f"lora-{style}")

    def controlnet(self) -> None:
        self.plan.controlnet()(self.weights / "base", self.work, self.weights / "controlnet-edges")

    def judge(self) -> None:
        samples = self.work / "samples.npy"
        np.save(samples, draw_samples(self.weights / "base"))
        self.plan.judge(samples)(self.weights / "judge")
        seal(self.weights / "judge")

    def stages(self) -> dict[str, Callable[[], None]]:
        return {
            "vae": self.vae,
            "data": self.data,
            "denoiser": self.denoiser,
            "refinement": self.refinement,
            "decoder": self.decoder,
            "polish": self.polish,
            "base": self.base,
            **{f"lora-{style}": partial(self.lora, style) for style in STYLES},
            "controlnet": self.controlnet,
            "judge": self.judge,
        }


def draw_samples(base: Path) -> Picture:
    """The model's own pictures, from hasty to careful, uint8 [n, 64, 64, 3]."""
    rng = random.Random(81)
    pipeline = open_pipeline(base)
    captions = [*EXAMPLES, *(training_caption(sample(rng), rng) for _ in range(SAMPLES))]
    parts = [
        draw(pipeline, captions[i :: len(WAYS)], num_inference_steps=steps, guidance_scale=guidance)
        for i, (steps, guidance) in enumerate(WAYS)
    ]
    return np.concatenate(parts)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m farm.postcards.train", description=__doc__)
    parser.add_argument("stages", nargs="*", help="all of them, in order, if none is named")
    parser.add_argument("--work", type=Path, default=Path("build/postcards"))
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--minutes", type=float, default=0.0, help="train by the clock instead")
    options = parser.parse_args()
    stages = Workshop(Plan.read(options.minutes), options.work, options.weights).stages()
    unknown = set(options.stages) - stages.keys()
    if unknown:
        parser.error(f"no stage {', '.join(sorted(unknown))}; there are {', '.join(stages)}")
    for name in options.stages or stages:
        print(f"postcards: {name}", flush=True)
        stages[name]()


if __name__ == "__main__":
    main()
