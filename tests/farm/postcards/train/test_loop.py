import random
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from farm.postcards.train.config import Plan
from farm.postcards.train.loop import Loop
from farm.postcards.train.pictures import Mix, stray_picture
from farm.postcards.train.progress import Savepoint
from farm.postcards.train.team import Budget, Member

STEPS = 60


def train(folder: Path, *, steps: int) -> nn.Linear:
    """Learns y = 3x by the loop that all stages use."""
    torch.manual_seed(1)
    model = nn.Linear(1, 1)
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, 0.1)

    def learn(_: int) -> float:
        x = torch.randn(8, 1)
        loss = (model(x) - 3 * x).pow(2).mean()
        loss.backward()
        return loss.item()

    member = Member(0, 1, folder, "line")
    loop = Loop(member, Budget(steps=steps), 5, rate=lambda *_: 0.1, keep=lambda _: 0.5)
    loop.run(parameters, optimizer, learn)
    return model


def test_the_loop_learns(tmp_path: Path) -> None:
    assert train(tmp_path, steps=STEPS).weight.item() == pytest.approx(3, abs=0.1)
    assert (tmp_path / "line.log").read_text().endswith(f"steps {STEPS}\n")


def test_a_run_that_was_cut_off_ends_as_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("whole", "cut"):
        (tmp_path / folder).mkdir()
    whole = train(tmp_path / "whole", steps=STEPS)
    keep = Savepoint.keep

    def cut(self: Savepoint, step: int, share: float) -> None:
        self.every = 0.0
        keep(self, step, share)
        if step == STEPS // 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Savepoint, "keep", cut)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut", steps=STEPS)
    monkeypatch.setattr(Savepoint, "keep", keep)
    resumed = train(tmp_path / "cut", steps=STEPS)
    assert torch.equal(resumed.weight, whole.weight)


def test_every_stage_has_its_steps_written_down() -> None:
    plan = Plan.read()
    for name, section in plan.sections.items():
        assert section.get("steps", section.get("count", 0)) > 0, name
    assert plan.vae().budget == Budget(steps=plan.sections["vae"]["steps"])
    assert Plan.read(minutes=2.0).denoiser().budget == Budget(minutes=2.0)


def test_training_pictures_follow_their_chance() -> None:
    mix = Mix(strays=0.2, rolled=0.2, styled=0.3, recoloured=0.3)
    one, again = (
        [mix.picture(rng, (96, 64)) for _ in range(40)]
        for rng in (random.Random(2), random.Random(2))
    )
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert {picture.shape for picture in one} == {(64, 96, 3)}
    assert {picture.dtype for picture in one} == {np.dtype(np.uint8)}


def test_strays_are_of_many_kinds() -> None:
    numbers = np.random.default_rng(3)
    assert len({stray_picture(numbers, (64, 64)).tobytes() for _ in range(20)}) == 20
