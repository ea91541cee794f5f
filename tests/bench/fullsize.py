"""Published architectures at full size, of random weights, made in the memory where they run.

The numbers are those of the `config.json` files of the repository named beside each. Speed depends
on shapes, not on what was learnt. Texts are encoded once, before anything is timed: their encoders
are small stand-ins of the published widths.
"""

import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import diffusers
import torch
from torch import Tensor, nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

from farm.engine.families import FAMILIES
from farm.engine.memory.pool import Pool
from farm.engine.weights.checkpoints import Loaded
from farm.postcards import tokenizer
from shared.spec import RenderSpec
from tests.bench import sdxl

SCALE = 8  # pixels of one side for one of the latents
SHORT, LONG, T5 = 768, 1280, 4096  # widths of CLIP-L, CLIP-bigG and T5-XXL
Config = Mapping[str, Any]


@dataclass(frozen=True)
class Architecture:
    """`parts` by diffusers' component names: class and configuration. `parameters`: the denoiser's."""

    source: str
    pipeline: str
    denoiser: str
    parameters: int
    parts: Mapping[str, tuple[str, Config]]


KL: Config = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "norm_num_groups": 32,
}
KL_OF_16 = {
    **KL,
    "latent_channels": 16,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
    "sample_size": 1024,
}
BETAS: Config = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}
FLOW = "FlowMatchEulerDiscreteScheduler"

ARCHITECTURES: dict[str, Architecture] = {
    "sd15": Architecture(
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "StableDiffusionPipeline",
        "unet",
        859_520_964,
        {
            "unet": (
                "UNet2DConditionModel",
                {
                    "sample_size": 64,
                    "in_channels": 4,
                    "out_channels": 4,
                    "block_out_channels": (320, 640, 1280, 1280),
                    "layers_per_block": 2,
                    "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
                    "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
                    "attention_head_dim": 8,
                    "cross_attention_dim": SHORT,
                },
            ),
            "vae": ("AutoencoderKL", {**KL, "scaling_factor": 0.18215, "sample_size": 512}),
            "scheduler": ("PNDMScheduler", {**BETAS, "skip_prk_steps": True}),
        },
    ),
    "sdxl": Architecture(
        "stabilityai/stable-diffusion-xl-base-1.0",
        "StableDiffusionXLPipeline",
        "unet",
        2_567_463_684,
        {
            "unet": (
                "UNet2DConditionModel",
                {
                    "sample_size": 128,
                    "in_channels": 4,
                    "out_channels": 4,
                    "block_out_channels": (320, 640, 1280),
                    "layers_per_block": 2,
                    "down_block_types": ("DownBlock2D", *("CrossAttnDownBlock2D",) * 2),
                    "up_block_types": (*("CrossAttnUpBlock2D",) * 2, "UpBlock2D"),
                    "transformer_layers_per_block": (1, 2, 10),
                    "attention_head_dim": (5, 10, 20),
                    "use_linear_projection": True,
                    "addition_embed_type": "text_time",
                    "addition_time_embed_dim": 256,
                    "projection_class_embeddings_input_dim": LONG + 6 * 256,
                    "cross_attention_dim": SHORT + LONG,
                },
            ),
            "vae": ("AutoencoderKL", {**KL, "scaling_factor": 0.13025, "sample_size": 1024}),
            "scheduler": ("EulerDiscreteScheduler", {**BETAS, "timestep_spacing": "leading"}),
        },
    ),
    "sd3": Architecture(
        "stabilityai/stable-diffusion-3-medium-diffusers",
        "StableDiffusion3Pipeline",
        "transformer",
        2_028_328_000,
        {
            "transformer": (
                "SD3Transformer2DModel",
                {
                    "sample_size": 128,
                    "patch_size": 2,
                    "in_channels": 16,
                    "out_channels": 16,
                    "num_layers": 24,
                    "attention_head_dim": 64,
                    "num_attention_heads": 24,
                    "joint_attention_dim": T5,
                    "caption_projection_dim": 1536,
                    "pooled_projection_dim": SHORT + LONG,
                    "pos_embed_max_size": 192,
                },
            ),
            "vae": (
                "AutoencoderKL",
                {**KL_OF_16, "scaling_factor": 1.5305, "shift_factor": 0.0609},
            ),
            "scheduler": (FLOW, {"shift": 3.0}),
        },
    ),
    "flux": Architecture(
        "black-forest-labs/FLUX.1-dev",
        "FluxPipeline",
        "transformer",
        11_901_408_320,
        {
            "transformer": (
                "FluxTransformer2DModel",
                {
                    "patch_size": 1,
                    "in_channels": 64,
                    "num_layers": 19,
                    "num_single_layers": 38,
                    "attention_head_dim": 128,
                    "num_attention_heads": 24,
                    "joint_attention_dim": T5,
                    "pooled_projection_dim": SHORT,
                    "guidance_embeds": True,
                    "axes_dims_rope": (16, 56, 56),
                },
            ),
            "vae": (
                "AutoencoderKL",
                {**KL_OF_16, "scaling_factor": 0.3611, "shift_factor": 0.1159},
            ),
            "scheduler": (
                FLOW,
                {
                    "use_dynamic_shifting": True,
                    "base_image_seq_len": 256,
                    "max_image_seq_len": 4096,
                    "base_shift": 0.5,
                    "max_shift": 1.15,
                    "shift": 3.0,
                },
            ),
        },
    ),
}


