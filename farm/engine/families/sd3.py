"""Stable Diffusion 3 and 3.5 (arXiv 2403.03206): two CLIP texts and T5, a transformer, KL autoencoder.

T5 may be missing: the model was trained to draw without it, and sees zeros in its place.
"""

import copy
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusion3InpaintPipeline, StableDiffusion3Pipeline
from diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3 import calculate_shift
from PIL import Image
from torch import Tensor, nn

from farm.engine.adapters.control_sd3 import Controls
from farm.engine.adapters.lora import LoraBank
from farm.engine.families import Conditioning, Kept, Laid, Loras, Origin, Start, Wish
from farm.engine.guidance import carried
from farm.engine.samplers import RECIPES, Sampler
from farm.engine.steady import at_least_two, make_steady
from shared.errors import Fault
from shared.spec import RenderKind, RenderSpec, WeightedText

TEXTS_KEPT = 64  # of 3 MB each
TEXT_LENGTH = 256  # tokens that T5 reads
MODULES = ("transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3")
SHIFTS = ("base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift")
WEARERS = ("transformer", "text_encoder", "text_encoder_2")

Told = dict[str, Tensor]


def load(
    folder: Path,
    *,
    device: str,
    dtype: torch.dtype,
    text_length: int = TEXT_LENGTH,
    **components: Any,
) -> "StableDiffusion3":
    """From a diffusers folder on this disk, safetensors only; nothing is fetched.

    Without T5: `text_encoder_3=None, tokenizer_3=None`.
    """
    pipeline = StableDiffusion3Pipeline.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, dtype=dtype, **components
    )
    return from_pipeline(pipeline.to(device), text_length=text_length)


def from_pipeline(pipeline: Any, *, text_length: int = TEXT_LENGTH) -> "StableDiffusion3":
    """Any of diffusers' SD3 pipelines: the parts are shared with it."""
    parts = pipeline.components
    return StableDiffusion3(StableDiffusion3InpaintPipeline(**parts), text_length=text_length)


