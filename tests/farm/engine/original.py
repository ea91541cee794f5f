"""The postcards in Stable Diffusion's first layout: one file, the names of its own code."""

import re
from collections.abc import Iterator
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

UNET = (
    (r"^time_embedding\.linear_1\.", "time_embed.0."),
    (r"^time_embedding\.linear_2\.", "time_embed.2."),
    (r"^conv_in\.", "input_blocks.0.0."),
    (r"^conv_norm_out\.", "out.0."),
    (r"^conv_out\.", "out.2."),
    (r"^mid_block\.resnets\.0\.", "middle_block.0."),
    (r"^mid_block\.attentions\.0\.", "middle_block.1."),
    (r"^mid_block\.resnets\.1\.", "middle_block.2."),
    (r"downsamplers\.0\.conv\.", "downsamplers.0."),
)
RESNET = (
    (".norm1.", ".in_layers.0."),
    (".conv1.", ".in_layers.2."),
    (".norm2.", ".out_layers.0."),
    (".conv2.", ".out_layers.3."),
    (".time_emb_proj.", ".emb_layers.1."),
    (".conv_shortcut.", ".skip_connection."),
)
VAE = (
    (r"\.mid_block\.resnets\.0\.", ".mid.block_1."),
    (r"\.mid_block\.resnets\.1\.", ".mid.block_2."),
    (r"\.conv_norm_out\.", ".norm_out."),
    (r"\.conv_shortcut\.", ".nin_shortcut."),
)
BLOCK = re.compile(r"^(down|up)_blocks\.(\d+)\.(resnets|attentions|(?:down|up)samplers)\.(\d+)\.")
VAE_BLOCK = re.compile(r"\.(down|up)_blocks\.(\d+)\.(?:resnets\.(\d+)|(down|up)samplers\.0)\.")
LAYERS = 1  # of each block going down; going up there is one more
BLOCKS = 3


def write_original(folder: Path, target: Path) -> None:
    """`folder` is the postcards' base."""
    tensors: dict[str, Tensor] = {}
    for part, rename in (("unet", _unet), ("vae", _vae), ("text_encoder", _text)):
        for path in (folder / part).glob("*.safetensors"):
            tensors |= dict(rename(load_file(path)))
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, target)


def _unet(tensors: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    attending = {
        found[1] for found in map(re.compile(r"(.*attentions\.\d+)\.").match, tensors) if found
    }
    for name, tensor in tensors.items():
        yield "model.diffusion_model." + _unet_name(name, attending), tensor


def _unet_name(name: str, attending: set[str]) -> str:
    for pattern, ours in UNET:
        name = re.sub(pattern, ours, name)
    found = BLOCK.match(name)
    if found:
        name = _unet_block(found, attending) + name[found.end() :]
    if "attentions" not in name and "transformer_blocks" not in name:
        for theirs, ours in RESNET:
            name = name.replace(theirs, ours)
    return name


def _unet_block(found: re.Match[str], attending: set[str]) -> str:
    way, block, kind, layer = found[1], int(found[2]), found[3], int(found[4])
    if way == "down":
        place = block * (LAYERS + 1) + layer + 1
        if kind == "downsamplers":
            return f"input_blocks.{block * (LAYERS + 1) + LAYERS + 1}.0.op."
        return f"input_blocks.{place}.{int(kind == 'attentions')}."
    place = block * (LAYERS + 1) + layer
    if kind == "upsamplers":
        last = block * (LAYERS + 1) + LAYERS
        after = f"up_blocks.{block}.attentions.{LAYERS}" in attending
        return f"output_blocks.{last}.{1 + after}."
    return f"output_blocks.{place}.{int(kind == 'attentions')}."


def _vae(tensors: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in tensors.items():
        for pattern, ours in VAE:
            name = re.sub(pattern, ours, name)
        yield "first_stage_model." + VAE_BLOCK.sub(_vae_block, name), tensor


def _vae_block(found: re.Match[str]) -> str:
    way, block = found[1], int(found[2])
    place = block if way == "down" else BLOCKS - 1 - block
    inside = f"block.{found[3]}." if found[3] else f"{found[4]}sample."
    return f".{way}.{place}.{inside}"


def _text(tensors: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in tensors.items():
        whole = name if name.startswith("text_model.") else f"text_model.{name}"
        yield f"cond_stage_model.transformer.{whole}", tensor
