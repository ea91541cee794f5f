"""The rendered training set and its latents, as arrays that are read page by page."""

import json
import random
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray

from farm.postcards.train.team import Member
from farm.postcards.train.vae import to_tensor
from farm.postcards.world import SIZES, Scene, held_out, render, sample

SHARES = {(64, 64): 0.82, (96, 64): 0.09, (64, 96): 0.09}
CHUNK = 64


@dataclass(frozen=True)
class Shelf:
    """The pictures of one size."""

    folder: Path
    size: tuple[int, int]

    def _file(self, kind: str, suffix: str = "npy") -> Path:
        return self.folder / f"{kind}-{self.size[0]}x{self.size[1]}.{suffix}"

    def scenes(self) -> list[Scene]:
        rows = json.loads(self._file("scenes", "json").read_text())
        return [Scene(**row | {"extras": tuple(row["extras"])}) for row in rows]

    def pictures(self) -> NDArray[np.uint8]:
        found: NDArray[np.uint8] = np.load(self._file("pictures"), mmap_mode="r")
        return found

    def latents(self) -> NDArray[np.float16]:
        found: NDArray[np.float16] = np.load(self._file("latents"), mmap_mode="r")
        return found

    def render(self, count: int, *, seed: int) -> None:
        rng = random.Random(f"{seed}/{self.size}")
        secret = set(held_out())
        scenes: list[Scene] = []
        while len(scenes) < count:
            scene = sample(rng)
            if scene.combination not in secret:
                scenes.append(scene)
        drawn = (render(scene, seed=rng.getrandbits(30), size=self.size) for scene in scenes)
        pictures = np.empty((count, self.size[1], self.size[0], 3), np.uint8)
        for index, picture in enumerate(drawn):
            pictures[index] = picture
        np.save(self._file("pictures"), pictures)
        self._file("scenes", "json").write_text(json.dumps([asdict(scene) for scene in scenes]))

    @torch.inference_mode()
    def encode(self, vae: AutoencoderKL, member: Member) -> None:
        """Each member writes its share into one array of float16 [n, channels, h / 4, w / 4]."""
        pictures = self.pictures()
        shape = (len(pictures), vae.config.latent_channels, self.size[1] // 4, self.size[0] // 4)
        if member.leads:
            np.lib.format.open_memmap(self._file("latents"), "w+", np.float16, shape).flush()
        if member.size > 1:
            torch.distributed.barrier()
        kept = np.load(self._file("latents"), mmap_mode="r+")
        for start in range(member.rank * CHUNK, len(pictures), member.size * CHUNK):
            part = slice(start, start + CHUNK)
            with torch.autocast("cpu", torch.bfloat16):
                mean = vae.encode(to_tensor(pictures[part])).latent_dist.mean.float()
            kept[part] = (mean * vae.config.scaling_factor).numpy()
        kept.flush()


def shelves(folder: Path) -> list[Shelf]:
    return [Shelf(folder, size) for size in SIZES]


@dataclass(frozen=True)
class Rendering:
    count: int
    seed: int

    def __call__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for shelf in shelves(folder):
            shelf.render(int(self.count * SHARES[shelf.size]), seed=self.seed)


@dataclass(frozen=True)
class Encoding:
    source: Path

    def __call__(self, member: Member) -> None:
        vae = AutoencoderKL.from_pretrained(self.source).eval()
        vae = vae.to(memory_format=torch.channels_last)
        for shelf in shelves(member.folder):
            shelf.encode(vae, member)
        member.say("encoded")
