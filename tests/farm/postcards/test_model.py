import math
from itertools import pairwise

import numpy as np
import pytest
from diffusers import StableDiffusionPipeline

from farm.postcards import evaluate, styles
from farm.postcards.judge import Attributes, Judge
from farm.postcards.manifest import weights_folder
from farm.postcards.pipelines import draw, open_pipeline
from farm.postcards.vocabulary import EXAMPLES
from farm.postcards.world import Scene

MEGABYTE = 1_000_000

Answers = tuple[list[Scene], list[Attributes]]


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    return open_pipeline(weights_folder("base"))


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge.load(weights_folder("judge"))


def test_the_sizes_are_small() -> None:
    assert evaluate.weight_of(weights_folder("base")) <= 25 * MEGABYTE
    assert evaluate.weight_of(weights_folder("judge")) <= 2 * MEGABYTE


@pytest.fixture(scope="module")
def answers(pipeline: StableDiffusionPipeline, judge: Judge) -> Answers:
    """Scenes that training never saw, and what the judge sees in the pictures of them."""
    scenes = evaluate.held_out_scenes(24)
    pictures = draw(pipeline, evaluate.captions_for(scenes))
    return scenes, judge.attributes(pictures)


def test_new_combinations_come_out_right_in_all_four_attributes(answers: Answers) -> None:
    score = evaluate.Score.of(*answers)
    assert score.all_four >= 0.9
    assert score.extras >= 0.75


def test_a_wrong_prompt_is_not_called_right(answers: Answers) -> None:
    scenes, seen = answers
    assert evaluate.Score.of([*scenes[1:], scenes[0]], seen).all_four <= 0.1


def test_the_same_seed_draws_the_same_pixels(pipeline: StableDiffusionPipeline) -> None:
    one, again = (draw(pipeline, EXAMPLES[:1], first_seed=5) for _ in range(2))
    other = draw(pipeline, EXAMPLES[:1], first_seed=6)
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("size", [(96, 64), (64, 96)])
def test_wide_and_tall_postcards_come_out_right_too(
    pipeline: StableDiffusionPipeline, judge: Judge, size: tuple[int, int]
) -> None:
    scenes = evaluate.held_out_scenes(10)
    pictures = draw(pipeline, evaluate.captions_for(scenes), size=size)
    assert pictures.shape[1:] == (size[1], size[0], 3)
    assert evaluate.Score.of(scenes, judge.attributes(pictures)).all_four >= 0.8


@pytest.mark.parametrize(
    "noise", ["zorblat {}, frumious", "{} with xyzzy und garabato", "très {} — 日本, 4k, hdr"]
)
def test_unknown_words_do_no_harm(
    pipeline: StableDiffusionPipeline, judge: Judge, noise: str
) -> None:
    prompts = ["a red castle in the snow by day", "a blue train in the desert at sunset"]
    seen = judge.attributes(draw(pipeline, [noise.format(prompt) for prompt in prompts]))
    assert [s.combination for s in seen] == [
        ("castle", "red", "snow", "day"),
        ("train", "blue", "desert", "sunset"),
    ]


def test_even_gibberish_draws_a_postcard(pipeline: StableDiffusionPipeline, judge: Judge) -> None:
    pictures = draw(pipeline, ["qwxz vlurgh", "portrait of a woman", "", "!!!"])
    assert min(judge.in_world_score(pictures)) > 0.5


def test_the_autoencoder_keeps_postcards_and_their_recolourings(
    pipeline: StableDiffusionPipeline,
) -> None:
    renders = evaluate.fresh_renders(48)
    assert evaluate.reconstruction(pipeline, renders) >= 28
    for name in ("grey", "sepia", "neon"):
        assert evaluate.reconstruction(pipeline, evaluate.restyled(renders, name)) >= 24


def colours(pictures: np.ndarray) -> np.ndarray:
    return pictures.reshape(-1, 3).mean(axis=0)


# PEFT warns at every second adapter on one model; two at once is what is tested here.
TWO_ADAPTERS = pytest.mark.filterwarnings("ignore:Already found a `peft_config`:UserWarning")


@pytest.fixture
def styled() -> StableDiffusionPipeline:
    opened = open_pipeline(weights_folder("base"))
    for style in styles.STYLES:  # a warning about layers that a file lacks is an error here
        opened.load_lora_weights(weights_folder(f"lora-{style}"), adapter_name=style)
    return opened


@TWO_ADAPTERS
def test_the_style_adapters_shift_the_colours_their_way_and_combine(
    styled: StableDiffusionPipeline,
) -> None:
    prompts = list(EXAMPLES[2:6])
    drawn = {}
    for sepia, neon in ((0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (0.0, 1.0), (0.5, 0.5)):
        styled.set_adapters(["sepia", "neon"], [sepia, neon])
        drawn[sepia, neon] = draw(styled, prompts)
    plain = drawn[0.0, 0.0]
    goals = {name: np.stack([restyle(p) for p in plain]) for name, restyle in styles.STYLES.items()}
    for name, key in (("sepia", (1.0, 0.0)), ("neon", (0.0, 1.0))):
        before = np.linalg.norm(colours(plain) - colours(goals[name]))
        after = np.linalg.norm(colours(drawn[key]) - colours(goals[name]))
        assert after < before / 2, name
    warmth = [_warmth(drawn[scale, 0.0]) for scale in (0.0, 0.5, 1.0)]
    assert all(one < other for one, other in pairwise(warmth))
    assert drawn[1.0, 0.0].mean() > drawn[0.5, 0.5].mean() > drawn[0.0, 1.0].mean()


def _warmth(pictures: np.ndarray) -> float:
    red, _, blue = colours(pictures)
    return math.log(red / blue)
