"""Pictures that stray: noise in what the model is told, less at each step (CADS, arXiv 2310.17347).

`chaos` is each picture's own noise, loud while the composition is found and gone while it is drawn, so
that the pictures of a grid differ and still show what was asked for. `weird` is one noise for all that
is drawn of the same words, and stays to the end.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from farm.engine.families import Conditioning, Laid, Stray
from farm.engine.guidance import carried
from farm.engine.samplers import generator_for
from shared.spec import RenderSpec

WORDS = ("texts", "pooled")  # what a conditioning says in words; sizes and guidance never stray
WILDEST, WEIRDEST = 0.92, 0.72  # share of the noise in the variance at 1; more and no word is left
FELT = 0.25  # as a power: below half of the variance hardly anything changes
HELD, ENDED = 0.15, 0.6  # of its evaluations: as loud as asked until here, silent from there


def led_away(spec: RenderSpec, told: Conditioning) -> Conditioning:
    """By the words and no seed: relatives of a picture, and a reroll, stray the same way."""
    if not spec.weird:
        return told
    noise = _noise(told.towards, f"weird {spec.texts}")
    signal, loud = _weights(WEIRDEST * spec.weird**FELT)
    led = {
        name: rows + signal * _drift(rows) + loud * noise[name]
        for name, rows in told.towards.items()
        if name in noise
    }
    return replace(told, towards={**told.towards, **led})


def strayed(spec: RenderSpec, told: Conditioning, *, index: int, evaluations: int) -> Conditioning:
    """What picture `index` is told. The job's own conditioning where nothing strays."""
    if not spec.chaos:
        return told
    seed = spec.seed if spec.variation else spec.image_seed(index)  # a variation keeps the likeness
    noise = _noise(told.towards, f"chaos {seed}")
    drift = {name: _drift(told.towards[name]) for name in noise}
    most = WILDEST * spec.chaos**FELT
    levels = [most * loudness(k / evaluations) for k in range(evaluations)]
    return replace(told, stray=Stray(drift, noise, tuple(levels)))


def loudness(share: float) -> float:
    """Of the noise, when so much of the way is done: 1, then falling to 0."""
    return min(1.0, max(0.0, (ENDED - share) / (ENDED - HELD)))


def _noise(told: Mapping[str, Tensor], origin: str) -> dict[str, Tensor]:
    """As wide in each channel as the words are, on the CPU whatever the device."""
    seed = int.from_bytes(hashlib.sha256(origin.encode()).digest()[:6])
    generator = generator_for(seed)
    found = {name: told[name] for name in WORDS if name in told}
    return {
        name: carried(torch.randn(rows.shape, generator=generator), rows.device).to(rows.dtype)
        * rows.std(1, keepdim=True)
        for name, rows in found.items()
    }


def _drift(rows: Tensor) -> Tensor:
    """What each token (1, n, channels) is beyond their mean, a pooled text (1, n) beyond its own."""
    return rows - rows.mean(1, keepdim=True)


def _weights(level: float) -> tuple[float, float]:
    """What is added of the words' own drift, and of the noise; none at level 0, and the variance stays."""
    return (1 - level) ** 0.5 - 1, level**0.5


class Straying:
    """The noise of those rows of a cohort that stray, laid out for its next forwards."""

    def __init__(self, strays: Mapping[int, Stray], steps: Mapping[int, int], horizon: int) -> None:
        rows, some = [*strays], [*strays.values()]
        device = next(iter(some[0].noise.values())).device
        self.rows = carried(torch.tensor(rows), device)
        self.drift = {name: torch.cat([one.drift[name] for one in some]) for name in some[0].drift}
        self.noise = {name: torch.cat([one.noise[name] for one in some]) for name in some[0].noise}
        ahead = [strays[row].levels[steps[row] : steps[row] + horizon] for row in rows]
        self.levels = torch.tensor(ahead).t().contiguous()
        weights = [[_weights(level) for level in levels] for levels in ahead]
        dtype = next(iter(self.noise.values())).dtype
        self.weights = carried(torch.tensor(weights, dtype=dtype).permute(1, 2, 0), device)

    def told(self, laid: Laid, at: int) -> Laid:
        """A row whose noise has ended is told the very words again, whoever runs beside it."""
        if not bool(self.levels[at].any()):
            return laid
        changed = {name: self._mixed(laid.tensors[name], name, at) for name in self.noise}
        return replace(laid, tensors={**laid.tensors, **changed})

    def _mixed(self, rows: Tensor, name: str, at: int) -> Tensor:
        signal, loud = (_wide(one, rows) for one in self.weights[at])
        drifting = signal * self.drift[name]
        noise = loud * self.noise[name]
        return rows.index_copy(0, self.rows, rows.index_select(0, self.rows) + drifting + noise)


def _wide(weights: Tensor, like: Tensor) -> Tensor:
    return weights.view(-1, *(1,) * (like.dim() - 1))


def straying(
    conditionings: Sequence[Conditioning], steps: Sequence[int], horizon: int
) -> Straying | None:
    """None where every row is told its job's own words."""
    strays = {row: one.stray for row, one in enumerate(conditionings) if one.stray is not None}
    ahead = {row: strays[row].levels[steps[row] : steps[row] + horizon] for row in strays}
    loud = {row: one for row, one in strays.items() if any(ahead[row])}
    return Straying(loud, {row: steps[row] for row in loud}, horizon) if loud else None
