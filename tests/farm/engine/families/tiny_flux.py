"""Flux pipelines small enough for a CPU, of random weights, and what diffusers draws with them."""

import string
from functools import cache, partial
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxImg2ImgPipeline,
    FluxInpaintPipeline,
    FluxPipeline,
    FluxTransformer2DModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

from farm.engine.families import Origin
from farm.engine.samplers import build_scheduler, generator_for
from shared.config import SHARED
from shared.spec import RenderKind, RenderSpec

TOKENIZER = SHARED.parent / "farm" / "postcards" / "weights" / "base" / "tokenizer"
TEXT_LENGTH = 40
SHIFTING = {"use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15, "shift": 3.0}
WIDTH = 32
KINDS: dict[str, dict[str, Any]] = {
    "dev": {"guidance_embeds": True},
    "dev, unshifted": {"guidance_embeds": True, "shifting": False},
    "dev, 16 channels": {"guidance_embeds": True, "channels": 16},
    "schnell": {"guidance_embeds": False, "shifting": False},
    "true": {"guidance_embeds": False},
}


def build(
    *,
    guidance_embeds: bool,
    channels: int = 4,
    shifting: bool = True,
    dtype: torch.dtype = torch.float32,
) -> FluxPipeline:
    """With embedded guidance it is a small dev, without a small schnell. One token is 4 x 4 pixels."""
    torch.manual_seed(11)
    schedule = SHIFTING if shifting else {"shift": 1.0}
    clip = CLIPTokenizer.from_pretrained(TOKENIZER)
    pipeline = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(**schedule),
        vae=_autoencoder(channels).to(dtype).eval(),
        text_encoder=_clip(len(clip), clip.model_max_length).to(dtype).eval(),
        tokenizer=clip,
        text_encoder_2=_t5().to(dtype).eval(),
        tokenizer_2=_t5_tokenizer(),
        transformer=_transformer(channels, guidance_embeds).to(dtype).eval(),
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _transformer(channels: int, guidance_embeds: bool) -> FluxTransformer2DModel:
    model = FluxTransformer2DModel(
        in_channels=4 * channels,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        guidance_embeds=guidance_embeds,
        axes_dims_rope=(4, 4, 8),
    )
    return _louder(model)


def _louder(model: FluxTransformer2DModel) -> FluxTransformer2DModel:
    """Fresh layers hardly hear time, guidance or text; here each must move the pixels."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("weight") and ("norm" in name or "time_text_embed" in name):
                weight.mul_(3)
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
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def _clip(words: int, length: int) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=words,
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=length,
        eos_token_id=words - 1,
        bos_token_id=words - 2,
        pad_token_id=words - 1,
    )
    return CLIPTextModel(config)


def _t5() -> T5EncoderModel:
    return T5EncoderModel(
        T5Config(
            vocab_size=len(_words()),
            d_model=WIDTH,
            d_kv=16,
            d_ff=WIDTH,
            num_layers=1,
            num_heads=2,
        )
    )


def _t5_tokenizer() -> T5TokenizerFast:
    return T5TokenizerFast(vocab=_words(), extra_ids=0)


def _words() -> list[tuple[str, float]]:
    letters = "▁" + string.ascii_lowercase + string.digits + ",."
    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    return special + [(letter, -2.0) for letter in letters]


# --- what diffusers draws with them ------------------------------------------------------------


@cache
def _reference(kind: str, dtype: torch.dtype) -> FluxPipeline:
    """The same weights in other modules, so that nothing a family does to its own is shared."""
    return build(**KINDS[kind], dtype=dtype)


def draw(
    kind: str,
    spec: RenderSpec,
    origin: Origin,
    *,
    dtype: torch.dtype = torch.float32,
    output: str = "latent",
) -> Any:
    """By diffusers' pipeline. It hands its scheduler no generator; here the job's own is."""
    parts, generator = _reference(kind, dtype).components, generator_for(spec.seed)
    scheduler = build_scheduler(spec.sampler, parts["scheduler"].config)
    if spec.sampler == "flow-lcm":
        scheduler.step = partial(scheduler.step, generator=generator)
    classes = {RenderKind.IMAGE: FluxImg2ImgPipeline, RenderKind.INPAINT: FluxInpaintPipeline}
    pipeline = classes.get(spec.kind, FluxPipeline)(**parts | {"scheduler": scheduler})
    pipeline.set_progress_bar_config(disable=True)
    told = _told(kind, spec, origin) | {"generator": generator, "output_type": output}
    return pipeline(**told).images


def _told(kind: str, spec: RenderSpec, origin: Origin) -> dict[str, Any]:
    words: dict[str, Any] = {
        "prompt": spec.texts[0].text,
        "width": spec.width,
        "height": spec.height,
        "num_inference_steps": spec.steps,
        "guidance_scale": spec.guidance,
        "max_sequence_length": TEXT_LENGTH,
    }
    if kind == "true":
        words |= {"true_cfg_scale": spec.guidance, "negative_prompt": spec.negative}
    if origin.picture is not None:
        words |= {"image": origin.picture, "strength": spec.strength}
    if origin.mask is not None:
        words |= {"mask_image": origin.mask}
    return words
