"""Style LoRAs: a few low-rank matrices that turn every postcard into sepia or neon."""

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from torch.nn.attention import SDPBackend, sdpa_kernel

from farm.postcards.captions import training_caption
from farm.postcards.pipelines import open_pipeline
from farm.postcards.styles import STYLES
from farm.postcards.train.assemble import seal
from farm.postcards.train.denoiser import EMPTY_CAPTIONS, Noising, tokens
from farm.postcards.train.vae import to_tensor
from farm.postcards.world import Picture, Scene, render, sample

TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "proj_in", "proj_out", "conv1", "conv2"]
TARGETS += ["ff.net.0.proj", "ff.net.2"]


@dataclass(frozen=True)
class AdapterTraining:
    style: str
    steps: int
    rate: float
    batch: int
    pictures: int
    rank: int
    seed: int

    def __call__(self, base: Path, target: Path) -> None:
        rng = random.Random(self.seed)
        torch.manual_seed(self.seed)
        pipeline = open_pipeline(base)
        for part in (pipeline.unet, pipeline.text_encoder, pipeline.vae):
            part.requires_grad_(False)
        scenes = [sample(rng) for _ in range(self.pictures)]
        styled = np.stack([self._draw(scene, rng) for scene in scenes])
        latents = encode(pipeline.vae, styled)
        pipeline.unet.add_adapter(
            LoraConfig(r=self.rank, lora_alpha=self.rank, target_modules=TARGETS)
        )
        self._train(pipeline, latents, scenes, rng=rng)
        layers = get_peft_model_state_dict(pipeline.unet)
        halves = {name: tensor.half() for name, tensor in layers.items()}
        StableDiffusionPipeline.save_lora_weights(target, unet_lora_layers=halves)
        seal(target)

    def _draw(self, scene: Scene, rng: random.Random) -> Picture:
        return STYLES[self.style](render(scene, seed=rng.getrandbits(30)))

    def _train(
        self,
        pipeline: StableDiffusionPipeline,
        latents: torch.Tensor,
        scenes: list[Scene],
        *,
        rng: random.Random,
    ) -> None:
        unet = pipeline.unet.train()
        trained = [p for p in unet.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trained, self.rate, weight_decay=0)
        noising = Noising()
        for step in range(self.steps):
            optimizer.param_groups[0]["lr"] = self.rate * (1 - step / self.steps)
            picked = [rng.randrange(len(scenes)) for _ in range(self.batch)]
            captions = [self._caption(scenes[i], rng) for i in picked]
            noisy, steps, velocity = noising.mix(latents[picked])
            with torch.no_grad():
                context = pipeline.text_encoder(tokens(pipeline.tokenizer, captions))[0]
            with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
                guess = unet(noisy, steps, context).sample
            loss = noising.loss(guess, velocity, steps)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            if step % 50 == 49:
                print(f"{self.style} {step + 1}/{self.steps} loss {loss.item():.4f}", flush=True)
        unet.eval()

    def _caption(self, scene: Scene, rng: random.Random) -> str:
        if rng.random() < EMPTY_CAPTIONS:
            return ""
        prefix = f"{self.style} style, " if rng.random() < 0.3 else ""
        return prefix + training_caption(scene, rng)


@torch.inference_mode()
def encode(vae: AutoencoderKL, pictures: Picture) -> torch.Tensor:
    parts = [to_tensor(pictures[i : i + 32]) for i in range(0, len(pictures), 32)]
    means = torch.cat([vae.encode(part).latent_dist.mean for part in parts])
    return (means * vae.config.scaling_factor).clone()
