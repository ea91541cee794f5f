"""Where a painted postcard shows what: the pixels that differ once it is left out."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from farm.postcards import world
from farm.postcards.world import Scene

SUBJECT = "subject"


def painted(scene: Scene, *, seed: int = 3) -> Image.Image:
    return Image.fromarray(world.render(scene, seed=seed))


def area(scene: Scene, what: str, *, seed: int = 3) -> NDArray[np.bool_]:
    """(height, width); `what` is SUBJECT or one of the scene's extras."""
    whole = world.render(scene, seed=seed).astype(int)
    if what == SUBJECT:
        with _nothing_stamped():
            bare = world.render(scene, seed=seed).astype(int)
    else:
        extras = tuple(one for one in scene.extras if one != what)
        birds = 0 if what == "birds" else scene.birds
        bare = world.render(replace(scene, extras=extras, birds=birds), seed=seed).astype(int)
    found: NDArray[np.bool_] = np.abs(whole - bare).sum(2) > 0
    return found


@contextmanager
def _nothing_stamped() -> Iterator[None]:
    before = world._stamp
    world._stamp = lambda picture, scene, foot: picture
    try:
        yield
    finally:
        world._stamp = before


def overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Intersection over union."""
    return float((one & other).sum() / max(1, (one | other).sum()))
