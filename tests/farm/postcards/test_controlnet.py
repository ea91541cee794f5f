import numpy as np
import pytest
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline
from PIL import Image

from farm.postcards.edges import agreement, edge_map, edge_picture
from farm.postcards.manifest import weights_folder
from farm.postcards.pipelines import draw, open_pipeline
from farm.postcards.world import Scene, render

# Seeds that put the subject far left or far right of the middle.
SHIFTED = ((3, "castle", "grass"), (6, "sailboat", "sea"), (9, "robot", "desert"))
MAPS = [
    render(Scene(subject, "red", ground, "day"), seed=seed) for seed, subject, ground in SHIFTED
]
PROMPTS = [
    "a blue castle on the grass at sunset",
    "a yellow sailboat on the sea at night",
    "a green robot in the desert by day",
]


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionControlNetPipeline:
    control = ControlNetModel.from_pretrained(
        weights_folder("controlnet-edges"), dtype=torch.float32
    )
    base = open_pipeline(weights_folder("base"))
    opened = StableDiffusionControlNetPipeline(
        **base.components, controlnet=control, requires_safety_checker=False
    )
    opened.set_progress_bar_config(disable=True)
    return opened


def test_the_controlnet_follows_the_edges(pipeline: StableDiffusionControlNetPipeline) -> None:
    maps = [Image.fromarray(edge_picture(picture)) for picture in MAPS]
    wanted = [edge_map(picture) for picture in MAPS]

    def follow(scale: float) -> float:
        drawn = draw(pipeline, PROMPTS, image=maps, controlnet_conditioning_scale=scale)
        return float(
            np.mean([agreement(*pair) for pair in zip(edge_map(drawn), wanted, strict=True)])
        )

    free, led = follow(0.0), follow(1.0)
    assert led > free + 0.15


def test_an_edge_map_marks_a_jump_and_nothing_else() -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[:, 4:] = 200
    assert edge_map(picture)[:, 4].all()
    assert edge_map(picture).sum() == 8
    assert edge_picture(picture).max() == 255
