import random
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from farm.postcards.world import (
    COLOUR_NAMES,
    EXTRAS,
    GROUNDS,
    SIZES,
    SUBJECTS,
    TIMES,
    Scene,
    held_out,
    render,
    sample,
)

PLAIN = Scene("castle", "red", "grass", "day")


def test_the_world_has_the_promised_extent() -> None:
    assert (len(SUBJECTS), len(COLOUR_NAMES), len(GROUNDS), len(TIMES)) == (18, 8, 5, 4)


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_subject_shows_its_colour_everywhere(subject: str) -> None:
    for ground, time in product(GROUNDS, TIMES):
        scene = Scene(subject, "red", ground, time)
        red, blue = (render(s, seed=1) for s in (scene, replace(scene, colour="blue")))
        assert red.shape == (64, 64, 3)
        assert (red != blue).any(axis=-1).sum() > 60


@pytest.mark.parametrize(("attribute", "values"), [("ground", GROUNDS), ("time", TIMES)])
def test_grounds_and_times_differ_over_much_of_the_picture(
    attribute: str, values: tuple[str, ...]
) -> None:
    changes: list[dict[str, Any]] = [{attribute: value} for value in values]
    pictures = [render(replace(PLAIN, **change), seed=1) for change in changes]
    for one, other in product(range(len(values)), repeat=2):
        if one < other:
            assert (pictures[one] != pictures[other]).any(axis=-1).mean() > 0.15


@pytest.mark.parametrize("extra", EXTRAS)
@pytest.mark.parametrize("time", TIMES)
def test_each_extra_can_be_seen(extra: str, time: str) -> None:
    scene = replace(PLAIN, time=time)
    with_it = replace(scene, extras=(extra,), birds=2 if extra == "birds" else 0)
    changed = (render(scene, seed=3) != render(with_it, seed=3)).any(axis=-1)
    assert changed.sum() >= 20


def test_more_birds_leave_more_marks() -> None:
    def marks(count: int) -> int:
        scene = replace(PLAIN, extras=("birds",), birds=count)
        return int((render(scene, seed=3) != render(PLAIN, seed=3)).any(axis=-1).sum())

    assert 0 < marks(1) < marks(2) < marks(3)


def test_the_same_seed_paints_the_same_picture() -> None:
    rng = random.Random(4)
    for size in SIZES:
        scene = sample(rng)
        again = render(scene, seed=9, size=size)
        assert np.array_equal(render(scene, seed=9, size=size), again)
        assert again.shape == (size[1], size[0], 3)


def test_seeds_move_the_subject_about() -> None:
    assert len({render(PLAIN, seed=seed).tobytes() for seed in range(40)}) > 8


def test_samples_cover_every_extra_and_respect_the_bird_count() -> None:
    rng = random.Random(5)
    scenes = [sample(rng) for _ in range(500)]
    assert {extra for scene in scenes for extra in scene.extras} == set(EXTRAS)
    assert all((scene.birds > 0) == ("birds" in scene.extras) for scene in scenes)
    assert max(len(scene.extras) for scene in scenes) == 3


def test_held_out_combinations_are_fixed_and_distinct() -> None:
    assert held_out() == held_out()
    assert len(set(held_out())) == 200
