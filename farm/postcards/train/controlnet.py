"""The edge ControlNet: a copy of the denoiser's first half that reads an edge map."""

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import ControlNetModel, StableDiffusionPipeline, UNet2DConditionModel
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from farm.postcards.captions import training_caption
from farm.postcards.edges import edge_map
from farm.postcards.pipelines import open_pipeline
from farm.postcards.train.assemble import seal
from farm.postcards.train.dataset import Shelf
from farm.postcards.train.denoiser import Noising, tokens
from farm.postcards.world import SIZES, Scene

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
        torch.manual_seed(self.seed)
        lesson = _Lesson(open_pipeline(base), Shelf(data, SIZES[0]), random.Random(self.seed))
        control = lesson.control
        optimizer = torch.optim.AdamW(control.parameters(), self.rate, weight_decay=1e-2)
        for step in range(self.steps):
            optimizer.param_groups[0]["lr"] = self.rate * _pace(step, self.steps)
            loss = lesson.learn(self.batch)
            nn.utils.clip_grad_norm_(control.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            if step % 50 == 49:
                print(f"controlnet {step + 1}/{self.steps} loss {loss:.4f}", flush=True)
        control.eval().half().save_pretrained(target)
        seal(target)


class _Lesson:
    def __init__(self, pipeline: StableDiffusionPipeline, shelf: Shelf, rng: random.Random) -> None:
        self._pipeline, self._rng, self._noising = pipeline, rng, Noising()
        self._unet = pipeline.unet.requires_grad_(False)
        self._pictures, self._latents = shelf.pictures(), shelf.latents()
        self._scenes = shelf.scenes()
        self.control = build(self._unet).train()

    def learn(self, batch: int) -> float:
        picked = sorted(self._rng.randrange(len(self._scenes)) for _ in range(batch))
        edges = torch.from_numpy(edge_map(self._pictures[picked])).float()[:, None]
        latents = torch.from_numpy(self._latents[picked].astype(np.float32))
        context = self._context(picked)
        noisy, steps, velocity = self._noising.mix(latents)
        with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            guess = self._guess(noisy, steps, context, edges=edges.repeat(1, 3, 1, 1))
        loss = self._noising.loss(guess, velocity, steps)
        loss.backward()
        return loss.item()

    @torch.no_grad()
    def _context(self, picked: list[int]) -> torch.Tensor:
        captions = [self._caption(self._scenes[i]) for i in picked]
        found: torch.Tensor = self._pipeline.text_encoder(
            tokens(self._pipeline.tokenizer, captions)
        )[0]
        return found

    def _caption(self, scene: Scene) -> str:
        return "" if self._rng.random() < EMPTY else training_caption(scene, self._rng)

    def _guess(
        self,
        noisy: torch.Tensor,
        steps: torch.Tensor,
        context: torch.Tensor,
        *,
        edges: torch.Tensor,
    ) -> torch.Tensor:
        down, middle = self.control(noisy, steps, context, edges, return_dict=False)
        guess: torch.Tensor = self._unet(
            noisy,
            steps,
            context,
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        ).sample
        return guess


def _pace(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / 30) * min(1.0, (1 - step / steps) / 0.4)
