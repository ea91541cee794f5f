"""Stable Diffusion 1.x and 2.x, and every model with their shape: CLIP text, UNet, KL autoencoder."""

import copy
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionPipeline,
)
from torch import Tensor, nn

from farm.engine.adapters.control import Controls
from farm.engine.adapters.embeddings import Embeddings
from farm.engine.adapters.lora import LoraBank
from farm.engine.adapters.references import References
from farm.engine.families import Conditioning, Kept, Laid, Loras, Origin, Start, Wish, drawn_in
from farm.engine.guidance import carried
from farm.engine.samplers import Sampler
from farm.engine.seamless import Around, make_seamless, wrapping
from farm.engine.steady import at_least_two, make_steady
from shared.errors import Fault
from shared.spec import RenderSpec, WeightedText

TEXTS_KEPT = 128
WEARERS = {"unet", "text_encoder"}
SOURCE_CHANNELS = 9  # of an inpainting model: latents, mask, and the source without what is masked


def load(
    folder: Path, *, device: str, dtype: torch.dtype, **components: Any
) -> "StableDiffusion15":
    """From a diffusers folder on this disk, safetensors only; nothing is fetched."""
    pipeline = StableDiffusionPipeline.from_pretrained(
        folder,
        local_files_only=True,
        use_safetensors=True,
        dtype=dtype,
        safety_checker=None,
        requires_safety_checker=False,
        **components,
    )
    return from_pipeline(pipeline.to(device))


def from_pipeline(pipeline: Any) -> "StableDiffusion15":
    return StableDiffusion15(pipeline)


