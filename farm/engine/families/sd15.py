"""Stable Diffusion 1.x and 2.x, and every model with their shape: CLIP text, UNet, KL autoencoder."""

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor

from farm.engine.families import Conditioning
from farm.engine.samplers import Sampler
from farm.engine.steady import at_least_two, make_steady
from shared.errors import Fault
from shared.spec import RenderSpec

TEXTS_KEPT = 128


def load(folder: Path, *, device: str, dtype: torch.dtype) -> "StableDiffusion15":
    """From a diffusers folder on this disk, safetensors only; nothing is fetched."""
    pipeline = StableDiffusionPipeline.from_pretrained(
        folder,
        local_files_only=True,
        use_safetensors=True,
        dtype=dtype,
        safety_checker=None,
        requires_safety_checker=False,
    )
    return StableDiffusion15(pipeline.to(device))


class StableDiffusion15:
    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.unet = pipeline.unet.eval()
        self.vae = pipeline.vae.eval()
        self.config = dict(pipeline.scheduler.config)
        self.dtype: torch.dtype = self.unet.dtype
        self.device: torch.device = self.unet.device
        self.cumulated: Tensor = pipeline.scheduler.alphas_cumprod.cpu()
        self.texts: OrderedDict[str, Tensor] = OrderedDict()
        self.steady = self.device.type == "cpu"
        if self.steady:
            make_steady(self.unet)
            make_steady(self.vae)

    # --- before ------------------------------------------------------------------------------

    def sampler(self, name: str, steps: int) -> Sampler:
        return Sampler.begin(name, steps, config=self.config)

    def latent_shape(self, spec: RenderSpec) -> tuple[int, ...]:
        unit = self.pipeline.vae_scale_factor * 2 ** (len(self.unet.config.block_out_channels) - 1)
        if spec.width % unit or spec.height % unit or not spec.width * spec.height:
            raise Fault("bad_spec", f"Width and height must be multiples of {unit} pixels.")
        scale = self.pipeline.vae_scale_factor
        channels: int = self.unet.config.in_channels
        return 1, channels, spec.height // scale, spec.width // scale

    def encode(self, spec: RenderSpec) -> Conditioning:
        """Parts of positive weight are blended by their share; the others join the negative prompt.

        One part is exactly what the pipeline encodes, whatever its weight. The size of a negative
        weight does not count: guidance already says how hard to push away.
        """
        wanted = [part for part in spec.texts if part.weight > 0]
        if not wanted:
            raise Fault("bad_spec", "At least one part of the prompt needs a weight above 0.")
        shares = [part.weight / sum(one.weight for one in wanted) for part in wanted]
        towards = _blend([self._encode(part.text) for part in wanted], shares)
        unwanted = [spec.negative, *(part.text for part in spec.texts if part.weight < 0)]
        guided = spec.guidance > 1 and self.unet.config.time_cond_proj_dim is None
        against = self._encode(", ".join(filter(None, unwanted))) if guided else None
        return Conditioning(towards, against, spec.guidance)

    @torch.inference_mode()
    def _encode(self, text: str) -> Tensor:
        if text in self.texts:
            self.texts.move_to_end(text)
            return self.texts[text]
        encoded: Tensor = self.pipeline.encode_prompt(text, self.device, 1, False)[0]
        self.texts[text] = encoded
        if len(self.texts) > TEXTS_KEPT:
            self.texts.popitem(last=False)
        return encoded

    # --- the loop ----------------------------------------------------------------------------

    def denoise(self, latents: Tensor, moments: Tensor, texts: Tensor) -> Tensor:
        rows = [self._padded(one) for one in (latents, moments, texts)]
        prediction: Tensor = self.unet(*rows, return_dict=False)[0]
        return prediction[: len(latents)]

    def _padded(self, rows: Tensor) -> Tensor:
        return at_least_two(rows) if self.steady else rows

    def estimate(self, latents: Tensor, prediction: Tensor, moments: Sequence[float]) -> Tensor:
        """From the model's own view (variance preserving), so it is the same for every sampler."""
        kept = self._kept(moments).to(latents)
        signal, noise = kept.sqrt(), (1 - kept).sqrt()
        if self.config["prediction_type"] == "v_prediction":
            return signal * latents - noise * prediction
        if self.config["prediction_type"] == "sample":
            return prediction
        return (latents - noise * prediction) / signal

    def _kept(self, moments: Sequence[float]) -> Tensor:
        """Share of the signal's variance at each timestep; samplers ask between whole ones too."""
        places = torch.tensor(moments).clamp(0, len(self.cumulated) - 1)
        below, above = self.cumulated[places.floor().long()], self.cumulated[places.ceil().long()]
        return torch.lerp(below, above, places.frac()).view(-1, 1, 1, 1)

    # --- after -------------------------------------------------------------------------------

    def decode(self, latents: Tensor) -> Tensor:
        scaled = self._padded(latents.to(self.vae.dtype)) / self.vae.config.scaling_factor
        pixels: Tensor = self.vae.decode(scaled, return_dict=False)[0][: len(latents)]
        if not bool(pixels.isfinite().all()):
            raise ArithmeticError("the decoder gave pixels that are no numbers")
        bright = (pixels.float() / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1) * 255
        return bright.round().to(torch.uint8).cpu().contiguous()

    @torch.inference_mode()
    def warm(self) -> None:
        text = self._encode("")
        side = self.unet.config.sample_size
        shape = (2, self.unet.config.in_channels, side, side)
        noise = torch.zeros(shape, dtype=self.dtype, device=self.device)
        moments = torch.zeros(2, device=self.device)
        self.decode(self.denoise(noise, moments, text.repeat(2, 1, 1)))


def _blend(texts: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    if len(texts) == 1:
        return texts[0]
    return torch.stack([text * share for text, share in zip(texts, shares, strict=True)]).sum(0)
