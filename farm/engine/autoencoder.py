"""Pictures to latents and back, with one of Stable Diffusion XL's autoencoders or its kin."""

import copy
from typing import Any

import torch
from torch import Tensor

from farm.engine.families import drawn_in
from farm.engine.steady import at_least_two, make_steady

HALVES = (torch.float16, torch.bfloat16)


class Autoencoder:
    """`vae` decodes and `encoder` encodes, each in the precision that diffusers' pipelines use.

    Where that differs from the checkpoint's they cast the weights to and fro at each use; here
    pictures are encoded while others are decoded, so each keeps its precision.
    """

    def __init__(self, vae: Any, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self.encoder, self.vae = _in_precision(vae.eval(), dtype)
        if vae.device.type == "cpu":
            make_steady(self.vae)
        # Some name a mean and a deviation for each channel.
        shape = (1, vae.config.latent_channels, 1, 1)
        self.mean = _filled(shape, vae.config.get("latents_mean") or 0.0)
        self.deviation = _filled(shape, vae.config.get("latents_std") or 1.0)

    @torch.inference_mode()
    def encode(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        """Of pixels in -1..1; drawn by `generator` from what the encoder knows of the picture."""
        known = self.encoder.encode(pixels.to(self.encoder.dtype)).latent_dist
        noise = self.noise(known.mean.shape, generator).to(known.mean)
        latents = (known.mean + known.std * noise).to(self.dtype)
        mean, deviation = self.mean.to(latents), self.deviation.to(latents)
        return (latents - mean) * self.vae.config.scaling_factor / deviation

    def noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """What `encode` draws for latents of this shape."""
        return torch.randn(shape, generator=generator, dtype=drawn_in(self.encoder.dtype))

    def decode(self, latents: Tensor) -> Tensor:
        """uint8 (n, height, width, 3) on the CPU. ArithmeticError when they are not finite."""
        pixels = self.pixels(latents)
        if not bool(pixels.isfinite().all()):
            raise ArithmeticError("the decoder gave pixels that are no numbers")
        bright = (pixels.float() / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1) * 255
        return bright.round().to(torch.uint8).cpu().contiguous()

    @torch.inference_mode()
    def pixels(self, latents: Tensor) -> Tensor:
        """(n, 3, height, width), black at -1 and white at 1, and beyond."""
        rows = latents.to(self.vae.dtype)
        rows = at_least_two(rows) if rows.device.type == "cpu" else rows
        mean, deviation = self.mean.to(rows), self.deviation.to(rows)
        clean = rows * deviation / self.vae.config.scaling_factor + mean
        pixels: Tensor = self.vae.decode(clean, return_dict=False)[0]
        return pixels[: len(latents)]


def _filled(shape: tuple[int, ...], numbers: Any) -> Tensor:
    return torch.tensor(numbers).view(-1, 1, 1).expand(shape).clone()


def _in_precision(vae: Any, dtype: torch.dtype) -> tuple[Any, Any]:
    """One to encode with and one to decode with: the same where one precision serves both."""
    if not vae.config.force_upcast or dtype not in HALVES:
        return vae, vae
    if dtype == torch.float16:
        vae.to(torch.float32)
        return vae, vae
    encoder = copy.deepcopy(vae).to(torch.float32)
    encoder.decoder = None
    return encoder, vae
