"""From final latents to pixels, beside the loop: in chunks, tiled if it must be."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from farm.engine.failures import is_out_of_memory
from farm.engine.families import Family
from farm.engine.messages import Picture
from farm.engine.pixels import pictures_of

log = logging.getLogger(__name__)

CHUNK = 4  # pictures decoded at once: a grid; more would only take more memory


class Decoder:
    """Its own stream on a GPU, so that the loop's forwards go on while pictures are decoded."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    def mark(self) -> Any:
        """Called by the loop: what was asked of the device until now must be done first."""
        if self._stream is None:
            return None
        return torch.cuda.current_stream(self.device).record_event()

    def pictures(
        self, family: Family, latents: Sequence[Tensor], seeds: Sequence[int], after: Any
    ) -> tuple[list[Picture], float]:
        """Pictures and milliseconds. ArithmeticError when pixels are no numbers."""
        started = time.perf_counter()
        with self._behind(after):
            pixels = [self._decode(family, torch.cat(list(part))) for part in _chunks(latents)]
        return pictures_of(torch.cat(pixels), seeds), (time.perf_counter() - started) * 1e3

    @contextmanager
    def _behind(self, after: Any) -> Iterator[None]:
        if self._stream is None:
            yield
            return
        with torch.cuda.stream(self._stream):
            self._stream.wait_event(after)
            yield

    def _decode(self, family: Family, latents: Tensor) -> Tensor:
        """All at once; short of memory one by one; short of that, each in tiles."""
        attempts: list[Callable[[], Tensor]] = [
            lambda: family.decode(latents),
            lambda: torch.cat([family.decode(one) for one in latents.split(1)]),
            lambda: _tiled(family, latents),
        ]
        for attempt in attempts[:-1]:
            try:
                return attempt()
            except Exception as problem:
                if not is_out_of_memory(problem):
                    raise
                log.warning("Out of memory while decoding: trying with less at once.")
        return attempts[-1]()


def _tiled(family: Family, latents: Tensor) -> Tensor:
    vae: Any = family.modules["vae"]
    vae.enable_tiling()
    try:
        return torch.cat([family.decode(one) for one in latents.split(1)])
    finally:
        vae.disable_tiling()


def _chunks(latents: Sequence[Tensor]) -> Iterator[Sequence[Tensor]]:
    for start in range(0, len(latents), CHUNK):
        yield latents[start : start + CHUNK]
