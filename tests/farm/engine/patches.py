"""LoRAs of random numbers for tiny models, as PEFT names them: `<layer>.lora_A.weight` and its B."""

from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from farm.engine.lora import LoraWeights, Patch

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
LINEAR = (*ATTENTION, "ff.net.0.proj", "ff.net.2", "time_emb_proj", "linear_1")
CONVOLUTIONS = ("proj_in", "conv1", "conv2", "conv_shortcut", "downsamplers.0.conv", "conv_in")
EVERYWHERE = LINEAR + CONVOLUTIONS


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
