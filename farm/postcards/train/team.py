"""Two single-thread workers that share each step: on busy cores they beat two threads in one."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.multiprocessing.spawn import spawn

WORKERS = 2


@dataclass(frozen=True)
class Budget:
    """How long a stage runs: by steps, or by minutes when the steps are still to be found out."""

    steps: int = 0
    minutes: float = 0.0


@dataclass(frozen=True)
class Member:
    rank: int
    size: int
    folder: Path
    stage: str

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def say(self, line: str) -> None:
        if self.leads:
            with (self.folder / f"{self.stage}.log").open("a") as log:
                log.write(line + "\n")

    def share_gradients(self, parameters: list[nn.Parameter]) -> None:
        """Averages the gradients of all members in one message."""
        if self.size == 1:
            return
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([g.reshape(-1) for g in grads])
        dist.all_reduce(flat)
        flat /= self.size
        start = 0
        for p in parameters:
            p.grad = flat[start : start + p.numel()].view(p.shape)
            start += p.numel()


def run_team(work: Callable[[Member], None], *, folder: Path, stage: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as meeting:
        arguments = (work, folder, stage, f"{meeting}/store")
        spawn(_join, arguments, nprocs=WORKERS)


def _join(
    rank: int, work: Callable[[Member], None], folder: Path, stage: str, meeting: str
) -> None:
    os.nice(5)
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=WORKERS)
    work(Member(rank, WORKERS, folder, stage))
    dist.destroy_process_group()


def paced(
    member: Member, budget: Budget, *, start: tuple[int, float]
) -> Iterator[tuple[int, float]]:
    """Steps with the share of the budget already used; the leader's clock counts for all."""
    step, used = start
    began = time.monotonic()
    while True:
        share = used + (time.monotonic() - began) / 60 / _minutes(member, budget)
        share = step / budget.steps if budget.steps else _leaders(member, share)
        if share >= 1:
            return
        yield step, share
        step += 1


def _minutes(member: Member, budget: Budget) -> float:
    """A file `<stage>.minutes` in the work folder changes the length of a running stage."""
    override = member.folder / f"{member.stage}.minutes"
    return float(override.read_text()) if override.exists() else max(budget.minutes, 1e-6)


def _leaders(member: Member, share: float) -> float:
    box = torch.tensor([share], dtype=torch.float64)
    if member.size > 1:
        dist.broadcast(box, 0)
    return float(box.item())
