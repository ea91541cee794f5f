"""Saved training states, so that a crash costs at most a minute; and the moving average."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from farm.postcards.train.team import Member


class Average:
    """A moving average of parameters: the weights that are kept."""

    def __init__(self, parameters: list[nn.Parameter]) -> None:
        self._parameters = parameters
        self.values = [p.detach().clone() for p in parameters]

    def update(self, keep: float) -> None:
        torch._foreach_lerp_(self.values, [p.detach() for p in self._parameters], 1 - keep)

    @torch.no_grad()
    def put_in(self) -> list[torch.Tensor]:
        """Moves the average into the model and returns what was there."""
        before = [p.detach().clone() for p in self._parameters]
        self.restore(self.values)
        return before

    @torch.no_grad()
    def restore(self, values: list[torch.Tensor]) -> None:
        for p, value in zip(self._parameters, values, strict=True):
            p.copy_(value)


@dataclass
class Savepoint:
    member: Member
    parameters: list[nn.Parameter]
    optimizer: torch.optim.Optimizer
    average: Average
    every: float = 60.0
    _saved: float = field(default_factory=time.monotonic)

    @property
    def path(self) -> Path:
        return self.member.folder / f"{self.member.stage}.state"

    def resume(self) -> tuple[int, float]:
        """The (step, share of the budget used) to continue from."""
        if not self.path.exists():
            return 0, 0.0
        state: dict[str, Any] = torch.load(self.path, weights_only=True)
        self.average.restore(state["parameters"])
        self.average.values = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        return state["step"], state["share"]

    def keep(self, step: int, share: float) -> None:
        now = time.monotonic()
        if not self.member.leads or now - self._saved < self.every:
            return
        self._saved = now
        state = {
            "parameters": [p.detach() for p in self.parameters],
            "average": self.average.values,
            "optimizer": self.optimizer.state_dict(),
            "step": step,
            "share": share,
        }
        fresh = self.path.with_suffix(".part")
        torch.save(state, fresh)
        fresh.replace(self.path)
