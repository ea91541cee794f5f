"""A real pool of tiny checkpoints that were built in memory: only the reading of files is replaced."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from farm.engine.families import Family
from farm.engine.memory.pool import Pool
from farm.engine.weights.checkpoints import Loaded, bytes_of
from shared.catalog import Catalog, Checkpoint

Build = Callable[[torch.dtype], Family]


def pool_of(
    catalog: Catalog, builds: Mapping[str, tuple[str, Build]], *, device: str = "cpu", **pool: Any
) -> Pool:
    """`builds`: checkpoint name -> its family's name and how to build it in a precision.

    They are built on the host; the pool brings them to its device.
    """
    plain = catalog.get(catalog.default)
    rows = {
        name: replace(plain, name=name, family=kind, tier="warm", samplers=())
        for name, (kind, _) in builds.items()
    }

    def load(checkpoint: Checkpoint, *, dtype: torch.dtype, **_: Any) -> Loaded:
        family = builds[checkpoint.name][1](dtype)
        return Loaded(checkpoint.name, checkpoint.name, family, bytes_of(family.modules), dtype)

    shelf = replace(catalog, checkpoints=rows, default=next(iter(rows)))
    return Pool(shelf, device=device, load=load, **pool)
