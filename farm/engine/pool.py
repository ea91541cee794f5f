"""Checkpoints that are warm on this device."""

import logging
import time
from collections import OrderedDict
from collections.abc import Collection

import torch

from farm.engine import checkpoints
from farm.engine.checkpoints import Loaded
from shared.catalog import Catalog

log = logging.getLogger(__name__)

Key = tuple[str, torch.dtype]


class Pool:
    """Keeps the `kept` checkpoints used last, besides those in use. The default one always stays."""

    def __init__(
        self, catalog: Catalog, *, device: str, dtype: torch.dtype = torch.float32, kept: int = 2
    ) -> None:
        self.catalog = catalog
        self.device = device
        self.dtype = dtype
        self._kept = kept
        self._loaded: OrderedDict[Key, Loaded] = OrderedDict()

    @property
    def warm(self) -> list[str]:
        return sorted({name for name, _ in self._loaded})

    def is_warm(self, name: str, dtype: torch.dtype | None = None) -> bool:
        return (name, dtype or self.dtype) in self._loaded

    def get(self, name: str, dtype: torch.dtype | None = None) -> Loaded:
        """Refusal for a name the catalog does not know, Fault for weights that are not whole."""
        key = (name, dtype or self.dtype)
        if key not in self._loaded:
            self._loaded[key] = self._load(key)
        self._loaded.move_to_end(key)
        return self._loaded[key]

    def trim(self, in_use: Collection[Loaded]) -> None:
        """Let go of the least recently used beyond what is kept."""
        spare = [key for key, one in self._loaded.items() if self._may_go(key, one, in_use)]
        for key in spare[: max(0, len(self._loaded) - self._kept)]:
            log.info("Checkpoint %s leaves the device.", key[0])
            del self._loaded[key]

    def _may_go(self, key: Key, loaded: Loaded, in_use: Collection[Loaded]) -> bool:
        return key != (self.catalog.default, self.dtype) and loaded not in in_use

    def _load(self, key: Key) -> Loaded:
        name, dtype = key
        started = time.perf_counter()
        loaded = checkpoints.load(self.catalog.get(name), device=self.device, dtype=dtype)
        loaded.family.warm()
        log.info("Checkpoint %s is warm after %.1f s.", name, time.perf_counter() - started)
        return loaded
