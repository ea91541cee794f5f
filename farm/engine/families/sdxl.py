"""Stable Diffusion XL, its refiner and its inpainting models: two CLIP texts, size conditioning."""

import copy
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionXLImg2ImgPipeline
from diffusers.image_processor import VaeImageProcessor
from torch import Tensor, nn
from torch.nn.functional import interpolate

from farm.engine.adapters.control import Controls
from farm.engine.adapters.embeddings import Embeddings
from farm.engine.adapters.lora import LoraBank
from farm.engine.adapters.references import References
from farm.engine.autoencoder import Autoencoder
from farm.engine.families import Conditioning, Kept, Laid, Loras, Origin, Start, Wish, drawn_in
from farm.engine.guidance import carried
from farm.engine.samplers import Sampler
from farm.engine.seamless import Around, make_seamless, wrapping
from farm.engine.steady import at_least_two, make_steady
from shared.errors import Fault
from shared.spec import RenderKind, RenderSpec, SizeHint, WeightedText

TEXTS_KEPT = 128
AESTHETIC, UNAESTHETIC = 6.0, 2.5  # what a refiner is told of the picture wanted and of the other
ASKED = ("requires_aesthetics_score", "force_zeros_for_empty_prompt")
MASKED = 9  # channels that an inpainting model sees: latents, mask, latents of what stays
WEARERS = {"unet", "text_encoder", "text_encoder_2"}

Told = dict[str, Tensor]


def load(
    folder: Path, *, device: str, dtype: torch.dtype, **components: Any
) -> "StableDiffusionXL":
    """From a diffusers folder on this disk, safetensors only; nothing is fetched."""
    pipeline = StableDiffusionXLImg2ImgPipeline.from_pretrained(
        folder,
        local_files_only=True,
        use_safetensors=True,
        dtype=dtype,
        add_watermarker=False,
        **components,
    )
    return StableDiffusionXL(pipeline.to(device))


def from_pipeline(pipeline: Any) -> "StableDiffusionXL":
    """Any of diffusers' SDXL pipelines: the parts are shared with it."""
    asked = {name: pipeline.config[name] for name in ASKED if name in pipeline.config}
    parts = pipeline.components | asked
    return StableDiffusionXL(StableDiffusionXLImg2ImgPipeline(**parts, add_watermarker=False))