@dataclass(frozen=True)
class Place:
    """The model as ours and as diffusers', with the texts encoded."""

    family: Any
    pipeline: Any
    pool: Pool

    def texts(self, spec: RenderSpec) -> dict[str, Tensor]:
        """In the words of diffusers' pipelines."""
        told = self.family.encode(replace(spec, guidance=5.0))
        names = {"texts": "prompt_embeds", "pooled": "pooled_prompt_embeds"}
        words = {names[name]: one for name, one in told.towards.items() if name in names}
        against = {name: one for name, one in (told.against or {}).items() if name in names}
        return words | {f"negative_{names[name]}": one for name, one in against.items()}


def place(name: str, *, device: str, dtype: torch.dtype) -> Place:
    kind = ARCHITECTURES[name]
    torch.manual_seed(0)
    parts = {
        part: _part(title, config, device=device, dtype=dtype)
        for part, (title, config) in kind.parts.items()
    }
    parts |= {part: _ready(one, device, dtype) for part, one in WORDS[name]().items()}
    pipeline = getattr(diffusers, kind.pipeline)(**parts, **EXTRAS.get(name, {}))
    pipeline.set_progress_bar_config(disable=True)
    family = import_module(FAMILIES[name]).from_pipeline(pipeline)
    return Place(family, pipeline, _pool(name, family, device))


def _pool(name: str, family: Any, device: str) -> Pool:
    loaded = Loaded(sdxl.NAME, name, family, bytes=0, dtype=family.dtype)
    return sdxl.OneModel(loaded, device=device)


def outline(name: str) -> nn.Module:
    """The denoiser's shape without its memory."""
    kind = ARCHITECTURES[name]
    with torch.device("meta"):
        return getattr(diffusers, kind.parts[kind.denoiser][0])(**kind.parts[kind.denoiser][1])


def _part(title: str, config: Config, *, device: str, dtype: torch.dtype) -> Any:
    kind = getattr(diffusers, title)
    if title.endswith("Scheduler"):
        return kind(**config)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)  # never twice as large, not even for a moment
    try:
        with torch.device(device):
            made = kind(**config)
    finally:
        torch.set_default_dtype(before)
    return _ready(made, device, dtype)


def _ready(part: Any, device: str, dtype: torch.dtype) -> Any:
    if not isinstance(part, nn.Module):
        return part
    return part.to(device, dtype).eval().requires_grad_(False)


# --- stand-ins that read -------------------------------------------------------------------------


def _of_sd15() -> dict[str, Any]:
    return {"text_encoder": CLIPTextModel(_clip(SHORT)), "tokenizer": tokenizer.build()}


def _of_sdxl() -> dict[str, Any]:
    second = CLIPTextModelWithProjection(_clip(LONG))
    return _of_sd15() | {"text_encoder_2": second, "tokenizer_2": tokenizer.build()}


def _of_sd3() -> dict[str, Any]:
    encoders = {
        "text_encoder": CLIPTextModelWithProjection(_clip(SHORT)),
        "text_encoder_2": CLIPTextModelWithProjection(_clip(LONG)),
        "text_encoder_3": T5EncoderModel(_t5()),
    }
    readers = {"tokenizer": tokenizer.build(), "tokenizer_2": tokenizer.build()}
    return encoders | readers | {"tokenizer_3": _t5_tokenizer()}


def _of_flux() -> dict[str, Any]:
    return _of_sd15() | {"text_encoder_2": T5EncoderModel(_t5()), "tokenizer_2": _t5_tokenizer()}


WORDS: dict[str, Callable[[], dict[str, Any]]] = {
    "sd15": _of_sd15,
    "sdxl": _of_sdxl,
    "sd3": _of_sd3,
    "flux": _of_flux,
}
EXTRAS: dict[str, dict[str, Any]] = {
    "sd15": {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False},
    "sdxl": {"force_zeros_for_empty_prompt": True, "add_watermarker": False},
}


def _clip(width: int) -> CLIPTextConfig:
    vocabulary, _ = tokenizer.tables()
    return CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=width,
        intermediate_size=64,
        projection_dim=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=tokenizer.LENGTH,
        bos_token_id=vocabulary[tokenizer.START_TOKEN],
        eos_token_id=vocabulary[tokenizer.END_TOKEN],
        pad_token_id=vocabulary[tokenizer.END_TOKEN],
    )


def _t5() -> T5Config:
    return T5Config(
        vocab_size=len(_letters()), d_model=T5, d_kv=16, d_ff=64, num_layers=1, num_heads=2
    )


def _t5_tokenizer() -> T5TokenizerFast:
    return T5TokenizerFast(vocab=_letters(), extra_ids=0)


def _letters() -> list[tuple[str, float]]:
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    return special + [(letter, -2.0) for letter in "▁" + string.ascii_lowercase]
