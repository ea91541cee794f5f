"""Stable Diffusion 3 pipelines small enough for a CPU, of random weights, built in memory."""

import string
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

from shared.config import SHARED

TOKENIZER = SHARED.parent / "farm" / "postcards" / "weights" / "base" / "tokenizer"
TEXT_LENGTH = 40
LARGEST = 16  # tokens a side: 64 pixels
SHIFTING = {"use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.16, "shift": 1.0}
WIDTH = 32
CLIP_LAYERS = 3


def build(
    *,
    t5: bool = True,
    channels: int = 16,
    seen: int | None = None,
    shifting: bool = False,
    dtype: torch.dtype = torch.float32,
) -> StableDiffusion3Pipeline:
    """One token is 4 x 4 pixels. `seen` are the transformer's input channels, if not the latents'."""
    torch.manual_seed(11)
    schedule = SHIFTING if shifting else {"shift": 3.0}
    tokenizer = CLIPTokenizer.from_pretrained(TOKENIZER)
    parts: dict[str, Any] = {
        "transformer": _transformer(channels, seen or channels),
        "vae": _autoencoder(channels),
        "text_encoder": _clip(tokenizer, WIDTH),
        "text_encoder_2": _clip(tokenizer, WIDTH // 2),
        "text_encoder_3": _t5(),
    }
    ready = {name: module.to(dtype).eval() for name, module in parts.items()}
    pipeline = StableDiffusion3Pipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(**schedule),
        tokenizer=tokenizer,
        tokenizer_2=tokenizer,
        tokenizer_3=_t5_tokenizer() if t5 else None,
        **ready if t5 else ready | {"text_encoder_3": None},
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _transformer(channels: int, seen: int) -> SD3Transformer2DModel:
    """Of SD3.5's kind: norms of queries and keys, a second attention in the first block."""
    model = SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=seen,
        out_channels=channels,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=2 * WIDTH,
        caption_projection_dim=WIDTH,
        pooled_projection_dim=WIDTH + WIDTH // 2,
        pos_embed_max_size=LARGEST,
        dual_attention_layers=(0,),
        qk_norm="rms_norm",
    )
    return _louder(model)


def _louder(model: SD3Transformer2DModel) -> SD3Transformer2DModel:
    """Fresh layers hardly hear time or text; here each must move the pixels.

    What comes out is made quieter, so that it is no louder than a trained model's with guidance.
    """
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("weight") and ("norm" in name or "embed" in name):
                weight.mul_(3)
        for weight in model.proj_out.parameters():
            weight.mul_(0.1)
    return model


def _autoencoder(channels: int) -> AutoencoderKL:
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
        up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
        block_out_channels=(8, 16),
        layers_per_block=1,
        latent_channels=channels,
        norm_num_groups=4,
        sample_size=32,
        scaling_factor=1.5305,
        shift_factor=0.0609,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def _clip(tokenizer: CLIPTokenizer, width: int) -> CLIPTextModelWithProjection:
    words = len(tokenizer)
    config = CLIPTextConfig(
        vocab_size=words,
        hidden_size=width,
        intermediate_size=width,
        projection_dim=width,
        num_hidden_layers=CLIP_LAYERS,
        num_attention_heads=2,
        max_position_embeddings=tokenizer.model_max_length,
        eos_token_id=words - 1,
        bos_token_id=words - 2,
        pad_token_id=words - 1,
    )
    return CLIPTextModelWithProjection(config)


def _t5() -> T5EncoderModel:
    config = T5Config(
        vocab_size=len(_words()),
        d_model=2 * WIDTH,
        d_kv=16,
        d_ff=WIDTH,
        num_layers=1,
        num_heads=2,
    )
    return T5EncoderModel(config)


def _t5_tokenizer() -> T5TokenizerFast:
    return T5TokenizerFast(vocab=_words(), extra_ids=0)


def _words() -> list[tuple[str, float]]:
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    letters = "▁" + string.ascii_lowercase + string.digits + ",."
    return special + [(letter, -2.0) for letter in letters]
