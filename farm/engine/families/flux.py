"""Flux.1: CLIP and T5 text, a transformer over packed latents, KL autoencoder.

Three kinds of checkpoint have this shape. dev embeds guidance in the model; schnell has none; one
that was trained back (`true_cfg`) is guided by a second row. Only the last heeds a negative prompt.

Latents are diffusers' packed ones, with their tokens left in the picture's rows and columns:
(1, height / 16, width / 16, 4 channels). A wide and a tall picture of equally many tokens are so of
unlike shapes and never meet in one forward, and a shape alone tells how to unpack it.
"""

import copy
import logging
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import FluxInpaintPipeline, FluxPipeline
from diffusers.pipelines.flux.pipeline_flux import calculate_shift
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import interpolate

from farm.engine.adapters.lora import LoraBank
from farm.engine.families import Conditioning, Kept, Laid, Loras, Origin, Start, Wish, drawn_in
from farm.engine.guidance import carried
from farm.engine.samplers import FLOW_NAMES, RECIPES, Sampler
from farm.engine.steady import at_least_two, make_steady
from shared.errors import Fault
from shared.spec import RenderKind, RenderSpec, WeightedText

log = logging.getLogger(__name__)

TEXTS_KEPT = 32  # of 4 MB each
LONG, SHORT = 512, 256  # tokens that T5 reads for dev, and for schnell
WEARERS = ("transformer", "text_encoder")  # LoRAs for T5 there are none

Text = dict[str, Tensor]


def load(
    folder: Path,
    *,
    device: str,
    dtype: torch.dtype,
    true_cfg: bool = False,
    text_length: int | None = None,
    **components: Any,
) -> "Flux":
    """From a diffusers folder on this disk, safetensors only; nothing is fetched."""
    pipeline = FluxPipeline.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, dtype=dtype, **components
    )
    return from_pipeline(pipeline.to(device), true_cfg=true_cfg, text_length=text_length)


def from_pipeline(
    pipeline: Any, *, true_cfg: bool = False, text_length: int | None = None
) -> "Flux":
    """Every row of a checkpoint has `text_length` tokens of T5, so that they may share a forward."""
    return Flux(pipeline, true_cfg=true_cfg, text_length=text_length)


