"""A small classifier of postcards: what a picture shows, and whether it is a postcard at all."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn

from farm.postcards.world import COLOUR_NAMES, EXTRAS, GROUNDS, SUBJECTS, TIMES, Combination

FILE = "judge.safetensors"
SIGHTS = tuple(extra for extra in EXTRAS if extra != "birds")
MOST_BIRDS = 3
HEADS = (len(SUBJECTS), len(COLOUR_NAMES), len(GROUNDS), len(TIMES), len(SIGHTS), MOST_BIRDS + 1, 1)
CHUNK = 64
CAUTION = 2.0
"""Logits that a picture must have to spare: half-way between the model's pictures and strays."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Attributes:
    subject: str
    colour: str
    ground: str
    time: str
    extras: tuple[str, ...]
    birds: int

    @property
    def combination(self) -> Combination:
        return self.subject, self.colour, self.ground, self.time


class Eye(nn.Module):
    """Convolutions over the whole picture, so any size will do; one linear head for each answer."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for width in (24, 48, 96, 128):
            layers += _pair(before, width)
            before = width
        self.body = nn.Sequential(*layers)
        self.heads = nn.Linear(2 * before, sum(HEADS))

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """From -1..1 [n, 3, h, w] to the logits of each head."""
        found = self.body(pictures)
        pooled = torch.cat([found.mean((2, 3)), found.amax((2, 3))], dim=1)
        answers: tuple[torch.Tensor, ...] = self.heads(pooled).split(HEADS, dim=1)
        return answers


def _pair(before: int, after: int) -> list[nn.Module]:
    return [
        nn.Conv2d(before, after, 3, stride=2, padding=1),
        nn.BatchNorm2d(after),
        nn.ReLU(),
        nn.Conv2d(after, after, 3, padding=1),
        nn.BatchNorm2d(after),
        nn.ReLU(),
    ]


class Judge:
    def __init__(self, eye: Eye) -> None:
        self._eye = eye.eval()

    @classmethod
    def load(cls, folder: Path) -> Self:
        eye = Eye()
        eye.load_state_dict(load_file(folder / FILE))
        return cls(eye.float())

    def attributes(self, pixels: Pixels) -> list[Attributes]:
        """What each picture of uint8 [n, h, w, 3] shows."""
        answers = self._answers(pixels)
        return [_attributes([head[i] for head in answers]) for i in range(len(pixels))]

    def in_world_score(self, pixels: Pixels) -> list[float]:
        """0..1 for each picture of uint8 [n, h, w, 3]: how surely it lies in the postcards' world."""
        margins = self._answers(pixels)[-1][:, 0] - CAUTION
        scores: list[float] = margins.sigmoid().tolist()
        return scores

    @torch.inference_mode()
    def _answers(self, pixels: Pixels) -> list[torch.Tensor]:
        parts = [self._eye(_to_tensor(pixels[i : i + CHUNK])) for i in range(0, len(pixels), CHUNK)]
        return [torch.cat(head) for head in zip(*parts, strict=True)]


def _to_tensor(pixels: Pixels) -> torch.Tensor:
    # A copy: the pixels may lie in a message that nobody may write to.
    tensor = torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2)
    return tensor.float() / 127.5 - 1


def _attributes(answers: list[torch.Tensor]) -> Attributes:
    subject, colour, ground, time, sights, birds, _ = answers
    count = int(birds.argmax())
    seen = {sight for sight, logit in zip(SIGHTS, sights.tolist(), strict=True) if logit > 0}
    seen |= {"birds"} if count else set()
    return Attributes(
        SUBJECTS[int(subject.argmax())],
        COLOUR_NAMES[int(colour.argmax())],
        GROUNDS[int(ground.argmax())],
        TIMES[int(time.argmax())],
        extras=tuple(extra for extra in EXTRAS if extra in seen),
        birds=count,
    )
