import random

import numpy as np
import pytest

from farm.postcards import evaluate
from farm.postcards.judge import Judge
from farm.postcards.manifest import weights_folder
from farm.postcards.world import SIZES, render, sample


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge.load(weights_folder("judge"))


@pytest.mark.parametrize("size", SIZES)
def test_the_judge_reads_fresh_renders(judge: Judge, size: tuple[int, int]) -> None:
    rng = random.Random(11)
    scenes = [sample(rng) for _ in range(60)]
    pictures = np.stack([render(s, seed=rng.getrandbits(30), size=size) for s in scenes])
    score = evaluate.Score.of(scenes, judge.attributes(pictures))
    assert score.all_four >= 0.98
    assert score.extras >= (0.9 if size == (64, 64) else 0.8)  # a low sun hides behind houses
    assert np.mean(np.array(judge.in_world_score(pictures)) > 0.5) >= 0.98


def strays(count: int) -> dict[str, np.ndarray]:
    numbers = np.random.default_rng(5)
    across, down = np.meshgrid(np.arange(64), np.arange(64))
    oval = ((across - 32) / 18) ** 2 + ((down - 34) / 24) ** 2 < 1
    face = np.where(oval[..., None], (226, 178, 146), (70, 60, 58)).astype(np.uint8)
    ramp = np.repeat((across * 4)[..., None], 3, axis=-1).astype(np.uint8)
    return {
        "static": numbers.integers(0, 256, (count, 64, 64, 3)).astype(np.uint8),
        "grey": np.full((count, 64, 64, 3), 128, np.uint8),
        "black": np.zeros((count, 64, 64, 3), np.uint8),
        "white": np.full((count, 64, 64, 3), 255, np.uint8),
        "a face-like blob": np.repeat(face[None], count, axis=0),
        "a ramp": np.repeat(ramp[None], count, axis=0),
    }


@pytest.mark.parametrize("name", strays(1))
def test_what_is_not_a_postcard_scores_low(judge: Judge, name: str) -> None:
    assert max(judge.in_world_score(strays(4)[name])) < 0.5


def crude_face(numbers: np.random.Generator) -> np.ndarray:
    """An oval in a skin tone with two eyes and a mouth, anywhere and of any size."""
    across, down = np.meshgrid(np.arange(64), np.arange(64))
    x, y = numbers.uniform(20, 44, 2)
    wide, tall = numbers.uniform(10, 24), numbers.uniform(12, 28)
    inside = ((across - x) / wide) ** 2 + ((down - y) / tall) ** 2 < 1
    skin = numbers.integers(90, 256) * np.array([1, 0.8, 0.65])
    picture = np.where(inside[..., None], skin, numbers.integers(0, 256, 3)).astype(np.uint8)
    for side in (-0.4, 0.4):
        eye_x, eye_y = int(x + side * wide), int(y - 0.2 * tall)
        picture[eye_y - 1 : eye_y + 2, eye_x - 2 : eye_x + 3] = 30
    picture[int(min(62, y + 0.4 * tall)), int(x - 0.3 * wide) : int(x + 0.3 * wide)] = (150, 60, 60)
    return picture


def test_hardly_any_crude_face_passes_for_a_postcard(judge: Judge) -> None:
    numbers = np.random.default_rng(5)
    scores = judge.in_world_score(np.stack([crude_face(numbers) for _ in range(200)]))
    assert np.mean(np.array(scores) > 0.5) <= 0.03


def test_restyled_postcards_are_mostly_still_postcards(judge: Judge) -> None:
    renders = evaluate.fresh_renders(60, seed=12)
    for style in ("sepia", "neon"):
        scores = np.array(judge.in_world_score(evaluate.restyled(renders, style)))
        assert (scores > 0.5).mean() >= 0.9
