"""LoRAs of random numbers for tiny models, as PEFT names them: `<layer>.lora_A.weight` and its B."""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from farm.engine.adapters.lora import LoraBank, LoraWeights, Patch
from farm.engine.families import Loras

States = dict[str, dict[str, Tensor]]  # by adapter

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
LINEAR = (*ATTENTION, "ff.net.0.proj", "ff.net.2", "time_emb_proj", "linear_1")
CONVOLUTIONS = ("proj_in", "conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "conv_in")
EVERYWHERE = LINEAR + CONVOLUTIONS

# One layer, as diffusers and as kohya name it, and how kohya names the two matrices.
ATTN = "down_blocks.1.attentions.0.transformer_blocks.0.attn1"
STEM = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q"
KOHYA = (".lora_down", ".lora_up")


def tiny_unet(**options: Any) -> UNet2DConditionModel:
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "block_out_channels": (16, 32),
        "norm_num_groups": 8,
        "layers_per_block": 1,
        "sample_size": 8,
        "cross_attention_dim": 16,
        "attention_head_dim": 4,
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    }
    return UNet2DConditionModel(**settings | options).eval()


def random_lora(
    model: nn.Module, targets: tuple[str, ...], *, rank: int, seed: int
) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) * 0.2

    state = {}
    for path, layer in model.named_modules():
        if isinstance(layer, nn.Linear | nn.Conv2d) and path.endswith(targets):
            out, *rest = layer.weight.shape
            state[f"{path}.lora_A.weight"] = draw(rank, *rest)
            state[f"{path}.lora_B.weight"] = draw(out, rank, *[1] * (len(rest) - 1))
    return state


def weights_of(state: dict[str, Tensor], scale: float = 1.0) -> LoraWeights:
    paths = [name.removesuffix(".lora_A.weight") for name in state if "lora_A" in name]
    return {
        path: Patch(state[f"{path}.lora_A.weight"], state[f"{path}.lora_B.weight"], scale)
        for path in paths
    }


def prefixed(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in state.items()}


def apart(found: Tensor, wanted: Tensor) -> float:
    """The largest difference, as a share of the largest value."""
    return float((found - wanted).abs().max() / wanted.abs().max())


def pair(
    stem: str, ends: tuple[str, str] = (".lora_A", ".lora_B"), *, rank: int = 4
) -> dict[str, Tensor]:
    """The two matrices of one layer of six features."""
    generator = torch.Generator().manual_seed(len(stem))
    down = torch.randn((rank, 6), generator=generator)
    return {f"{stem}{ends[0]}.weight": down, f"{stem}{ends[1]}.weight": down.t().contiguous()}


# --- a tiny UNet and three adapters ----------------------------------------------------------


def three_loras() -> States:
    unet = tiny_unet()
    return {
        "a": random_lora(unet, ATTENTION, rank=4, seed=1),
        "b": random_lora(unet, EVERYWHERE, rank=3, seed=2),
        "c": random_lora(unet, (*ATTENTION, "conv1"), rank=9, seed=3),
    }


def banked(unet: nn.Module, states: States) -> LoraBank:
    bank = LoraBank(unet)
    for name, state in states.items():
        bank.put(name, weights_of(state))
    return bank


def inputs(count: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(7)
    latents = torch.randn((count, 4, 8, 8), generator=generator)
    moments = torch.randint(1, 999, (count,), generator=generator).float()
    return latents, moments, torch.randn((count, 5, 16), generator=generator)


def run(unet: nn.Module, rows: Sequence[Tensor]) -> Tensor:
    return unet(*rows, return_dict=False)[0]


def alone(states: States, worn: Loras, rows: Sequence[Tensor]) -> Tensor:
    """By diffusers and PEFT, this one row."""
    unet: Any = tiny_unet()
    for name, _ in worn:
        unet.load_lora_adapter(prefixed(states[name], "unet"), prefix="unet", adapter_name=name)
    if worn:
        unet.set_adapters([name for name, _ in worn], [weight for _, weight in worn])
    return run(unet, rows)
