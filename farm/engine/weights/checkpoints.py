"""From a row of the catalog to a loaded family: safetensors only, every byte hashed, nothing fetched."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from itertools import chain
from threading import Lock
from typing import Any

import diffusers
import torch
from diffusers.loaders.single_file_utils import SingleFileComponentError
from safetensors import SafetensorError
from torch import nn

from farm.engine.families import FAMILIES, Family, loader
from farm.engine.weights import vetting, whereabouts
from farm.engine.weights.digests import Digests
from farm.engine.weights.whereabouts import Weights
from shared.adapters import Adapter
from shared.catalog import Checkpoint
from shared.errors import Fault

# The pipeline by which a single file is taken apart, and what each family needs not.
PIPELINES = {
    "sd15": "StableDiffusionPipeline",
    "sdxl": "StableDiffusionXLImg2ImgPipeline",  # the only one that knows what a refiner is told
    "sd3": "StableDiffusion3Pipeline",
    "flux": "FluxPipeline",
}
NEEDLESS: dict[str, dict[str, Any]] = {
    "sd15": {"safety_checker": None, "requires_safety_checker": False},
    "sdxl": {"add_watermarker": False},
}
# What a folder's index may call itself, so that no family is given another's weights.
STEMS = {
    "sd15": ("StableDiffusion", "LatentConsistencyModel"),
    "sdxl": ("StableDiffusionXL",),
    "sd3": ("StableDiffusion3",),
    "flux": ("Flux",),
}
# Adapters that are models of their own, and the classes they may be.
PARTS = {
    "vae": ("AutoencoderKL", "AutoencoderTiny"),
    "controlnet": ("ControlNetModel", "SD3ControlNetModel", "FluxControlNetModel"),
}
SHAPES = 64
DENOISERS = ("unet", "transformer")
# diffusers does not say which blocks of these repeat.
REPEATED = {"SD3Transformer2DModel": ["JointTransformerBlock"]}
UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    NotImplementedError,  # a tensor that the file lacks was never made
    SafetensorError,
    SingleFileComponentError,
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """`sha256` stands for all the weights: a snapshot of other weights is told apart by it.

    `bytes` are those of its tensors on the device; `turn` is held while a forward of it runs.
    """

    name: str
    sha256: str
    family: Family
    bytes: int
    dtype: torch.dtype
    turn: AbstractContextManager[Any] = field(default_factory=Lock, compare=False, repr=False)


def load(
    checkpoint: Checkpoint,
    *,
    device: str,
    dtype: torch.dtype | None = None,
    adapters: Mapping[str, Adapter] | None = None,
    digests: Digests | None = None,
) -> Loaded:
    """Fault when the weights are not whole, not safe or not the family's; no `dtype`: as the row says.

    `adapters` are the catalog's: the checkpoint may wear one of them as its VAE.
    """
    known = digests or Digests()
    weights = whereabouts.look_up(checkpoint.weights, known)
    _check_family(checkpoint, weights)
    precision = dtype or dtype_for(checkpoint.dtype, device, bfloat16=_has_bfloat16(device))
    options: dict[str, Any] = {"device": device, "dtype": precision}
    components: dict[str, Any] = dict.fromkeys(_left_out(checkpoint))
    taken = weights.digests | {f"without {name}": "" for name in components}
    if checkpoint.vae:
        vae, its = load_part(_worn(checkpoint, adapters or {}), digests=known, **options)
        components["vae"] = vae
        taken |= {f"vae/{path}": digest for path, digest in its.digests.items()}
    with _reading(checkpoint.name):
        family = _family(checkpoint, weights, **options, **components)
    if checkpoint.compile:
        compile_blocks(family)
    size = bytes_of(family.modules)
    return Loaded(checkpoint.name, whereabouts.one_digest(taken), family, size, precision)


def _worn(checkpoint: Checkpoint, adapters: Mapping[str, Adapter]) -> Adapter:
    if checkpoint.vae not in adapters:
        sentence = f"The VAE {checkpoint.vae} of {checkpoint.name} is not among the adapters."
        raise Fault("weights_missing", sentence)
    return adapters[checkpoint.vae]


def load_part(
    adapter: Adapter, *, device: str, dtype: torch.dtype, digests: Digests | None = None
) -> tuple[Any, Weights]:
    """A VAE or a ControlNet, and the files that it came from; Fault as for a checkpoint."""
    weights = whereabouts.look_up(adapter.weights, digests or Digests())
    options = {"local_files_only": True, "dtype": dtype}
    with _reading(adapter.name):
        model = _part_class(adapter, weights)
        if weights.config:
            source = str(weights.path)
            part = model.from_single_file(source, config=str(weights.config), **options)
        else:
            part = model.from_pretrained(weights.path, use_safetensors=True, **options)
        return part.to(device).eval(), weights


def compile_blocks(family: Family, *, backend: str = "inductor") -> None:
    """The blocks that repeat, for any number of rows; the rest of a model stays as it is."""
    # Widths of the blocks times shapes of their rows: more than torch expects of one function.
    settings: Any = import_module("torch._dynamo").config
    settings.recompile_limit = max(SHAPES, settings.recompile_limit)
    for name in DENOISERS:
        model: Any = family.modules.get(name)
        if model is None:
            continue
        if not getattr(model, "_repeated_blocks", None):
            model._repeated_blocks = REPEATED.get(type(model).__name__)
        model.compile_repeated_blocks(fullgraph=True, dynamic=True, backend=backend)


def dtype_for(wanted: str, device: str, *, bfloat16: bool) -> torch.dtype:
    """`wanted` is a catalog's: what is named wins, "auto" is what the device is fast and safe with."""
    if wanted != "auto":
        named: torch.dtype = getattr(torch, wanted)
        return named
    if not device.startswith("cuda"):
        return torch.float32
    return torch.bfloat16 if bfloat16 else torch.float16


