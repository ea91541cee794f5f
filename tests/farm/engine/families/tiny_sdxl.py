"""SDXL in a few thousand parameters, random but the same each time: base, refiner, inpainting."""

from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    ControlNetModel,
    EulerDiscreteScheduler,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from farm.postcards import tokenizer

FIRST, SECOND, POOLED = 8, 12, 10  # widths of the two texts, and of the pooled second
TIME = 8
SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "timestep_spacing": "leading",
}


def build(
    *,
    refiner: bool = False,
    channels: int = 4,
    distilled: bool = False,
    dtype: torch.dtype = torch.float32,
    scheduler: dict[str, Any] | None = None,
    vae: dict[str, Any] | None = None,
    **options: Any,
) -> Any:
    """A text-to-image pipeline; `options` are its own, such as force_zeros_for_empty_prompt."""
    kind = StableDiffusionXLImg2ImgPipeline if refiner else StableDiffusionXLPipeline
    if refiner:
        options = {
            "requires_aesthetics_score": True,
            "force_zeros_for_empty_prompt": False,
            **options,
        }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11 + channels + refiner)
        whole = kind(
            vae=_vae(vae or {}),
            text_encoder=None if refiner else CLIPTextModel(_text(FIRST)),
            text_encoder_2=CLIPTextModelWithProjection(_text(SECOND)),
            tokenizer=None if refiner else tokenizer.build(),
            tokenizer_2=tokenizer.build(),
            unet=_unet(refiner=refiner, channels=channels, distilled=distilled),
            scheduler=EulerDiscreteScheduler(**(SCHEDULER | (scheduler or {}))),
            add_watermarker=False,
            **options,
        )
    whole.set_progress_bar_config(disable=True)
    return whole.to(dtype)


def alike(pipeline: Any, kind: Any, **others: Any) -> Any:
    """The same parts but for `others`, as another of diffusers' pipelines."""
    names = ["force_zeros_for_empty_prompt"]
    if kind in (StableDiffusionXLImg2ImgPipeline, StableDiffusionXLInpaintPipeline):
        names.append("requires_aesthetics_score")
    asked = {name: pipeline.config[name] for name in names if name in pipeline.config}
    whole = kind(**(pipeline.components | others), **asked, add_watermarker=False)
    whole.set_progress_bar_config(disable=True)
    return whole


def _unet(*, refiner: bool, channels: int, distilled: bool) -> UNet2DConditionModel:
    numbers = 5 if refiner else 6
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=channels,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        norm_num_groups=4,
        cross_attention_dim=SECOND if refiner else FIRST + SECOND,
        addition_embed_type="text_time",
        addition_time_embed_dim=TIME,
        projection_class_embeddings_input_dim=POOLED + numbers * TIME,
        time_cond_proj_dim=6 if distilled else None,
    )


def _vae(changes: dict[str, Any]) -> AutoencoderKL:
    plain = {
        "block_out_channels": (8, 16, 16),
        "down_block_types": ("DownEncoderBlock2D",) * 3,
        "up_block_types": ("UpDecoderBlock2D",) * 3,
        "layers_per_block": 1,
        "latent_channels": 4,
        "norm_num_groups": 4,
        "sample_size": 64,
        "scaling_factor": 0.13025,
        "force_upcast": True,
    }
    return AutoencoderKL(**(plain | changes))


def _text(width: int) -> CLIPTextConfig:
    vocabulary, _ = tokenizer.tables()
    return CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=width,
        intermediate_size=2 * width,
        projection_dim=POOLED,
        num_hidden_layers=4,
        num_attention_heads=2,
        max_position_embeddings=tokenizer.LENGTH,
        bos_token_id=vocabulary[tokenizer.START_TOKEN],
        eos_token_id=vocabulary[tokenizer.END_TOKEN],
        pad_token_id=vocabulary[tokenizer.END_TOKEN],
    )


def control(unet: Any, seed: int) -> Any:
    """A ControlNet; its last layers, zero before training, would show nothing."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net: Any = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 4, 8))
        ends = [*net.controlnet_down_blocks, net.controlnet_mid_block]
        for layer in [*ends, net.controlnet_cond_embedding.conv_out]:
            torch.nn.init.normal_(layer.weight, std=0.3)
    return net.eval()
