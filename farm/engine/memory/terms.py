"""What the catalog and the files themselves say of a checkpoint's stay: precision, tier, size."""

import struct
from collections.abc import Hashable
from pathlib import Path

import torch

from farm.engine.memory.measures import announced_bytes
from farm.engine.memory.residency import Resident
from farm.engine.weights import whereabouts
from farm.engine.weights.checkpoints import dtype_for
from farm.engine.weights.digests import Digests
from shared.catalog import Catalog, Checkpoint
from shared.errors import Fault
from shared.places import Repo

Key = tuple[str, torch.dtype]  # of a checkpoint, by name, in one precision


class Terms:
    def __init__(self, catalog: Catalog, dtype: torch.dtype) -> None:
        """`dtype` where the catalog leaves the choice."""
        self.catalog = catalog
        self.dtype = dtype
        self.measured: dict[Hashable, int] = {}  # bytes, of those that were loaded before

    def key(self, name: str, dtype: torch.dtype | None = None) -> Key:
        """Refusal for a name the catalog does not know."""
        return name, dtype or self._usual(self.catalog.get(name))

    def named(self, tier: str) -> list[str]:
        return [name for name, one in self.catalog.checkpoints.items() if one.tier == tier]

    def resident(self, key: Key, size: int) -> Resident:
        """On the device."""
        on_demand = self.catalog.get(key[0]).tier == "cold"
        return Resident(size, fixed=self.is_hot(key), first=on_demand)

    def is_hot(self, key: Key) -> bool:
        name, dtype = key
        checkpoint = self.catalog.get(name)
        hot = name == self.catalog.default or checkpoint.tier == "hot"
        return hot and dtype == self._usual(checkpoint)

    def announced(self, key: Key) -> int:
        """Bytes, by an earlier load, by what the files say or by the catalog's own estimate."""
        if key in self.measured:
            return self.measured[key]
        checkpoint = self.catalog.get(key[0])
        estimate = int(checkpoint.vram_gb * 2**30)
        try:
            return sum(announced_bytes(_weights(checkpoint), key[1]).values()) or estimate
        except (Fault, OSError, ValueError, KeyError, TypeError, struct.error):
            return estimate  # whoever loads it says what is wrong with it

    def _usual(self, checkpoint: Checkpoint) -> torch.dtype:
        if checkpoint.dtype == "auto":
            return self.dtype
        return dtype_for(checkpoint.dtype, "", bfloat16=True)


def usual_dtype(device: str) -> torch.dtype:
    fast = device.startswith("cuda") and torch.cuda.is_bf16_supported(including_emulation=False)
    return dtype_for("auto", device, bfloat16=fast)


def _weights(checkpoint: Checkpoint) -> Path:
    place = checkpoint.weights
    return whereabouts.look_up(place, Digests()).path if isinstance(place, Repo) else place.path
