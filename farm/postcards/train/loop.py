"""The loop that every team training shares: one step, one exchange of gradients, one average."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from farm.postcards.train.progress import Average, Savepoint
from farm.postcards.train.team import Budget, Member, paced

SAY_EVERY = 100


@dataclass(frozen=True)
class Loop:
    member: Member
    budget: Budget
    seed: int
    rate: Callable[[int, float], float]
    """The learning rate at a step and a share of the budget."""
    keep: Callable[[int], float]
    """How much of the moving average a step keeps."""

    def run(
        self,
        parameters: list[nn.Parameter],
        optimizer: torch.optim.Optimizer,
        learn: Callable[[int], float],
    ) -> None:
        """`learn` leaves gradients behind and returns an error to report; ends on the average."""
        average = Average(parameters)
        savepoint = Savepoint(self.member, parameters, optimizer, average)
        errors: list[float] = []
        start = savepoint.resume()
        step = start[0]
        for step, share in paced(self.member, self.budget, start=start):
            for group in optimizer.param_groups:
                group["lr"] = self.rate(step, share)
            torch.manual_seed(self.seed * 10_000_000 + step * self.member.size + self.member.rank)
            errors.append(learn(step))
            self.member.share_gradients(parameters)
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            average.update(self.keep(step))
            savepoint.keep(step + 1, share)
            if step % SAY_EVERY == SAY_EVERY - 1:
                self.member.say(f"{step + 1} {share:.4f} error {np.mean(errors):.5f}")
                errors.clear()
        average.put_in()
        self.member.say(f"steps {step + 1}")
