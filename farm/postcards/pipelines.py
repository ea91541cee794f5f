"""Opens the postcard pipeline and draws with it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray

from farm.postcards.world import Picture

STEPS, GUIDANCE = 12, 4.0
BATCH = 20


def open_pipeline(folder: Path) -> StableDiffusionPipeline:
    pipeline = StableDiffusionPipeline.from_pretrained(
        folder, dtype=torch.float32, safety_checker=None, requires_safety_checker=False
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(
    pipeline: StableDiffusionPipeline,
    captions: Sequence[str],
    *,
    first_seed: int = 1000,
    size: tuple[int, int] = (64, 64),
    **options: Any,
) -> Picture:
    """One picture per caption, each of its own seed, uint8 [n, h, w, 3]."""
    settings: dict[str, Any] = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE}
    settings |= {"width": size[0], "height": size[1], "output_type": "np", **options}
    drawn: list[NDArray[np.float32]] = []
    for start in range(0, len(captions), BATCH):
        part = list(captions[start : start + BATCH])
        chances = [torch.Generator().manual_seed(first_seed + start + i) for i in range(len(part))]
        drawn += list(pipeline(part, generator=chances, **settings).images)
    return (np.stack(drawn) * 255).round().astype(np.uint8)
