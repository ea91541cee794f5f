"""A tiny SDXL of random weights, large enough to be worth measuring, and a pool that holds it."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from farm.engine.families import sdxl
from farm.engine.memory.pool import Pool
from farm.engine.weights.checkpoints import Loaded
from farm.postcards import tokenizer
from shared.catalog import read_catalog
from shared.config import SHARED
from shared.spec import RenderSpec

NAME = "postcards"  # the catalog's default, whose place the model takes
SCALE = 2  # pixels of one side for one of the latents
TEXT = 32
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


@dataclass(frozen=True)
class Place:
    """The model as ours and as diffusers', with the texts encoded."""

    family: Any
    pipeline: Any
    pool: Pool

    def texts(self, spec: RenderSpec) -> dict[str, Tensor]:
        told = self.family.encode(replace(spec, guidance=5.0))
        return {
            "prompt_embeds": told.towards["texts"],
            "pooled_prompt_embeds": told.towards["pooled"],
            "negative_prompt_embeds": told.against["texts"],
            "negative_pooled_prompt_embeds": told.against["pooled"],
        }


class OneModel(Pool):
    """Always holds this one."""

    def __init__(self, loaded: Loaded, *, device: str = "cpu") -> None:
        super().__init__(read_catalog(SHARED / "catalog.toml"), device=device)
        self._one = loaded

    def get(self, name: str, dtype: torch.dtype | None = None) -> Loaded:
        return self._one

    def is_warm(self, name: str, dtype: torch.dtype | None = None) -> bool:
        return True


def place(side: int) -> Place:
    """Built twice from one seed: what ours does to its model must not touch the other's."""
    family = sdxl.from_pipeline(_pipeline(side))
    held = Loaded(NAME, "tiny", family, bytes=0, dtype=torch.float32)
    return Place(family, _pipeline(side), OneModel(held))


def _pipeline(side: int) -> Any:
    torch.manual_seed(0)
    pipeline = StableDiffusionXLPipeline(
        vae=_vae(),
        text_encoder=CLIPTextModel(_text()),
        text_encoder_2=CLIPTextModelWithProjection(_text()),
        tokenizer=tokenizer.build(),
        tokenizer_2=tokenizer.build(),
        unet=_unet(side),
        scheduler=EulerDiscreteScheduler(**BETAS, steps_offset=1),
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _unet(side: int) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=side,
        in_channels=4,
        out_channels=4,
        block_out_channels=(32, 64),
        layers_per_block=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=TEXT + 6 * 8,
        cross_attention_dim=2 * TEXT,
    )


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        force_upcast=False,
    )


def _text() -> CLIPTextConfig:
    vocabulary, _ = tokenizer.tables()
    return CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=TEXT,
        intermediate_size=2 * TEXT,
        projection_dim=TEXT,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=tokenizer.LENGTH,
        bos_token_id=vocabulary[tokenizer.START_TOKEN],
        eos_token_id=vocabulary[tokenizer.END_TOKEN],
        pad_token_id=vocabulary[tokenizer.END_TOKEN],
    )