class StableDiffusionXL:
    """The image-to-image pipeline knows all that the others do: texts, sizes, pictures as latents."""

    def __init__(self, pipeline: Any) -> None:
        self.pipeline = pipeline
        self.unet = pipeline.unet.eval()
        self.dtype: torch.dtype = self.unet.dtype
        self.device: torch.device = self.unet.device
        self.autoencoder = Autoencoder(pipeline.vae, self.dtype)
        self.vae = self.autoencoder.vae
        if self.unet.config.in_channels not in (self.vae.config.latent_channels, MASKED):
            raise Fault("weights_unfit", "This model asks for more than latents and a mask.")
        self.config = dict(pipeline.scheduler.config)
        self.cumulated: Tensor = pipeline.scheduler.alphas_cumprod.cpu()
        self.texts: OrderedDict[tuple[str, int, Loras], Told] = OrderedDict()
        self.masks = VaeImageProcessor(
            pipeline.vae_scale_factor,
            do_normalize=False,
            do_binarize=True,
            do_convert_grayscale=True,
        )
        self.around = Around.NOT
        self.steady = self.device.type == "cpu"
        if self.steady:
            make_steady(self.unet)
        self.controls = Controls(self.unet)
        self.references = References(self.unet)
        self.embeddings = Embeddings(pipeline)
        self.loras = {name: LoraBank(self.modules[name]) for name in WEARERS & {*self.modules}}

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        names = ("unet", "text_encoder", "text_encoder_2")
        found = {name: getattr(self.pipeline, name) for name in names} | {"vae": self.vae}
        if self.autoencoder.encoder is not self.vae:
            found["vae_encoder"] = self.autoencoder.encoder
        return {name: module for name, module in found.items() if module is not None}

    def with_vae(self, vae: Any) -> "StableDiffusionXL":
        """The same checkpoint, seeing and showing pictures through another autoencoder."""
        twin = copy.copy(self)
        twin.autoencoder = Autoencoder(vae, self.dtype)
        twin.vae = twin.autoencoder.vae
        return twin

    def seamless(self) -> "StableDiffusionXL":
        """The same checkpoint, seeing and showing pictures whose edges meet."""
        eye = self.autoencoder
        for part in (self.unet, eye.vae, eye.encoder, *self.controls.nets.values()):
            make_seamless(part)
        twin = copy.copy(self)
        twin.around = Around.ALL
        return twin

    # --- before ------------------------------------------------------------------------------

    def sampler(self, spec: RenderSpec, *, refining: bool = False) -> Sampler:
        """With a refiner the base stops where it begins; `refining` asks for the refiner's part."""
        share = spec.refiner.at if spec.refiner else None
        return Sampler.begin(
            spec.sampler,
            spec.steps,
            config=self.config,
            strength=1.0 if spec.kind is RenderKind.TEXT else spec.strength,
            eta=spec.eta,
            start=share if refining else None,
            end=None if refining else share,
        )

    def latent_shape(self, spec: RenderSpec) -> tuple[int, ...]:
        scale: int = self.pipeline.vae_scale_factor
        unit = scale * 2 ** (len(self.unet.config.block_out_channels) - 1)
        if spec.width % unit or spec.height % unit or min(spec.width, spec.height) <= 0:
            raise Fault("bad_spec", f"Width and height must be multiples of {unit} pixels.")
        return 1, self.vae.config.latent_channels, spec.height // scale, spec.width // scale

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
        shares = [part.weight / sum(one.weight for one in wanted) for part in wanted]
        parts = [self._encode(part.text, spec, spec.clip_skip) for part in wanted]
        unwanted = [spec.negative, *(part.text for part in spec.texts if part.weight < 0)]
        size, unsized = self._sizes(spec)
        extra = self._guidance(spec.guidance)
        guided = spec.guidance > 1 and not extra
        against = self._against(", ".join(filter(None, unwanted)), spec) if guided else None
        return Conditioning(
            towards={**_blend(parts, shares), "size": size, **extra},
            against=None if against is None else {**against, "size": unsized},
            guidance=spec.guidance,
            rescale=spec.rescale,
        )

    def _check_clip_skip(self, skipped: int) -> None:
        encoders = (self.pipeline.text_encoder, self.pipeline.text_encoder_2)
        layers = min(one.config.num_hidden_layers for one in encoders if one is not None)
        if not 0 <= skipped < layers:
            raise Fault("bad_spec", f"clip_skip must be 0 to {layers - 1} for this model.")

    def _against(self, text: str, spec: RenderSpec) -> Told:
        told = self._encode(text, spec, 0)
        if text or not self.pipeline.config.force_zeros_for_empty_prompt:
            return told
        return {name: torch.zeros_like(tensor) for name, tensor in told.items()}

    @torch.inference_mode()
    def _encode(self, text: str, spec: RenderSpec, skipped: int) -> Told:
        loras = tuple((one.name, one.weight) for one in spec.loras)
        written = self.embeddings.written(text, spec.embeddings)
        key = (written, skipped, loras)
        if key in self.texts:
            self.texts.move_to_end(key)
            return self.texts[key]
        for name in self.loras.keys() - {"unet"}:
            self.loras[name].wear([loras])
        texts, _, pooled, _ = self.pipeline.encode_prompt(
            written, device=self.device, do_classifier_free_guidance=False, clip_skip=skipped
        )
        self.texts[key] = {"texts": texts, "pooled": pooled}
        if len(self.texts) > TEXTS_KEPT:
            self.texts.popitem(last=False)
        return self.texts[key]

    def _sizes(self, spec: RenderSpec) -> tuple[Tensor, Tensor]:
        """What the rows towards and against are told of sizes in pixels, (1, 6); a refiner's, (1, 5)."""
        target = (spec.height, spec.width)
        hint = spec.size_hint or SizeHint(target)
        wanted = (hint.original, hint.crop, target, AESTHETIC)
        unwanted = (UNAESTHETIC, hint.original, (0, 0), target)
        encoder = self.pipeline.text_encoder_2
        towards, against = self.pipeline._get_add_time_ids(
            *wanted,
            *unwanted,
            dtype=encoder.dtype,
            text_encoder_projection_dim=encoder.config.projection_dim,
        )
        return towards.to(self.device), against.to(self.device)

    def _guidance(self, scale: float) -> Told:
        """A distilled model is told how strong guidance shall be, and needs no second row."""
        width = self.unet.config.time_cond_proj_dim
        if width is None:
            return {}
        told = self.pipeline.get_guidance_scale_embedding(
            torch.tensor([scale - 1]), embedding_dim=width
        )
        return {"guidance": told.to(self.device, self.dtype)}

    # --- the start ---------------------------------------------------------------------------

    @torch.inference_mode()
    def start(
        self, spec: RenderSpec, sampler: Sampler, generator: torch.Generator, origin: Origin
    ) -> Start:
        shape = self.latent_shape(spec)
        if origin.picture is not None and origin.mask is not None:
            return self._masked_start(spec, sampler, generator, origin)
        if self._inpaints:
            raise Fault("bad_spec", "An inpainting model needs a picture and a mask.")
        if origin.picture is None:
            return Start(self._noise(shape, generator) * sampler.start_scale)
        clean = self._clean(self.pipeline.image_processor.preprocess(origin.picture), generator)
        return Start(sampler.noised(clean, self._noise(shape, generator), 0))

    def _masked_start(
        self, spec: RenderSpec, sampler: Sampler, generator: torch.Generator, origin: Origin
    ) -> Start:
        """Draws as StableDiffusionXLInpaintPipeline: the source, the noise, then what stays of it."""
        shape, anew, nine = self.latent_shape(spec), spec.strength == 1, self._inpaints
        pixels = self.pipeline.image_processor.preprocess(origin.picture)
        mask = self.masks.preprocess(origin.mask)
        clean = None if nine and anew else self._clean(pixels, generator)
        noise = self._noise(shape, generator)
        mixed = None if clean is None or anew else sampler.noised(clean, noise, 0)
        begun = noise * sampler.start_scale if mixed is None else mixed
        small = interpolate(mask, size=shape[2:]).to(self.device, self.dtype)
        if nine or clean is None:
            stays = self._clean(pixels * (mask < 0.5), generator)
            return Start(begun, beside=torch.cat([small, stays], dim=1))
        # diffusers encodes what stays here too, for nothing: only the generator has to follow.
        self.autoencoder.noise(shape, generator)
        return Start(begun, kept=Kept(small, clean, noise))

    @property
    def _inpaints(self) -> bool:
        return bool(self.unet.config.in_channels == MASKED)

    def _noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        noise = torch.randn(shape, generator=generator, dtype=drawn_in(self.dtype))
        return noise.to(self.device, self.dtype)

    def _clean(self, pixels: Tensor, generator: torch.Generator) -> Tensor:
        with wrapping(self.around):
            return self.autoencoder.encode(pixels.to(self.device), generator)

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
                "references": self.references.lay(wishes),
                "around": wishes[0].around,
            },
        )

    def denoise(self, latents: Tensor, moments: Tensor, laid: Laid, at: int) -> Tensor:
        with wrapping(laid.rest["around"]):
            return self._predicted(latents, moments, laid, at)

    def _predicted(self, latents: Tensor, moments: Tensor, laid: Laid, at: int) -> Tensor:
        seen = latents if laid.beside is None else torch.cat([latents, laid.beside], dim=1)
        told = {name: self._padded(rows) for name, rows in laid.tensors.items()}
        rows, times, texts = self._padded(latents), self._padded(moments), told["texts"]
        added = {"text_embeds": told["pooled"], "time_ids": told["size"]}
        hints = laid.rest["controls"]
        self.loras["unet"].wear(laid.rest["loras"])
        prediction: Tensor = self.unet(
            self._padded(seen),
            times,
            encoder_hidden_states=texts,
            timestep_cond=told.get("guidance"),
            added_cond_kwargs=added,
            return_dict=False,
            **self.controls.residuals(rows, times, hints, at, texts=texts, added=added),
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
        with wrapping(self.around):
            return self.autoencoder.decode(latents)

    @torch.inference_mode()
    def warm(self) -> None:
        side = self.unet.config.sample_size * self.pipeline.vae_scale_factor
        plain = RenderSpec("", (WeightedText(""),), "", side, side, 1, 1.0, "", 0, 1, 1)
        told = self.encode(plain)
        shape = self.latent_shape(plain)
        noise = torch.zeros(shape, dtype=self.dtype, device=self.device)
        beside = noise.new_zeros(1, 5, *shape[2:]) if self._inpaints else None
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
