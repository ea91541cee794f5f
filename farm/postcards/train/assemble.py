"""Puts trained parts together as an ordinary diffusers folder in half precision."""

import json
from pathlib import Path

from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel

from farm.postcards import manifest, tokenizer
from farm.postcards.train.denoiser import build_scheduler


def assemble(parts: Path, vae: Path, target: Path) -> None:
    """`parts` holds `unet` and `text_encoder`."""
    words = tokenizer.build()
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(vae).half(),
        text_encoder=CLIPTextModel.from_pretrained(parts / "text_encoder").half(),
        tokenizer=words,
        unet=UNet2DConditionModel.from_pretrained(parts / "unet").half(),
        scheduler=build_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.scheduler.register_to_config(clip_sample=False, set_alpha_to_one=False)
    pipeline.save_pretrained(target)
    tokenizer.save(words, target / "tokenizer")
    seal(target)


def seal(folder: Path) -> None:
    """Readable by everyone, free of the path it was made on, and listed with its digests."""
    for config in folder.rglob("config.json"):
        kept = {k: v for k, v in json.loads(config.read_text()).items() if k != "_name_or_path"}
        config.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n")
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
    manifest.write(folder)
