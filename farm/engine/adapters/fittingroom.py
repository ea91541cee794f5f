"""The confined process in which strangers' LoRAs are tried on (farm.tryon asks it).

A file is read as the engine reads it, and put on models that have every layer of the checkpoint and no memory
behind them: what is let in here fits there, and nothing of the file is ever run.
"""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import diffusers
import msgspec
import torch
import transformers
from torch import nn

from farm.engine.adapters import lorafiles, lorakeys
from farm.engine.adapters.lora import LoraBank
from farm.tryon import CANNOT, INDEX, UNSAFE, Fit, Trial
from shared.chamber import serve
from shared.errors import Refusal

MEMORY = 3 * 2**30  # the file, its tensors, and each matrix once more in double precision
# Who may wear a LoRA, and what builds it from its configuration.
MAKERS = {"diffusers": diffusers, "transformers": transformers}


def answer(question: bytes) -> bytes:
    return msgspec.msgpack.encode(_answer(question))


def _answer(question: bytes) -> Fit:
    trial = msgspec.msgpack.decode(question, type=Trial)
    try:
        banks = _banks(trial.config, trial.family)
    except Exception:
        return Fit(code=CANNOT)
    try:
        return _tried(trial, banks)
    except Refusal as refusal:
        return Fit(code=refusal.code, sentence=refusal.sentence)
    except Exception:  # also MemoryError
        return Fit(code="lora_unsafe", sentence=UNSAFE)


def _tried(trial: Trial, banks: dict[str, LoraBank]) -> Fit:
    parts = lorafiles.sorted_out(trial.data, trial.family).parts
    for component, bank in banks.items():
        bank.put("tried", parts.get(component, {}))
        bank.remove("tried")
    patches = [patch for part in parts.values() for patch in part.values()]
    return Fit(layers=len(patches), rank=max(patch.down.shape[0] for patch in patches))


@lru_cache(maxsize=8)
def _banks(config: str, family: str) -> dict[str, LoraBank]:
    """By component, of those that this checkpoint has."""
    folder = Path(config)
    index = json.loads((folder / INDEX).read_text())
    return {
        component: LoraBank(_model(folder / component, *index[component]))
        for component in lorakeys.COMPONENTS[family]
        if index.get(component, [None, None])[1] is not None
    }


def _model(folder: Path, library: str, name: str) -> nn.Module:
    """Layers and shapes without numbers; of half precision, in which a LoRA that is too strong shows."""
    maker: Any = getattr(MAKERS[library], name)
    with torch.device("meta"):
        if library == "diffusers":
            made: nn.Module = maker.from_config(maker.load_config(folder))
        else:
            made = maker(maker.config_class.from_pretrained(folder, local_files_only=True))
    return made.half()


if __name__ == "__main__":
    serve(answer, memory=MEMORY)
