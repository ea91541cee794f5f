"""Stable Diffusion 1.5 in a few thousand parameters, random but the same each time."""

from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel

from farm.postcards import tokenizer

WIDTH = 16
SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "clip_sample": False,
}


def build(*, channels: int = 4, distilled: bool = False, dtype: torch.dtype = torch.float32) -> Any:
    """Epsilon prediction; nine `channels` for inpainting; a `distilled` one is told its guidance."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11 + channels)
        pipeline = StableDiffusionPipeline(
            vae=_vae(),
            text_encoder=CLIPTextModel(_text()),
            tokenizer=tokenizer.build(),
            unet=_unet(channels, distilled),
            scheduler=DDIMScheduler(**SCHEDULER),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to(dtype)


def _unet(channels: int, distilled: bool) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=channels,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
        norm_num_groups=4,
        cross_attention_dim=WIDTH,
        time_cond_proj_dim=6 if distilled else None,
    )


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=64,
    )


def _text() -> CLIPTextConfig:
    vocabulary, _ = tokenizer.tables()
    return CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        projection_dim=WIDTH,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=tokenizer.LENGTH,
        bos_token_id=vocabulary[tokenizer.START_TOKEN],
        eos_token_id=vocabulary[tokenizer.END_TOKEN],
        pad_token_id=vocabulary[tokenizer.END_TOKEN],
    )
