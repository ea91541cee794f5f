"""The edge ControlNet: a copy of the denoiser's first half that reads an edge map."""

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import ControlNetModel, UNet2DConditionModel
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from farm.postcards.captions import training_caption
from farm.postcards.edges import edge_map
from farm.postcards.pipelines import open_pipeline
from farm.postcards.train.assemble import seal
from farm.postcards.train.dataset import Shelf
from farm.postcards.train.denoiser import Noising, tokens
from farm.postcards.world import SIZES

COPIED = ("conv_in", "time_proj", "time_embedding", "down_blocks", "mid_block")
EMPTY = 0.4
"""With little to read in the caption, the ControlNet learns to rely on the edges."""


def build(unet: UNet2DConditionModel) -> ControlNetModel:
    config = unet.config
    control = ControlNetModel(
        in_channels=config.in_channels,
        conditioning_channels=3,
        down_block_types=config.down_block_types,
        block_out_channels=config.block_out_channels,
        layers_per_block=config.layers_per_block,
        cross_attention_dim=config.cross_attention_dim,
        attention_head_dim=config.attention_head_dim,
        norm_num_groups=config.norm_num_groups,
        conditioning_embedding_out_channels=(16, 32, 64),
    )
    for name in COPIED:
        getattr(control, name).load_state_dict(getattr(unet, name).state_dict())
    return control


@dataclass(frozen=True)
class ControlTraining:
    steps: int
    rate: float
    batch: int
    seed: int

    def __call__(self, base: Path, data: Path, target: Path) -> None:
        rng = random.Random(self.seed)
        torch.manual_seed(self.seed)
        pipeline = open_pipeline(base)
        unet = pipeline.unet.requires_grad_(False)
        control = build(unet).train()
        optimizer = torch.optim.AdamW(control.parameters(), self.rate, weight_decay=1e-2)
        shelf, noising = Shelf(data, SIZES[0]), Noising()
        pictures, latents, scenes = shelf.pictures(), shelf.latents(), shelf.scenes()
        for step in range(self.steps):
            optimizer.param_groups[0]["lr"] = self.rate * _pace(step, self.steps)
            picked = sorted(rng.randrange(len(scenes)) for _ in range(self.batch))
            clean = torch.from_numpy(latents[picked].astype(np.float32))
            edges = torch.from_numpy(edge_map(pictures[picked])).float()[:, None]
            captions = [
                "" if rng.random() < EMPTY else training_caption(scenes[i], rng) for i in picked
            ]
            noisy, steps, velocity = noising.mix(clean)
            with torch.no_grad():
                context = pipeline.text_encoder(tokens(pipeline.tokenizer, captions))[0]
            with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
                down, middle = control(
                    noisy, steps, context, edges.repeat(1, 3, 1, 1), return_dict=False
                )
                guess = unet(
                    noisy,
                    steps,
                    context,
                    down_block_additional_residuals=down,
                    mid_block_additional_residual=middle,
                ).sample
            loss = noising.loss(guess, velocity, steps)
            loss.backward()
            nn.utils.clip_grad_norm_(control.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            if step % 50 == 49:
                print(f"controlnet {step + 1}/{self.steps} loss {loss.item():.4f}", flush=True)
        control.eval().half().save_pretrained(target)
        seal(target)


def _pace(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / 30) * min(1.0, (1 - step / steps) / 0.4)
