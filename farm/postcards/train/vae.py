"""The autoencoder: 4 pixels a cell, 4 channels; trained whole, then its decoder alone."""

import math
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from farm.postcards.train.loop import Loop
from farm.postcards.train.pictures import Mix
from farm.postcards.train.team import Budget, Member
from farm.postcards.world import Picture, render, sample

WIDE_EVERY, TALL_EVERY = 11, 13
LATENT_NOISE = 0.03


def build() -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        block_out_channels=(32, 32, 64),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=64,
        mid_block_add_attention=False,
    )


def to_tensor(pictures: list[Picture] | Picture) -> torch.Tensor:
    """uint8 [n, h, w, 3] to -1..1 [n, 3, h, w]."""
    pixels = torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2)
    return (pixels.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class VaeTraining:
    budget: Budget
    rate: float
    batch: int
    seed: int
    mix: Mix
    source: Path | None = None
    """Where to begin; the encoder stays frozen then, so that existing latents keep their sense."""

    def __call__(self, member: Member) -> None:
        torch.manual_seed(self.seed)
        vae = self._begin()
        trained = [p for p in vae.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, self.rate, betas=(0.9, 0.99), weight_decay=1e-3)
        loop = Loop(member, self.budget, self.seed, rate=self._rate, keep=_keep)
        loop.run(trained, optimizer, lambda step: self._learn(vae, step, member))
        if member.leads:
            vae.save_pretrained(member.folder / member.stage)

    def _rate(self, step: int, share: float) -> float:
        cosine = 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
        return self.rate * min(1, (step + 1) / 100) * cosine

    def _begin(self) -> AutoencoderKL:
        if self.source is None:
            return build().to(memory_format=torch.channels_last)
        vae = AutoencoderKL.from_pretrained(self.source).to(memory_format=torch.channels_last)
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
        return vae

    def _learn(self, vae: AutoencoderKL, step: int, member: Member) -> float:
        """Leaves gradients behind; returns the mean squared error."""
        pixels = self._pictures(step, member)
        with torch.autocast("cpu", torch.bfloat16):
            drift: torch.Tensor | float = 0.0
            if self.source is None:
                found = vae.encode(pixels).latent_dist
                latents = found.sample()
                mean, spread = found.mean.float(), found.logvar.float()
                drift = 0.5 * (mean.pow(2) + spread.exp() - 1 - spread).mean()
            else:
                latents = _noisy_latents(vae, pixels)
            decoded = vae.decode(latents).sample
        error = decoded.float() - pixels
        absolute, squared = error.abs().mean(), error.pow(2).mean()
        (absolute + squared + 0.25 * _edge_error(error) + 2e-4 * drift).backward()
        return squared.item()

    def _pictures(self, step: int, member: Member) -> torch.Tensor:
        rng = random.Random(f"{self.seed}/{member.rank}/{step}")
        size, count = (64, 64), self.batch
        if step % WIDE_EVERY == 0 or step % TALL_EVERY == 0:
            size = (96, 64) if step % WIDE_EVERY == 0 else (64, 96)
            count = max(1, self.batch * 2 // 3)
        return to_tensor(np.stack([self.mix.picture(rng, size) for _ in range(count)]))


@torch.no_grad()
def _noisy_latents(vae: AutoencoderKL, pixels: torch.Tensor) -> torch.Tensor:
    """Means with a little noise: the denoiser's latents are not exact either."""
    mean = vae.encode(pixels).latent_dist.mean
    return mean + torch.randn_like(mean) * LATENT_NOISE / vae.config.scaling_factor


def _edge_error(error: torch.Tensor) -> torch.Tensor:
    across = (error[..., 1:] - error[..., :-1]).abs().mean()
    down = (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
    return across + down


def _keep(step: int) -> float:
    return min(0.998, (step + 1) / (step + 50))


@torch.no_grad()
def set_scale(folder: Path, *, pictures: int = 256) -> float:
    """Records the latents' spread in the VAE's configuration, so that they come out near 1."""
    vae = AutoencoderKL.from_pretrained(folder)
    rng = random.Random(3)
    batch = np.stack([render(sample(rng), seed=rng.getrandbits(30)) for _ in range(pictures)])
    spread = vae.encode(to_tensor(batch)).latent_dist.mean.std().item()
    vae.register_to_config(scaling_factor=round(1 / spread, 5))
    vae.save_pretrained(folder)
    return spread