class StableDiffusion3:
    """The inpainting pipeline knows all that the others do: texts, noise, pictures as latents."""

    def __init__(self, pipeline: Any, *, text_length: int) -> None:
        self.pipeline = pipeline
        self.transformer = pipeline.transformer
        self.vae = pipeline.vae
        self.config = dict(pipeline.scheduler.config)
        self.dtype: torch.dtype = self.transformer.dtype
        self.device: torch.device = self.transformer.device
        self.text_length = text_length
        self.channels: int = self.vae.config.latent_channels
        self.inpaints = self._sees_a_mask()
        self.unit: int = pipeline.vae_scale_factor * pipeline.patch_size
        self.texts: OrderedDict[tuple[str, int, Loras], Told] = OrderedDict()
        for module in self.modules.values():
            module.eval()
        self.steady = self.device.type == "cpu"
        if self.steady:
            make_steady(self.transformer)
        self.controls = Controls(self.transformer, self.vae)
        self.loras = {name: LoraBank(self.modules[name]) for name in WEARERS}

    def _sees_a_mask(self) -> bool:
        """Besides the latents: the mask, and the latents of what stays."""
        seen = self.transformer.config.in_channels
        if seen not in (self.channels, 2 * self.channels + 1):
            raise Fault("weights_unfit", "This model asks for more than latents and a mask.")
        return bool(seen != self.channels)

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        found = {name: getattr(self.pipeline, name) for name in MODULES}
        return {name: module for name, module in found.items() if module is not None}

    def with_vae(self, vae: Any) -> "StableDiffusion3":
        """The same checkpoint, seeing and showing pictures through another autoencoder."""
        twin = copy.copy(self)
        twin.vae = vae.eval()
        twin.pipeline = StableDiffusion3InpaintPipeline(**self.pipeline.components | {"vae": vae})
        return twin

    def seamless(self) -> "StableDiffusion3":
        raise Fault("bad_spec", "A transformer knows each place by name: its edges cannot meet.")

    # --- before ------------------------------------------------------------------------------

    def sampler(self, spec: RenderSpec, *, refining: bool = False) -> Sampler:
        """Fault `bad_spec` for a sampler that was not made for flow matching."""
        if refining:
            raise Fault("bad_spec", "A Stable Diffusion 3 cannot refine another's picture.")
        if spec.sampler in RECIPES and not RECIPES[spec.sampler].flow:
            raise Fault("bad_spec", f"Sampler {spec.sampler} is not made for flow matching.")
        strength = 1.0 if spec.kind is RenderKind.TEXT else spec.strength
        shift = {"mu": self._shift(spec)} if self.config.get("use_dynamic_shifting") else {}
        return Sampler.begin(
            spec.sampler, spec.steps, config=self.config, strength=strength, **shift
        )

    def _shift(self, spec: RenderSpec) -> float:
        """As StableDiffusion3Pipeline: a larger picture stays noisy for longer."""
        tokens = (spec.width // self.unit) * (spec.height // self.unit)
        return float(calculate_shift(tokens, *(self.config[name] for name in SHIFTS)))

    def latent_shape(self, spec: RenderSpec) -> tuple[int, ...]:
        unit, sides = self.unit, (spec.width, spec.height)
        if any(side % unit for side in sides) or min(sides) <= 0:
            raise Fault("bad_spec", f"Width and height must be multiples of {unit} pixels.")
        most = self.transformer.config.pos_embed_max_size * unit
        if max(sides) > most:
            raise Fault("bad_spec", f"This model knows no place beyond {most} pixels.")
        scale: int = self.pipeline.vae_scale_factor
        return 1, self.channels, spec.height // scale, spec.width // scale

    def encode(self, spec: RenderSpec) -> Conditioning:
        """Parts of positive weight are blended by their share; the others join the negative prompt.

        One part is exactly what the pipeline encodes, whatever its weight. The size of a negative
        weight does not count: guidance already says how hard to push away. As in diffusers, no
        layer is skipped for the negative prompt.
        """
        wanted = [part for part in spec.texts if part.weight > 0]
        if not wanted:
            raise Fault("bad_spec", "At least one part of the prompt needs a weight above 0.")
        self._check_clip_skip(spec.clip_skip)
        loras = tuple((one.name, one.weight) for one in spec.loras)
        shares = [part.weight / sum(one.weight for one in wanted) for part in wanted]
        parts = [self._encode(part.text, spec.clip_skip, loras) for part in wanted]
        unwanted = [spec.negative, *(part.text for part in spec.texts if part.weight < 0)]
        text = ", ".join(filter(None, unwanted))
        return Conditioning(
            towards=_blend(parts, shares),
            against=self._encode(text, 0, loras) if spec.guidance > 1 else None,
            guidance=spec.guidance,
            rescale=spec.rescale,
            loras=loras,
        )

    def _check_clip_skip(self, skipped: int) -> None:
        encoders = (self.pipeline.text_encoder, self.pipeline.text_encoder_2)
        layers = min(encoder.config.num_hidden_layers for encoder in encoders)
        if not 0 <= skipped < layers:
            raise Fault("bad_spec", f"clip_skip must be 0 to {layers - 1} for this model.")

    @torch.inference_mode()
    def _encode(self, text: str, skipped: int, loras: Loras) -> Told:
        key = (text, skipped, loras)
        if key in self.texts:
            self.texts.move_to_end(key)
            return self.texts[key]
        self.loras["text_encoder"].wear([loras])
        self.loras["text_encoder_2"].wear([loras])
        texts, _, pooled, _ = self.pipeline.encode_prompt(
            *(text, None, None),
            device=self.device,
            do_classifier_free_guidance=False,
            clip_skip=skipped,
            max_sequence_length=self.text_length,
        )
        self.texts[key] = {"texts": texts.to(self.dtype), "pooled": pooled.to(self.dtype)}
        if len(self.texts) > TEXTS_KEPT:
            self.texts.popitem(last=False)
        return self.texts[key]

    # --- the start ---------------------------------------------------------------------------

    @torch.inference_mode()
    def start(
        self, spec: RenderSpec, sampler: Sampler, generator: torch.Generator, origin: Origin
    ) -> Start:
        if origin.mask is None and self.inpaints:
            raise Fault("bad_spec", "An inpainting model needs a picture and a mask.")
        if origin.picture is None:
            return Start(self._noise(spec, generator))
        pixels = self.pipeline.image_processor.preprocess(
            origin.picture, height=spec.height, width=spec.width
        ).float()
        if origin.mask is not None:
            return self._masked_start(spec, sampler, generator, origin=(pixels, origin.mask))
        clean, noise = self._clean_and_noise(spec, pixels, generator)
        return Start(sampler.noised(clean, noise, 0))

    def _masked_start(
        self,
        spec: RenderSpec,
        sampler: Sampler,
        generator: torch.Generator,
        *,
        origin: tuple[Tensor, Image.Image],
    ) -> Start:
        if spec.strength >= 1 and self.inpaints:  # the one start that needs no picture as a whole
            noise = self._noise(spec, generator)
            return Start(noise, beside=torch.cat(self._mask(*origin, generator), dim=1))
        clean, noise = self._clean_and_noise(spec, origin[0], generator)
        latents = sampler.noised(clean, noise, 0)
        white, stays = self._mask(*origin, generator)
        if self.inpaints:
            return Start(latents, beside=torch.cat([white, stays], dim=1))
        return Start(latents, Kept(white, clean, noise))

    def _noise(self, spec: RenderSpec, generator: torch.Generator) -> Tensor:
        shape = (1, self.channels, spec.height, spec.width)
        drawn = self.pipeline.prepare_latents(*shape, self.dtype, self.device, generator)
        noise: Tensor = drawn[0]
        return noise

    def _clean_and_noise(
        self, spec: RenderSpec, pixels: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """A picture's latents, which are drawn from what the encoder says of it, and then noise."""
        shape = (1, self.channels, spec.height, spec.width)
        noise, clean = self.pipeline.prepare_latents(
            *shape, self.dtype, self.device, generator, image=pixels, return_image_latents=True
        )
        return clean, noise

    def _mask(
        self, pixels: Tensor, mask: Image.Image, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """The mask, and the latents of what stays: drawn for every model, as diffusers does."""
        height, width = pixels.shape[2:]
        white = self.pipeline.mask_processor.preprocess(mask, height=height, width=width)
        small, stays = self.pipeline.prepare_mask_latents(
            *(white, pixels * (white < 0.5), 1, 1, height, width),
            dtype=self.dtype,
            device=self.device,
            generator=generator,
            do_classifier_free_guidance=False,
        )
        return small, stays

    # --- the loop ----------------------------------------------------------------------------

    def lay(self, wishes: Sequence[Wish], horizon: int) -> Laid:
        names = wishes[0].tensors
        beside = [one.beside for one in wishes if one.beside is not None]
        return Laid(
            tensors={name: torch.cat([one.tensors[name] for one in wishes]) for name in names},
            beside=torch.cat(beside) if beside else None,
            rest={
                "loras": [one.conditioning.loras for one in wishes],
                "controls": self.controls.lay(wishes, horizon),
            },
        )

    def denoise(self, latents: Tensor, moments: Tensor, laid: Laid, at: int) -> Tensor:
        seen = latents if laid.beside is None else torch.cat([latents, laid.beside], dim=1)
        told = {name: self._padded(rows) for name, rows in laid.tensors.items()}
        times, hints = self._padded(moments), laid.rest["controls"]
        self.loras["transformer"].wear(laid.rest["loras"])
        prediction: Tensor = self.transformer(
            hidden_states=self._padded(seen),
            timestep=times,
            encoder_hidden_states=told["texts"],
            pooled_projections=told["pooled"],
            return_dict=False,
            **self.controls.residuals(self._padded(latents), times, hints, at, **told),
        )[0]
        return prediction[: len(latents)]

    def _padded(self, rows: Tensor) -> Tensor:
        return at_least_two(rows) if self.steady else rows

    def estimate(self, latents: Tensor, prediction: Tensor, moments: Sequence[float]) -> Tensor:
        """The model predicts the velocity from picture to noise, so a straight step back arrives.

        Timesteps are sigmas whatever the shift, since they are counted after it.
        """
        known = carried(torch.tensor(moments).to(latents.dtype), latents.device)
        sigmas = known / self.config["num_train_timesteps"]
        return latents - sigmas.view(-1, 1, 1, 1) * prediction

    # --- after -------------------------------------------------------------------------------

    def decode(self, latents: Tensor) -> Tensor:
        scaled = self._padded(latents.to(self.vae.dtype)) / self.vae.config.scaling_factor
        clean = scaled + self.vae.config.shift_factor
        pixels: Tensor = self.vae.decode(clean, return_dict=False)[0][: len(latents)]
        if not bool(pixels.isfinite().all()):
            raise ArithmeticError("the decoder gave pixels that are no numbers")
        bright = (pixels.float() / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1) * 255
        return bright.round().to(torch.uint8).cpu().contiguous()

    @torch.inference_mode()
    def warm(self) -> None:
        known = self.transformer.config
        side = min(known.sample_size // known.patch_size, known.pos_embed_max_size) * self.unit
        plain = RenderSpec("", (WeightedText(""),), "", side, side, 1, 1.0, "", 0, 1, 1)
        told, shape = self.encode(plain), self.latent_shape(plain)
        noise = torch.zeros(shape, dtype=self.dtype, device=self.device)
        beside = noise.new_zeros(1, self.channels + 1, *shape[2:]) if self.inpaints else None
        laid = self.lay([Wish(told.towards, told, True, beside, 0, 1)], 1)
        self.decode(self.denoise(noise, torch.zeros(1, device=self.device), laid, 0))


def _blend(parts: Sequence[Told], shares: Sequence[float]) -> Told:
    if len(parts) == 1:
        return parts[0]
    mixed = {}
    for name in parts[0]:
        rows = [part[name] * share for part, share in zip(parts, shares, strict=True)]
        mixed[name] = torch.stack(rows).sum(0)
    return mixed