class StableDiffusion15:
    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        name_as_before(pipeline.text_encoder)
        self.unet = pipeline.unet.eval()
        self.vae = pipeline.vae.eval()
        self.config = dict(pipeline.scheduler.config)
        self.dtype: torch.dtype = self.unet.dtype
        self.device: torch.device = self.unet.device
        self.cumulated: Tensor = pipeline.scheduler.alphas_cumprod.cpu()
        self.texts: OrderedDict[tuple[str, int, Loras], Tensor] = OrderedDict()
        self.around = Around.NOT
        self.steady = self.device.type == "cpu"
        if self.steady:
            make_steady(self.unet)
            make_steady(self.vae)
        self.controls = Controls(self.unet)
        self.references = References(self.unet)
        self.loras = {name: LoraBank(self.modules[name]) for name in WEARERS & {*self.modules}}
        self.embeddings = Embeddings(pipeline)

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        parts = {name: getattr(self.pipeline, name) for name in ("unet", "vae", "text_encoder")}
        return {name: part for name, part in parts.items() if part is not None}

    @property
    def distilled(self) -> bool:
        """Guidance is told to the model (LCM): it needs no second row."""
        return self.unet.config.time_cond_proj_dim is not None

    def with_vae(self, vae: Any) -> "StableDiffusion15":
        """The same checkpoint, seeing and showing pictures through another autoencoder."""
        twin = copy.copy(self)
        twin.vae = vae.eval()
        if twin.steady:
            make_steady(twin.vae)
        parts = self.pipeline.components | {"vae": vae}
        twin.pipeline = StableDiffusionPipeline(**parts, requires_safety_checker=False)
        return twin

    def seamless(self) -> "StableDiffusion15":
        """The same checkpoint, seeing and showing pictures whose edges meet."""
        for part in (self.unet, self.vae, *self.controls.nets.values()):
            make_seamless(part)
        twin = copy.copy(self)
        twin.around = Around.ALL
        return twin

    # --- before ------------------------------------------------------------------------------

    def sampler(self, spec: RenderSpec, *, refining: bool = False) -> Sampler:
        if refining:
            raise Fault("bad_spec", "This checkpoint is no refiner.")
        return Sampler.begin(
            spec.sampler, spec.steps, config=self.config, strength=spec.strength, eta=spec.eta
        )

    def latent_shape(self, spec: RenderSpec) -> tuple[int, ...]:
        unit = self.pipeline.vae_scale_factor * 2 ** (len(self.unet.config.block_out_channels) - 1)
        if spec.width % unit or spec.height % unit or not spec.width * spec.height:
            raise Fault("bad_spec", f"Width and height must be multiples of {unit} pixels.")
        scale = self.pipeline.vae_scale_factor
        return 1, self._channels, spec.height // scale, spec.width // scale

    @property
    def _channels(self) -> int:
        channels: int = self.vae.config.latent_channels
        return channels

    def encode(self, spec: RenderSpec) -> Conditioning:
        """Parts of positive weight are blended by their share; the others join the negative prompt.

        One part is exactly what the pipeline encodes, whatever its weight. The size of a negative
        weight does not count: guidance already says how hard to push away. As in diffusers, no
        layer is skipped for the negative prompt.
        """
        wanted = [part for part in spec.texts if part.weight > 0]
        if not wanted:
            raise Fault("bad_spec", "At least one part of the prompt needs a weight above 0.")
        shares = [part.weight / sum(one.weight for one in wanted) for part in wanted]
        parts = [self._encode(part.text, spec, spec.clip_skip) for part in wanted]
        towards = _blend(parts, shares)
        unwanted = [spec.negative, *(part.text for part in spec.texts if part.weight < 0)]
        guided = spec.guidance > 1 and not self.distilled
        against = self._encode(", ".join(filter(None, unwanted)), spec, 0) if guided else None
        return Conditioning(
            {"texts": towards, **self._told(spec)},
            None if against is None else {"texts": against},
            spec.guidance,
            rescale=spec.rescale,
        )

    def _told(self, spec: RenderSpec) -> dict[str, Tensor]:
        if not self.distilled:
            return {}
        width = self.unet.config.time_cond_proj_dim
        told = self.pipeline.get_guidance_scale_embedding(torch.tensor([spec.guidance - 1]), width)
        return {"guidance": told.to(self.device, self.dtype)}

    @torch.inference_mode()
    def _encode(self, text: str, spec: RenderSpec, clip_skip: int) -> Tensor:
        loras = tuple((one.name, one.weight) for one in spec.loras)
        written = self.embeddings.written(text, spec.embeddings)
        key = (written, clip_skip, loras)
        if key in self.texts:
            self.texts.move_to_end(key)
            return self.texts[key]
        self.loras["text_encoder"].wear([loras])
        encoded: Tensor = self.pipeline.encode_prompt(
            written, self.device, 1, False, clip_skip=clip_skip or None
        )[0]
        self.texts[key] = encoded
        if len(self.texts) > TEXTS_KEPT:
            self.texts.popitem(last=False)
        return encoded

    def start(
        self, spec: RenderSpec, sampler: Sampler, generator: torch.Generator, origin: Origin
    ) -> Start:
        if origin.picture is None:
            return Start(self._noise(spec, sampler, generator))
        with wrapping(self.around):
            if origin.mask is None:
                return Start(self._image_to_image(sampler, generator, origin))
            return self._inpaint(spec, sampler, generator, origin)

    def _noise(self, spec: RenderSpec, sampler: Sampler, generator: torch.Generator) -> Tensor:
        pipeline = self._pipeline(StableDiffusionPipeline, sampler)
        if self.unet.config.in_channels == SOURCE_CHANNELS:
            raise Fault("bad_spec", "This checkpoint only redraws parts of a picture.")
        size = (spec.height, spec.width)
        latents: Tensor = pipeline.prepare_latents(
            1, self._channels, *size, drawn_in(self.dtype), self.device, generator
        )
        return latents.to(self.dtype)

    def _image_to_image(
        self, sampler: Sampler, generator: torch.Generator, origin: Origin
    ) -> Tensor:
        pipeline = self._pipeline(StableDiffusionImg2ImgPipeline, sampler)
        picture = pipeline.image_processor.preprocess(origin.picture)
        latents: Tensor = pipeline.prepare_latents(
            picture, sampler.moments[0][None], 1, 1, self.dtype, self.device, generator
        )
        return latents

    def _inpaint(
        self, spec: RenderSpec, sampler: Sampler, generator: torch.Generator, origin: Origin
    ) -> Start:
        pipeline = self._pipeline(StableDiffusionInpaintPipeline, sampler)
        size = {"height": spec.height, "width": spec.width}
        picture = pipeline.image_processor.preprocess(origin.picture, **size).float()
        mask = pipeline.mask_processor.preprocess(origin.mask, **size)
        place = {"dtype": self.dtype, "device": self.device, "generator": generator}
        beside = self.unet.config.in_channels == SOURCE_CHANNELS
        latents, noise, *clean = pipeline.prepare_latents(
            *(1, self._channels, *size.values()),
            **place,
            image=picture,
            timestep=sampler.moments[0][None],
            is_strength_max=spec.strength >= 1,
            return_noise=True,
            return_image_latents=not beside,
        )
        white, masked = pipeline.prepare_mask_latents(
            *(mask, picture * (mask < 0.5), 1, *size.values()),
            **place,
            do_classifier_free_guidance=False,
        )
        if beside:
            return Start(latents, beside=torch.cat([white, masked], dim=1))
        return Start(latents, Kept(white, clean[0], noise))

    def _pipeline(self, kind: Any, sampler: Sampler) -> Any:
        """diffusers' own code for the start, with this job's scheduler."""
        parts = {**self.pipeline.components, "scheduler": sampler.scheduler}
        return kind(**parts, requires_safety_checker=False)

    # --- the loop ----------------------------------------------------------------------------

    def lay(self, wishes: Sequence[Wish], horizon: int) -> Laid:
        tensors = {
            name: torch.cat([wish.tensors[name] for wish in wishes]) for name in wishes[0].tensors
        }
        beside = [wish.beside for wish in wishes if wish.beside is not None]
        return Laid(
            tensors,
            beside=torch.cat(beside) if beside else None,
            rest={
                "loras": [wish.conditioning.loras for wish in wishes],
                "controls": self.controls.lay(wishes, horizon),
                "references": self.references.lay(wishes),
                "around": wishes[0].around,
            },
        )

    def denoise(self, latents: Tensor, moments: Tensor, laid: Laid, at: int) -> Tensor:
        with wrapping(laid.rest["around"]):
            return self._predicted(latents, moments, laid, at)

    def _predicted(self, latents: Tensor, moments: Tensor, laid: Laid, at: int) -> Tensor:
        seen = latents if laid.beside is None else torch.cat([latents, laid.beside], dim=1)
        texts, told = self._padded(laid.tensors["texts"]), laid.tensors.get("guidance")
        times, hints = self._padded(moments), laid.rest["controls"]
        self.loras["unet"].wear(laid.rest["loras"])
        prediction: Tensor = self.unet(
            self._padded(seen),
            times,
            texts,
            timestep_cond=None if told is None else self._padded(told),
            return_dict=False,
            **self.controls.residuals(self._padded(latents), times, hints, at, texts=texts),
            **self.references.kwargs(laid.rest["references"]),
        )[0]
        return prediction[: len(latents)]

    def _padded(self, rows: Tensor) -> Tensor:
        return at_least_two(rows) if self.steady else rows

    def estimate(self, latents: Tensor, prediction: Tensor, moments: Sequence[float]) -> Tensor:
        """From the model's own view (variance preserving), so it is the same for every sampler."""
        kept = carried(self._kept(moments).to(latents.dtype), latents.device)
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
        with wrapping(self.around):
            pixels: Tensor = self.vae.decode(scaled, return_dict=False)[0][: len(latents)]
        if not bool(pixels.isfinite().all()):
            raise ArithmeticError("the decoder gave pixels that are no numbers")
        bright = (pixels.float() / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1) * 255
        return bright.round().to(torch.uint8).cpu().contiguous()

    @torch.inference_mode()
    def warm(self) -> None:
        told = self.encode(_NOTHING)
        side = self.unet.config.sample_size
        noise = torch.zeros(1, self._channels, side, side, dtype=self.dtype, device=self.device)
        extra = self.unet.config.in_channels - self._channels
        beside = noise.new_zeros(1, extra, side, side) if extra else None
        laid = self.lay([Wish(told.towards, told, True, beside, 0, 1)], 1)
        self.decode(self.denoise(noise, torch.zeros(1, device=self.device), laid, 0))


_NOTHING = RenderSpec(
    checkpoint="",
    texts=(WeightedText(""),),
    negative="",
    width=0,
    height=0,
    steps=1,
    guidance=1.0,
    sampler="",
    seed=0,
    images=1,
    scale=1,
)


def name_as_before(encoder: Any) -> None:
    """diffusers skips layers by a name that transformers 5 gave up: the encoder is its own now."""
    if encoder is not None and not hasattr(encoder, "text_model"):
        vars(encoder)["text_model"] = encoder  # not registered: a module must not hold itself


def _blend(texts: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    if len(texts) == 1:
        return texts[0]
    return torch.stack([text * share for text, share in zip(texts, shares, strict=True)]).sum(0)
