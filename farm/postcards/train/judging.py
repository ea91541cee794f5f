"""Trains the judge on fresh renders, spoilt a little as generated pictures are, and on strays."""

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn import functional

from farm.postcards.judge import FILE, SIGHTS, Eye
from farm.postcards.styles import STYLES
from farm.postcards.train.pictures import stray_picture
from farm.postcards.train.vae import to_tensor
from farm.postcards.world import (
    COLOUR_NAMES,
    GROUNDS,
    SIZES,
    SUBJECTS,
    TIMES,
    Picture,
    Scene,
    held_out,
    render,
    sample,
)

STRAYS, STYLED, SAMPLES = 14, 6, 6
IGNORED = -100


@dataclass(frozen=True)
class JudgeTraining:
    steps: int
    rate: float
    batch: int
    seed: int
    samples: Path | None = None
    """Pictures that the model made: a postcard keeps being one with the model's own faults."""

    def __call__(self, folder: Path) -> None:
        torch.manual_seed(self.seed)
        eye = Eye().train()
        optimizer = torch.optim.AdamW(eye.parameters(), self.rate, weight_decay=1e-2)
        generated = np.load(self.samples) if self.samples else None
        for step in range(self.steps):
            for group in optimizer.param_groups:
                group["lr"] = self.rate * (1 - step / self.steps) + 1e-5
            lesson = _lesson(random.Random(f"{self.seed}/{step}"), self.batch, generated)
            loss = lesson.loss(eye)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            if step % 100 == 99:
                print(f"judge {step + 1}/{self.steps} loss {loss.item():.4f}", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({n: _half(t) for n, t in eye.state_dict().items()}, folder / FILE)


def _half(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor


@dataclass(frozen=True)
class Lesson:
    """Pictures of one size; attributes are taught on the plain renders, which come first."""

    pictures: torch.Tensor
    scenes: list[Scene]
    strays: int

    def loss(self, eye: Eye) -> torch.Tensor:
        subject, colour, ground, time, sights, birds, world = eye(self.pictures)
        known = len(self.scenes)
        total = functional.cross_entropy(subject[:known], self._indices(SUBJECTS, "subject"))
        total = total + functional.cross_entropy(
            colour[:known], self._indices(COLOUR_NAMES, "colour")
        )
        total = total + functional.cross_entropy(ground[:known], self._indices(GROUNDS, "ground"))
        total = total + functional.cross_entropy(time[:known], self._indices(TIMES, "time"))
        present = torch.tensor(
            [[float(s in scene.extras) for s in SIGHTS] for scene in self.scenes]
        )
        total = total + 3 * functional.binary_cross_entropy_with_logits(sights[:known], present)
        counts = torch.tensor([scene.birds for scene in self.scenes])
        total = total + functional.cross_entropy(birds[:known], counts)
        real = torch.ones(len(self.pictures))
        real[len(real) - self.strays :] = 0
        return total + 2 * functional.binary_cross_entropy_with_logits(world[:, 0], real)

    def _indices(self, names: tuple[str, ...], attribute: str) -> torch.Tensor:
        return torch.tensor([names.index(getattr(scene, attribute)) for scene in self.scenes])


def _lesson(rng: random.Random, batch: int, generated: Picture | None) -> Lesson:
    size = SIZES[0] if rng.random() < 0.8 else rng.choice(SIZES[1:])
    scenes = [_seen_scene(rng) for _ in range(batch)]
    plain = [render(scene, seed=rng.getrandbits(30), size=size) for scene in scenes]
    styled = [rng.choice(list(STYLES.values()))(rng.choice(plain)) for _ in range(STYLED)]
    made: list[Picture] = []
    if generated is not None and size == SIZES[0]:
        made = [generated[rng.randrange(len(generated))] for _ in range(SAMPLES)]
    strays = [_stray(rng, size, rng.choice(plain)) for _ in range(STRAYS)]
    numbers = torch.Generator().manual_seed(rng.getrandbits(31))
    worn = _worn(to_tensor(np.stack(plain + styled + made)), numbers)
    return Lesson(torch.cat([worn, to_tensor(np.stack(strays))]), scenes, len(strays))


def _seen_scene(rng: random.Random) -> Scene:
    secret = _SECRET
    while (scene := sample(rng)).combination in secret:
        pass
    return scene


_SECRET = frozenset(held_out())


def _worn(pictures: torch.Tensor, numbers: torch.Generator) -> torch.Tensor:
    """A quarter each: as they are, noisy, blurred, both."""
    count = len(pictures)
    which = torch.randint(0, 4, (count, 1, 1, 1), generator=numbers)
    noise = torch.randn(pictures.shape, generator=numbers)
    noise = noise * torch.rand((count, 1, 1, 1), generator=numbers) * 0.15
    blur = torch.rand((count, 1, 1, 1), generator=numbers) * 0.7 * (which >= 2)
    blurred = pictures * (1 - blur) + functional.avg_pool2d(pictures, 3, 1, 1) * blur
    return blurred + noise * (which % 2)


def _stray(rng: random.Random, size: tuple[int, int], postcard: Picture) -> Picture:
    numbers = np.random.default_rng(rng.getrandbits(32))
    kind = rng.randrange(6)
    if kind == 0:
        return _shuffled(postcard, numbers)
    if kind == 1:
        return _skin(numbers, size)
    if kind == 2:
        return _hiss(numbers, size)
    if kind == 3:
        return np.full((size[1], size[0], 3), numbers.integers(0, 256, 3), np.uint8)
    return stray_picture(numbers, size)


def _shuffled(picture: Picture, numbers: np.random.Generator) -> Picture:
    side = int(numbers.choice((8, 16)))
    rows, columns = picture.shape[0] // side, picture.shape[1] // side
    tiles = picture.reshape(rows, side, columns, side, 3).swapaxes(1, 2).reshape(-1, side, side, 3)
    tiles = tiles[numbers.permutation(len(tiles))].reshape(rows, columns, side, side, 3)
    return tiles.swapaxes(1, 2).reshape(picture.shape)


def _hiss(numbers: np.random.Generator, size: tuple[int, int]) -> Picture:
    noise = numbers.normal(numbers.uniform(60, 200), numbers.uniform(10, 90), (size[1], size[0], 3))
    return noise.clip(0, 255).astype(np.uint8)


_TONES = ((255, 224, 196), (240, 194, 158), (214, 160, 120), (172, 118, 82), (118, 76, 52))


def _skin(numbers: np.random.Generator, size: tuple[int, int]) -> Picture:
    """Soft blobs in skin tones over a dim room."""
    picture = stray_picture(numbers, size).astype(np.float32)
    across, down = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    tone = np.array(_TONES[numbers.integers(len(_TONES))], np.float32)
    for _ in range(numbers.integers(1, 6)):
        x, y = numbers.uniform(0, size[0]), numbers.uniform(0, size[1])
        wide, tall = numbers.uniform(6, 30, 2)
        depth = ((across - x) / wide) ** 2 + ((down - y) / tall) ** 2
        cover = np.clip(1.6 - depth, 0, 1)[..., None]
        picture = picture * (1 - cover) + tone * (1 - 0.25 * depth.clip(0, 1)[..., None]) * cover
    return picture.clip(0, 255).astype(np.uint8)
