"""Whatever a trainer called its tensors: by component and layer, as the models here name them.

Two dialects: PEFT and diffusers (`unet.….to_q.lora_A.weight`, and older spellings of it), and kohya
(`lora_unet_…_to_q.lora_down.weight` with an `.alpha`). diffusers' own converters do the translating;
they guess, skip what they do not know, and trust their input, so both ends are checked here.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import SimpleNamespace

from diffusers.loaders import (
    FluxLoraLoaderMixin,
    SD3LoraLoaderMixin,
    StableDiffusionLoraLoaderMixin,
    StableDiffusionXLLoraLoaderMixin,
)
from diffusers.utils import convert_state_dict_to_peft, convert_unet_state_dict_to_peft
from diffusers.utils.state_dict_utils import StateDictType
from torch import Tensor

from farm.engine.adapters.lora import LoraWeights, Patch
from farm.engine.adapters.lorascales import Scales
from shared.errors import Fault, Refusal

Tensors = Mapping[str, Tensor]

MOST_RANK = 256
DIALECTS = {
    "flux": FluxLoraLoaderMixin,
    "sd15": StableDiffusionLoraLoaderMixin,
    "sd3": SD3LoraLoaderMixin,
    "sdxl": StableDiffusionXLLoraLoaderMixin,
}
COMPONENTS = {
    "flux": ("transformer", "text_encoder"),
    "sd15": ("unet", "text_encoder"),
    "sd3": ("transformer", "text_encoder", "text_encoder_2"),
    "sdxl": ("unet", "text_encoder", "text_encoder_2"),
}
ALL_COMPONENTS = frozenset(
    {"text_encoder_3", *(one for each in COMPONENTS.values() for one in each)}
)
# Every SDXL has two: this turns the block numbers of its first authors into diffusers' own.
BLOCKS = SimpleNamespace(layers_per_block=2)
# The longer endings first: a name is cut at the first that fits.
DOWNS = (
    ".lora_A.weight",
    ".lora_down.weight",
    ".lora_linear_layer.down.weight",
    ".lora.down.weight",
    "_lora.down.weight",
    ".down.weight",
)
UPS = (".lora_B.weight", ".lora_up.weight", ".up.weight")
ALPHA = ".alpha"
OTHER_METHODS = {
    "DoRA": ("dora_scale", "lora_magnitude_vector"),
    "LoHa": ("hada_",),
    "LoKr": ("lokr_",),
    "LoCon with a middle matrix": ("lora_mid",),
    "a change of whole weights": (".diff", ".bias", ".set_weight"),
}
LONG_NUMBER = re.compile(r"\d{3}")  # converters try every block's number on every name


def sort_out(
    tensors: Tensors, metadata: Mapping[str, str], *, family: str, most_rank: int = MOST_RANK
) -> dict[str, LoraWeights]:
    """By component. Refusal unless every tensor has found its place in one of the family's."""
    if family not in DIALECTS:
        raise Fault("unknown_family", f"No model family named {family} is built in.")
    _check_names(tensors)
    scales = Scales.read(_alphas(tensors), metadata)
    parts: dict[str, LoraWeights] = {
        component: dict(_pairs(_spell(part, component), scales.under(component)))
        for component, part in _by_component(_translate(tensors, family), family).items()
    }
    _check_none_lost(tensors, parts)
    _check_ranks(parts, most_rank)
    return parts


# --- what came in ----------------------------------------------------------------------------


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        _check_method(name)
        if LONG_NUMBER.search(name) or not name.endswith((*DOWNS, *UPS, ALPHA)):
            raise _unknown(name)


def _check_method(name: str) -> None:
    for method, marks in OTHER_METHODS.items():
        if any(mark in name for mark in marks):
            sentence = f"This file holds {method} ({name}). Only plain LoRA can be used."
            raise Refusal("lora_unsupported", sentence)


def _unknown(name: str) -> Refusal:
    sentence = f"{name} is no tensor of a LoRA for this kind of model, as far as is known here."
    return Refusal("lora_unknown_key", f"{sentence} Export the LoRA as diffusers or kohya do.")


