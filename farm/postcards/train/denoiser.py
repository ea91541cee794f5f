"""The denoiser and its text encoder, trained together from nothing on latents and captions."""

import random
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from diffusers import DDPMScheduler, DPMSolverMultistepScheduler, UNet2DConditionModel
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from farm.postcards import tokenizer as words
from farm.postcards.captions import training_caption
from farm.postcards.train.dataset import shelves
from farm.postcards.train.loop import Loop
from farm.postcards.train.team import Budget, Member
from farm.postcards.world import Scene

WIDTH = 128
NOISE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
EMPTY_CAPTIONS = 0.1
STRONGEST_SNR = 5.0
EMBEDDING_GAIN = 10
"""CLIP's initial embeddings are tiny; larger ones let a small encoder learn words sooner."""


def build_unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=(64, 128, 160),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=(2, 4, 4),
        norm_num_groups=16,
    )


def build_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=words.LENGTH,
        projection_dim=WIDTH,
        hidden_act="quick_gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    encoder = CLIPTextModel(config)
    with torch.no_grad():
        encoder.get_input_embeddings().weight.mul_(EMBEDDING_GAIN)
    return encoder


def build_scheduler() -> DPMSolverMultistepScheduler:
    return DPMSolverMultistepScheduler(
        **NOISE,
        prediction_type="v_prediction",
        algorithm_type="dpmsolver++",
        solver_order=2,
        use_karras_sigmas=True,
        steps_offset=1,
    )


def tokens(tokenizer: CLIPTokenizer, captions: list[str]) -> torch.Tensor:
    found = tokenizer(
        captions,
        padding="max_length",
        max_length=words.LENGTH,
        truncation=True,
        return_tensors="pt",
    )
    ids: torch.Tensor = found.input_ids
    return ids


@dataclass
class Noising:
    """v-prediction with min-SNR weights (Hang et al. 2023) over stratified time steps."""

    signal: torch.Tensor = field(default_factory=lambda: DDPMScheduler(**NOISE).alphas_cumprod)

    def mix(self, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Noisy latents, their time steps, and the velocity to predict."""
        count = len(latents)
        steps = ((torch.arange(count) + torch.rand(count)) / count * 1000).long()
        steps = steps.clamp(0, 999)[torch.randperm(count)]
        keep = self.signal[steps].sqrt().view(-1, 1, 1, 1)
        add = (1 - self.signal[steps]).sqrt().view(-1, 1, 1, 1)
        noise = torch.randn_like(latents)
        return keep * latents + add * noise, steps, keep * noise - add * latents

    def loss(
        self, guess: torch.Tensor, velocity: torch.Tensor, steps: torch.Tensor
    ) -> torch.Tensor:
        error = (guess.float() - velocity).pow(2).mean((1, 2, 3))
        snr = self.signal[steps] / (1 - self.signal[steps])
        return (error * snr.clamp(max=STRONGEST_SNR) / (snr + 1)).mean()


@dataclass(frozen=True)
class Batch:
    latents: torch.Tensor
    captions: list[str]


class Feed:
    """Random batches of one size each; all members draw the same size in the same step."""

    def __init__(self, folder: Path, *, seed: int, batch: int) -> None:
        self._shelves = [(shelf.latents(), shelf.scenes()) for shelf in shelves(folder)]
        self._seed, self._batch = seed, batch

    def draw(self, step: int, rank: int) -> Batch:
        rng = random.Random(f"{self._seed}/{rank}/{step}")
        latents, scenes = self._shelves[_shelf_of(step)]
        picked = sorted(rng.randrange(len(scenes)) for _ in range(self._batch))
        captions = [_caption(scenes[i], rng) for i in picked]
        return Batch(torch.from_numpy(latents[picked].astype(np.float32)), captions)


def _shelf_of(step: int) -> int:
    """Every 14th step is wide, every 14th tall."""
    return {6: 1, 13: 2}.get(step % 14, 0)


def _caption(scene: Scene, rng: random.Random) -> str:
    return "" if rng.random() < EMPTY_CAPTIONS else training_caption(scene, rng)


@dataclass(frozen=True)
class DenoiserTraining:
    budget: Budget
    rate: float
    batch: int
    seed: int
    descent: float
    """The last share of the budget, in which the rate falls straight to nothing."""
    source: Path | None = None
    """Trained parts to go on from."""

    def __call__(self, member: Member) -> None:
        torch.manual_seed(self.seed)
        feed = Feed(member.folder, seed=self.seed, batch=self.batch)
        lesson = _Lesson(feed, member.rank, source=self.source)
        trained = [*lesson.unet.parameters(), *lesson.text.parameters()]
        optimizer = torch.optim.AdamW(trained, self.rate, betas=(0.9, 0.98), weight_decay=1e-2)
        loop = Loop(member, self.budget, self.seed, rate=self._rate, keep=_keep)
        loop.run(trained, optimizer, lesson.learn)
        if member.leads:
            lesson.unet.eval().save_pretrained(member.folder / member.stage / "unet")
            lesson.text.eval().save_pretrained(member.folder / member.stage / "text_encoder")

    def _rate(self, step: int, share: float) -> float:
        falling = min(1.0, max(0.01, (1 - share) / self.descent))
        return self.rate * min(1.0, (step + 1) / 150) * falling


def _keep(step: int) -> float:
    return min(0.9985, 1 - 1 / (1 + step / 8))


class _Lesson:
    def __init__(self, feed: Feed, rank: int, *, source: Path | None) -> None:
        self._feed, self._rank = feed, rank
        self._noising = Noising()
        self._tokenizer = words.build()
        if source is None:
            unet, self.text = build_unet(), build_text_encoder(self._tokenizer)
        else:
            unet = UNet2DConditionModel.from_pretrained(source / "unet")
            self.text = CLIPTextModel.from_pretrained(source / "text_encoder")
        self.unet = unet.to(memory_format=torch.channels_last).train()
        self.text.train()

    def learn(self, step: int) -> float:
        """The mean squared error of the velocity."""
        batch = self._feed.draw(step, self._rank)
        noisy, steps, velocity = self._noising.mix(batch.latents)
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        ids = tokens(self._tokenizer, batch.captions)
        with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            guess = self.unet(noisy, steps, self.text(ids)[0]).sample
        self._noising.loss(guess, velocity, steps).backward()
        return (guess.detach().float() - velocity).pow(2).mean().item()
