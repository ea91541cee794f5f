"""Reads `training.toml`: what each stage does, in steps, so that a rerun does the same."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm.postcards.train.adapters import AdapterTraining
from farm.postcards.train.controlnet import ControlTraining
from farm.postcards.train.dataset import Rendering
from farm.postcards.train.denoiser import DenoiserTraining
from farm.postcards.train.judging import JudgeTraining
from farm.postcards.train.pictures import Mix
from farm.postcards.train.team import Budget
from farm.postcards.train.vae import VaeTraining

FILE = Path(__file__).parent.parent / "training.toml"


@dataclass(frozen=True)
class Plan:
    """`minutes` measures a stage by the clock instead, to find out its steps on a new machine."""

    sections: dict[str, dict[str, Any]]
    minutes: float = 0.0

    @classmethod
    def read(cls, minutes: float = 0.0) -> "Plan":
        return cls(tomllib.loads(FILE.read_text()), minutes)

    def vae(self) -> VaeTraining:
        return VaeTraining(**self._mixed("vae"))

    def decoder(self, source: Path) -> VaeTraining:
        return VaeTraining(**self._mixed("decoder"), source=source)

    def polish(self, source: Path) -> VaeTraining:
        return VaeTraining(**self._mixed("polish"), source=source)

    def denoiser(self) -> DenoiserTraining:
        return DenoiserTraining(**self._timed("denoiser"))

    def refinement(self, source: Path) -> DenoiserTraining:
        return DenoiserTraining(**self._timed("refinement"), source=source)

    def rendering(self) -> Rendering:
        return Rendering(**self.sections["rendering"])

    def judge(self, samples: Path | None) -> JudgeTraining:
        return JudgeTraining(**self.sections["judge"], samples=samples)

    def lora(self, style: str) -> AdapterTraining:
        return AdapterTraining(style, **self.sections[f"lora-{style}"])

    def controlnet(self) -> ControlTraining:
        return ControlTraining(**self.sections["controlnet-edges"])

    def _mixed(self, name: str) -> dict[str, Any]:
        section = self._timed(name)
        return section | {"mix": Mix(**section["mix"])}

    def _timed(self, name: str) -> dict[str, Any]:
        section = dict(self.sections[name])
        steps = section.pop("steps")
        budget = Budget(minutes=self.minutes) if self.minutes else Budget(steps=steps)
        return section | {"budget": budget}
