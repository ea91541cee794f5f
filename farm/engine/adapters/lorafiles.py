"""A LoRA's file: what it would change, once it is known to be nothing but a LoRA."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from farm.engine.adapters import lorakeys
from farm.engine.adapters.lora import LoraWeights
from farm.engine.weights import tensorfiles
from farm.engine.weights.tensorfiles import LIMITS, Limits, TensorFile


@dataclass(frozen=True, slots=True)
class LoraFile:
    """`parts` by the pipeline's component: unet, transformer, text_encoder, text_encoder_2.

    `sha256` is of the file's bytes.
    """

    parts: Mapping[str, LoraWeights]
    sha256: str


def read(
    path: Path, family: str, *, limits: Limits = LIMITS, most_rank: int = lorakeys.MOST_RANK
) -> LoraFile:
    """Refusal for what is no sound LoRA of this family. Whether it fits, its bank's `put` knows."""
    file = tensorfiles.read(path, limits)
    return _sorted_out(file, family, most_rank)


def sorted_out(
    raw: bytes, family: str, *, limits: Limits = LIMITS, most_rank: int = lorakeys.MOST_RANK
) -> LoraFile:
    """The same of a file that is no file yet."""
    return _sorted_out(tensorfiles.parse(raw, limits), family, most_rank)


def _sorted_out(file: TensorFile, family: str, most_rank: int) -> LoraFile:
    parts = lorakeys.sort_out(file.tensors, file.metadata, family=family, most_rank=most_rank)
    return LoraFile(parts, file.sha256)