def bytes_of(modules: Mapping[str, nn.Module]) -> int:
    """Of every tensor's storage, once: tied weights and views take no room of their own."""
    storages = {}
    for module in modules.values():
        for tensor in chain(module.parameters(), module.buffers()):
            storage = tensor.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
    return sum(storages.values())


def _has_bfloat16(device: str) -> bool:
    """In hardware: emulated, it is slower than float16."""
    if not device.startswith("cuda"):
        return False
    with torch.cuda.device(device):
        return torch.cuda.is_bf16_supported(including_emulation=False)


def _left_out(checkpoint: Checkpoint) -> list[str]:
    """A text encoder that is left out takes its tokenizer along."""
    off = checkpoint.components_off
    encoders = (name for name in off if name.startswith("text_encoder"))
    return [*off, *(name.replace("text_encoder", "tokenizer") for name in encoders)]


def _check_family(checkpoint: Checkpoint, weights: Weights) -> None:
    folder = weights.config or weights.path
    index = folder / vetting.INDEX
    if not index.exists():
        sentence = f"The folder {folder} has no {vetting.INDEX}: it is no pipeline of diffusers."
        raise Fault("weights_unfit", sentence)
    pipeline = str(vetting.read_json(index)["_class_name"])
    # The longest stem decides: StableDiffusionXL... is also a StableDiffusion...
    stems = [(stem, family) for family, stems in STEMS.items() for stem in stems]
    fitting = [(len(stem), family) for stem, family in stems if pipeline.startswith(stem)]
    if max(fitting, default=(0, ""))[1] != checkpoint.family:
        sentence = f"{folder} holds a {pipeline}, which is not of the family {checkpoint.family}."
        raise Fault("weights_unfit", sentence)


def _family(
    checkpoint: Checkpoint, weights: Weights, *, device: str, dtype: torch.dtype, **components: Any
) -> Family:
    options = _options(checkpoint)
    if weights.config is None:
        load_folder = loader(checkpoint.family)
        family: Family = load_folder(
            weights.path, device=device, dtype=dtype, **options, **components
        )
        return family
    without = NEEDLESS.get(checkpoint.family, {}) | components
    pipeline = getattr(diffusers, PIPELINES[checkpoint.family]).from_single_file(
        str(weights.path), config=str(weights.config), local_files_only=True, dtype=dtype, **without
    )
    module: Any = import_module(FAMILIES[checkpoint.family])
    made: Family = module.from_pipeline(pipeline.to(device), **options)
    return made


def _options(checkpoint: Checkpoint) -> dict[str, Any]:
    """Only what the row asks for: the catalog has seen to it that the family knows it."""
    tokens, guided = checkpoint.max_sequence_length, checkpoint.true_cfg
    return ({"text_length": tokens} if tokens else {}) | ({"true_cfg": True} if guided else {})


def _part_class(adapter: Adapter, weights: Weights) -> Any:
    config = vetting.read_json((weights.config or weights.path) / "config.json")
    name = config.get("_class_name")
    if name not in PARTS.get(adapter.kind, ()):
        sentence = f"The {adapter.kind} {adapter.name} is of a class that cannot be one: {name}."
        raise Fault("weights_unfit", sentence)
    return getattr(diffusers, name)


@contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        reason = f"{type(error).__name__}: {error}"
        raise Fault("weights_unreadable", f"{name} cannot be loaded. {reason}") from error