def _alphas(tensors: Tensors) -> dict[int, float]:
    """By the down matrix's identity. Above 0: below it a converter would loop for ever."""
    downs = {_stem(name): tensor for name, tensor in tensors.items() if name.endswith(DOWNS)}
    found = {}
    for name in [one for one in tensors if one.endswith(ALPHA)]:
        if name.removesuffix(ALPHA) not in downs:
            raise _unknown(name)
        if tensors[name].numel() != 1 or float(tensors[name]) <= 0:
            raise Refusal("lora_bad_alpha", f"{name} must be one number above 0.")
        found[id(downs[name.removesuffix(ALPHA)])] = float(tensors[name])
    return found


def _stem(name: str) -> str:
    ending = next(one for one in DOWNS if name.endswith(one))
    return name.removesuffix(ending)


# --- translating -----------------------------------------------------------------------------


def _translate(tensors: Tensors, family: str) -> dict[str, Tensor]:
    try:
        given = DIALECTS[family].lora_state_dict(dict(tensors), unet_config=BLOCKS)
    except Exception as error:  # whatever a strange name may do to a converter
        sentence = f"These names of tensors belong to no LoRA for {family} that is known here."
        raise Refusal("lora_unknown_key", sentence) from error
    # Some give the alphas beside the tensors, and some give only the tensors.
    translated: Tensors = given[0] if isinstance(given, tuple) else given
    return {name: tensor for name, tensor in translated.items() if not name.endswith(ALPHA)}


def _by_component(tensors: Tensors, family: str) -> dict[str, dict[str, Tensor]]:
    parts: defaultdict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, tensor in tensors.items():
        component, _, rest = name.partition(".")
        if component not in ALL_COMPONENTS:
            component, rest = COMPONENTS[family][0], name.removeprefix("base_model.model.")
        if component not in COMPONENTS[family]:
            sentence = (
                f"This LoRA changes a {component}, which {family} models do not have, or not so."
            )
            raise Refusal("lora_other_family", sentence)
        parts[component][rest] = tensor
    return parts


def _spell(tensors: Tensors, component: str) -> dict[str, Tensor]:
    spelled = tensors
    if component.startswith("text_encoder"):
        for spelling in (StateDictType.DIFFUSERS_OLD, StateDictType.DIFFUSERS):
            spelled = convert_state_dict_to_peft(spelled, original_type=spelling)
    last: dict[str, Tensor] = convert_unet_state_dict_to_peft(spelled)
    return last


def _pairs(tensors: Tensors, scales: Scales) -> Iterable[tuple[str, Patch]]:
    down_end, up_end = DOWNS[0], UPS[0]
    for name, tensor in tensors.items():
        path = name.removesuffix(down_end).removesuffix(up_end)
        if path == name:
            raise _unknown(name)
        if not {path + down_end, path + up_end} <= tensors.keys():
            raise Refusal(
                "lora_half", f"{path} has one of the two matrices of a LoRA. Upload both."
            )
        if name.endswith(down_end):
            up = tensors[path + up_end]
            _check_pair(path, tensor, up)
            yield path, Patch(tensor, up, scales.of(path, tensor))


# --- what came out ---------------------------------------------------------------------------


def _check_pair(path: str, down: Tensor, up: Tensor) -> None:
    if down.dim() < 2 or up.dim() < 2 or down.shape[0] != up.shape[1]:
        shapes = f"{tuple(down.shape)} and {tuple(up.shape)}"
        raise Refusal("lora_wrong_shape", f"The two matrices of {path} do not fit: {shapes}.")


def _check_none_lost(tensors: Tensors, parts: Mapping[str, LoraWeights]) -> None:
    """Converters split matrices, and drop what they do not know; rows of `up` tell which it was."""
    given = sum(up.shape[0] for name, up in tensors.items() if up.dim() and name.endswith(UPS))
    kept = sum(patch.up.shape[0] for part in parts.values() for patch in part.values())
    if given != kept:
        sentence = (
            "Some of this LoRA's layers are not known here, so it would not look as intended."
        )
        raise Refusal("lora_unknown_key", sentence)


def _check_ranks(parts: Mapping[str, LoraWeights], most: int) -> None:
    for part in parts.values():
        for path, patch in part.items():
            if patch.down.shape[0] > most:
                sentence = f"{path} has rank {patch.down.shape[0]}; {most} is the most. Resize it."
                raise Refusal("lora_rank_too_high", sentence)
