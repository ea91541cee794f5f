"""What the catalog and the files themselves say of a checkpoint's stay: precision, tier, size."""

import struct
from collections.abc import Hashable
from pathlib import Path

import torch

from farm.engine.memory import announced_bytes
from farm.engine.residency import Resident
from shared.catalog import Catalog, Checkpoint

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
        return [name for name, one in self.catalog.checkpoints.items() if _tier(one) == tier]

    def resident(self, key: Key, size: int) -> Resident:
        """On the device."""
        on_demand = _tier(self.catalog.get(key[0])) == "cold"
        return Resident(size, fixed=self.is_hot(key), first=on_demand)

    def is_hot(self, key: Key) -> bool:
        name, dtype = key
        checkpoint = self.catalog.get(name)
        hot = name == self.catalog.default or _tier(checkpoint) == "hot"
        return hot and dtype == self._usual(checkpoint)

    def announced(self, key: Key) -> int:
        """Bytes, by an earlier load or else by what the files say; 0 when they say nothing."""
        name, dtype = key
        if key in self.measured:
            return self.measured[key]
        try:
            return sum(announced_bytes(_weights(self.catalog.get(name)), dtype).values())
        except (OSError, ValueError, KeyError, TypeError, struct.error):
            return 0  # whoever loads it says what is wrong with it

    def _usual(self, checkpoint: Checkpoint) -> torch.dtype:
        named = getattr(torch, str(getattr(checkpoint, "dtype", "auto")), None)
        return named if isinstance(named, torch.dtype) else self.dtype


def usual_dtype(device: str) -> torch.dtype:
    return torch.bfloat16 if device.startswith("cuda") else torch.float32


def _tier(checkpoint: Checkpoint) -> str:
    return str(getattr(checkpoint, "tier", "warm"))


def _weights(checkpoint: Checkpoint) -> Path:
    place = getattr(getattr(checkpoint, "weights", None), "path", None)
    return place if isinstance(place, Path) else checkpoint.folder