class Flux:
    def __init__(self, pipeline: Any, *, true_cfg: bool, text_length: int | None) -> None:
        self.pipeline = pipeline
        self.inpainting = FluxInpaintPipeline(**pipeline.components)
        self.transformer = pipeline.transformer
        self.vae = pipeline.vae
        self.config = dict(pipeline.scheduler.config)
        self.dtype: torch.dtype = self.transformer.dtype
        self.device: torch.device = self.transformer.device
        self.embedded: bool = self.transformer.config.guidance_embeds
        self.true_cfg = true_cfg
        self.text_length = text_length or (LONG if self.embedded or true_cfg else SHORT)
        self.channels: int = self.transformer.config.in_channels // 4
        self.unit: int = pipeline.vae_scale_factor * 2
        self.texts: OrderedDict[tuple[str, Loras], Text] = OrderedDict()
        self.places: dict[tuple[int, int], Tensor] = {}
        self._check()
        for module in self.modules.values():
            module.eval()
        self.steady = self.device.type == "cpu"
        if self.steady:
            make_steady(self.transformer)
        self.loras = {name: LoraBank(self.modules[name]) for name in WEARERS}

    def _check(self) -> None:
        if self.true_cfg and self.embedded:
            raise Fault("weights_unfit", "A Flux that embeds guidance would be guided twice.")
        if self.channels != self.vae.config.latent_channels:
            raise Fault("weights_unfit", "This Flux wants channels beside the latents.")

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        names = ("transformer", "vae", "text_encoder", "text_encoder_2")
        return {name: getattr(self.pipeline, name) for name in names}

    def tile(self, on: bool) -> None:
        """Decode piece by piece: a fraction of the memory, and seams that are blended."""
        self.vae.enable_tiling() if on else self.vae.disable_tiling()

    def with_vae(self, vae: Any) -> "Flux":
        """The same checkpoint, seeing and showing pictures through another autoencoder."""
        twin = copy.copy(self)
        twin.vae = vae.eval()
        twin.pipeline = FluxPipeline(**self.pipeline.components | {"vae": vae})
        twin.inpainting = FluxInpaintPipeline(**twin.pipeline.components)
        return twin

    def seamless(self) -> "Flux":
        raise Fault("bad_spec", "A transformer knows each place by name: its edges cannot meet.")

    # --- before ------------------------------------------------------------------------------

    def sampler(self, spec: RenderSpec, *, refining: bool = False) -> Sampler:
        """On the pipeline's own sigmas; a larger picture is noisy for longer, where the model asks."""
        if refining:
            raise Fault("bad_spec", "A Flux checkpoint cannot refine another's picture.")
        if spec.sampler not in FLOW_NAMES:
            raise Fault("bad_spec", f"Sampler {spec.sampler} is not made for flow matching.")
        strength = 1.0 if spec.kind is RenderKind.TEXT else spec.strength
        rest = self._sigmas(spec) | self._shift(spec)
        return Sampler.begin(
            spec.sampler, spec.steps, config=self.config, strength=strength, **rest
        )

    def _sigmas(self, spec: RenderSpec) -> dict[str, Any]:
        """Classes made for other models than flows have sigmas of their own for these."""
        if dict(RECIPES[spec.sampler].overrides).get("use_flow_sigmas", False):
            return {}
        return {"sigmas": np.linspace(1.0, 1 / spec.steps, spec.steps)}

    def _shift(self, spec: RenderSpec) -> dict[str, Any]:
        known = self.config.get
        if not known("use_dynamic_shifting", False):
            return {}
        _, height, width, _ = self.latent_shape(spec)
        sizes = known("base_image_seq_len", 256), known("max_image_seq_len", 4096)
        shifts = known("base_shift", 0.5), known("max_shift", 1.15)
        return {"mu": float(calculate_shift(height * width, *sizes, *shifts))}

    def latent_shape(self, spec: RenderSpec) -> tuple[int, ...]:
        unit = self.unit
        if spec.width % unit or spec.height % unit or min(spec.width, spec.height) < unit:
            raise Fault("bad_spec", f"Width and height must be multiples of {unit} pixels.")
        return 1, spec.height // unit, spec.width // unit, 4 * self.channels

    def encode(self, spec: RenderSpec) -> Conditioning:
        """Parts of positive weight are blended by their share; the others join the negative prompt.

        A distilled checkpoint knows no negative prompt, so there it is left out: the picture is
        drawn all the same, and the log says so.
        """
        wanted = [part for part in spec.texts if part.weight > 0]
        if not wanted:
            raise Fault("bad_spec", "At least one part of the prompt needs a weight above 0.")
        loras = tuple((one.name, one.weight) for one in spec.loras)
        shares = [part.weight / sum(one.weight for one in wanted) for part in wanted]
        towards = _blend([self._encode(part.text, loras) for part in wanted], shares)
        if self.embedded:
            guidance = torch.full((1,), spec.guidance, device=self.device, dtype=torch.float32)
            towards = towards | {"guidance": guidance}
        against = self._encode_against(spec, loras)
        return Conditioning(towards, against, spec.guidance, rescale=spec.rescale, loras=loras)

    def _encode_against(self, spec: RenderSpec, loras: Loras) -> Text | None:
        unwanted = [spec.negative, *(part.text for part in spec.texts if part.weight < 0)]
        text = ", ".join(filter(None, unwanted))
        if self.true_cfg and spec.guidance > 1:
            return self._encode(text, loras)
        if text:
            log.info("%s has no second row: its negative prompt is ignored.", spec.checkpoint)
        return None

    @torch.inference_mode()
    def _encode(self, text: str, loras: Loras) -> Text:
        key = (text, loras)
        if key in self.texts:
            self.texts.move_to_end(key)
            return self.texts[key]
        self.loras["text_encoder"].wear([loras])
        texts, pooled, _ = self.pipeline.encode_prompt(
            text, device=self.device, max_sequence_length=self.text_length
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
        self._places(*self.latent_shape(spec)[1:3])  # made here, so that the loop need not wait
        if origin.picture is None:
            return Start(self._noise(spec, generator))
        clean = self._clean(spec, origin.picture, generator)
        noise = self._noise(spec, generator)
        latents = sampler.noised(clean, noise, 0)
        if origin.mask is None:
            return Start(latents)
        self._noise(spec, generator)  # the pipeline draws the masked picture too, and never looks
        return Start(latents, Kept(self._mask(spec, origin.mask), clean, noise))

    def _noise(self, spec: RenderSpec, generator: torch.Generator) -> Tensor:
        packed: Tensor = self.pipeline.prepare_latents(
            *(1, self.channels, spec.height, spec.width),
            dtype=drawn_in(self.dtype),
            device=self.device,
            generator=generator,
        )[0]
        return packed.to(self.dtype).unflatten(1, self.latent_shape(spec)[1:3])

    def _clean(self, spec: RenderSpec, picture: Image.Image, generator: torch.Generator) -> Tensor:
        """A picture's latents, drawn from what the encoder knows of it."""
        size = {"height": spec.height, "width": spec.width}
        pixels = self.inpainting.image_processor.preprocess(picture, **size)
        known = self.vae.encode(pixels.to(self.device, self.vae.dtype)).latent_dist
        mean, deviation = (self._packed(rows.to(self.dtype)) for rows in (known.mean, known.std))
        drawn = mean + deviation * self._noise(spec, generator)
        return (drawn - self.vae.config.shift_factor) * self.vae.config.scaling_factor

    def _mask(self, spec: RenderSpec, mask: Image.Image) -> Tensor:
        size = {"height": spec.height, "width": spec.width}
        white = self.inpainting.mask_processor.preprocess(mask, **size)
        scale = self.pipeline.vae_scale_factor
        small = interpolate(white, size=(spec.height // scale, spec.width // scale))
        return self._packed(small.expand(-1, self.channels, -1, -1).to(self.device, self.dtype))

    def _unpacked(self, latents: Tensor) -> Tensor:
        height, width = (side * self.unit for side in latents.shape[1:3])
        scale = self.pipeline.vae_scale_factor
        rows: Tensor = self.pipeline._unpack_latents(latents.flatten(1, 2), height, width, scale)
        return rows

    def _packed(self, rows: Tensor) -> Tensor:
        count, channels, height, width = rows.shape
        rows = rows.contiguous()
        packed: Tensor = self.pipeline._pack_latents(rows, count, channels, height, width)
        return packed.unflatten(1, (height // 2, width // 2))

    # --- the loop ----------------------------------------------------------------------------

    def lay(self, wishes: Sequence[Wish], horizon: int) -> Laid:
        names = wishes[0].tensors
        return Laid(
            tensors={name: torch.cat([wish.tensors[name] for wish in wishes]) for name in names},
            rest={"loras": [wish.conditioning.loras for wish in wishes]},
        )

    def denoise(self, latents: Tensor, moments: Tensor, laid: Laid, at: int) -> Tensor:
        size, told = (latents.shape[1], latents.shape[2]), laid.tensors
        self.loras["transformer"].wear(laid.rest["loras"])
        prediction: Tensor = self.transformer(
            hidden_states=latents.flatten(1, 2),
            timestep=moments.to(latents.dtype) / 1000,
            guidance=told.get("guidance"),
            pooled_projections=told["pooled"],
            encoder_hidden_states=told["texts"],
            txt_ids=self._places(0, 0),
            img_ids=self._places(*size),
            return_dict=False,
        )[0]
        return prediction.unflatten(1, size)

    def _places(self, height: int, width: int) -> Tensor:
        """Row and column of each token, (tokens, 3); 0 by 0 for the text's, which have none."""
        if (height, width) not in self.places:
            self.places[height, width] = (
                self.pipeline._prepare_latent_image_ids(
                    1, height, width, self.device, torch.float32
                )
                if height
                else torch.zeros(self.text_length, 3, device=self.device)
            )
        return self.places[height, width]

    def estimate(self, latents: Tensor, prediction: Tensor, moments: Sequence[float]) -> Tensor:
        """The model predicts the velocity from picture to noise, so a straight step back arrives."""
        known = carried(torch.tensor(moments).to(latents.dtype), latents.device)
        sigmas = known / self.config["num_train_timesteps"]
        return latents - sigmas.view(-1, 1, 1, 1) * prediction

    # --- after -------------------------------------------------------------------------------

    def decode(self, latents: Tensor) -> Tensor:
        unpacked = self._unpacked(latents.to(self.vae.dtype))
        scaled = unpacked / self.vae.config.scaling_factor + self.vae.config.shift_factor
        rows = at_least_two(scaled) if self.steady else scaled
        pixels: Tensor = self.vae.decode(rows, return_dict=False)[0][: len(latents)]
        if not bool(pixels.isfinite().all()):
            raise ArithmeticError("the decoder gave pixels that are no numbers")
        bright = (pixels.float() / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1) * 255
        return bright.round().to(torch.uint8).cpu().contiguous()

    @torch.inference_mode()
    def warm(self) -> None:
        """On 16 x 16 tokens."""
        side = 16 * self.unit
        plain = RenderSpec("", (WeightedText(""),), "", side, side, 1, 1.0, "", 0, 1, 1)
        told, shape = self.encode(plain), self.latent_shape(plain)
        noise = torch.zeros(shape, dtype=self.dtype, device=self.device)
        laid = self.lay([Wish(told.towards, told, True, None, 0, 1)], 1)
        self.decode(self.denoise(noise, torch.zeros(1, device=self.device), laid, 0))


def _blend(texts: Sequence[Text], shares: Sequence[float]) -> Text:
    if len(texts) == 1:
        return texts[0]
    return {name: _mixed([text[name] for text in texts], shares) for name in texts[0]}


def _mixed(rows: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    return torch.stack([row * share for row, share in zip(rows, shares, strict=True)]).sum(0)
