"""Models in a local folder, as transformers writes them: safetensors, no code, every tensor there."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError
from transformers import AutoImageProcessor, CLIPImageProcessorPil

from farm.safety.declarations import Declaration
from farm.safety.seal import Seal
from shared.errors import Fault

UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError)
LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
SETTINGS = "preprocessor_config.json"

Prepare = Callable[[Sequence[Image.Image]], torch.Tensor]


@contextmanager
def opened(declared: Declaration) -> Iterator[tuple[Path, Seal]]:
    """The folder, once it is what its manifest says; Fault when it is not, or cannot be loaded."""
    assert declared.folder is not None
    seal = Seal.of_folder(declared.folder)
    try:
        yield declared.folder, seal
    except (*UNREADABLE, ImportError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:300]
        sentence = (
            f"The image detector {declared.name} cannot be loaded: {type(error).__name__}: {reason}"
        )
        raise Fault("detector_unreadable", sentence) from error


def load(model: Any, folder: Path, *, device: str, **options: Any) -> Any:
    """ValueError when the file lacks a tensor: what is missing would be made up at random."""
    loaded, told = model.from_pretrained(
        folder,
        local_files_only=True,
        use_safetensors=True,
        dtype=torch.float32,
        output_loading_info=True,
        **options,
    )
    lacking = [*told["missing_keys"], *told["mismatched_keys"]]
    if lacking:
        raise ValueError(f"its file lacks {len(lacking)} tensors, such as {lacking[0]}")
    return loaded.to(device).eval()


def preparation(folder: Path, *, device: str) -> Prepare:
    """As the folder's own settings say, by Pillow: the same on every host."""
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil", **LOCAL)
    return _prepare(processor, device)


def clip_preparation(folder: Path, side: int, *, device: str) -> Prepare:
    """As CLIP's, for a folder that came without settings of its own."""
    if (folder / SETTINGS).exists():
        return preparation(folder, device=device)
    crop = {"height": side, "width": side}
    return _prepare(CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size=crop), device)


def _prepare(processor: Any, device: str) -> Prepare:
    def prepare(images: Sequence[Image.Image]) -> torch.Tensor:
        pixels: torch.Tensor = processor(list(images), return_tensors="pt")["pixel_values"]
        return pixels.to(device)

    return prepare
