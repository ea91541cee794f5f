"""How strong a LoRA is: alpha / rank, where the file says so; 1 where it does not."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from shared.errors import Refusal

METADATA = "lora_adapter_metadata"  # where diffusers keeps PEFT's settings, by component
# PEFT takes these for regular expressions; a stranger's could run for hours.
PLAIN_PATH = re.compile(r"\^?[A-Za-z0-9_.]+")


@dataclass(frozen=True, slots=True)
class Scales:
    """`alphas` by the identity of the down matrix: translation changes names, seldom tensors."""

    alphas: Mapping[int, float]
    settings: Mapping[str, Any]

    @classmethod
    def read(cls, alphas: Mapping[int, float], metadata: Mapping[str, str]) -> "Scales":
        try:
            settings = json.loads(metadata.get(METADATA, "{}"))
        except (ValueError, RecursionError) as error:
            raise _unreadable() from error
        if not isinstance(settings, dict):
            raise _unreadable()
        return cls(alphas, settings)

    def under(self, component: str) -> "Scales":
        prefix = f"{component}."
        own = {k.removeprefix(prefix): v for k, v in self.settings.items() if k.startswith(prefix)}
        if own.get("use_dora"):
            raise Refusal("lora_unsupported", "This file holds DoRA. Only plain LoRA can be used.")
        _check_patterns(own.get("alpha_pattern") or {})
        return Scales(self.alphas, own)

    def of(self, path: str, down: Tensor) -> float:
        rank = down.shape[0]
        if id(down) in self.alphas:
            return self.alphas[id(down)] / rank
        alpha = self._pattern(path)
        if alpha is None:
            return 1.0
        if type(alpha) not in (int, float) or not 0 < alpha < math.inf:
            raise _unreadable()
        return alpha / (math.sqrt(rank) if self.settings.get("use_rslora") else rank)

    def _pattern(self, path: str) -> Any:
        for key, alpha in (self.settings.get("alpha_pattern") or {}).items():
            inside = not key.startswith("^") and path.endswith(f".{key}")
            if inside or path == key.removeprefix("^"):
                return alpha
        return self.settings.get("lora_alpha")


def _check_patterns(patterns: object) -> None:
    if not isinstance(patterns, dict) or not all(PLAIN_PATH.fullmatch(key) for key in patterns):
        raise _unreadable()


def _unreadable() -> Refusal:
    sentence = "The LoRA's settings in its metadata cannot be read. Export it as diffusers does."
    return Refusal("lora_bad_alpha", sentence)
