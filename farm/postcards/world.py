"""The postcards' world: what a scene holds, and how it is painted."""

import random
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from farm.postcards import scenery
from farm.postcards.palette import COLOURS, INK, WHITE, Brush, scale
from farm.postcards.scenery import Stage
from farm.postcards.subjects import DRAWINGS, FLIES, SWIMS

SUBJECTS = tuple(DRAWINGS)
COLOUR_NAMES = tuple(COLOURS)
GROUNDS = tuple(scenery.GROUNDS)
TIMES = tuple(scenery.SKIES)
EXTRAS = ("sun", "moon", "stars", "clouds", "birds", "rain", "rainbow")
SIZES = ((64, 64), (96, 64), (64, 96))
MOST_EXTRAS = 3

Picture = NDArray[np.uint8]
Combination = tuple[str, str, str, str]


@dataclass(frozen=True)
class Scene:
    subject: str
    colour: str
    ground: str
    time: str
    extras: tuple[str, ...] = field(default=())
    birds: int = 0

    @property
    def combination(self) -> Combination:
        return self.subject, self.colour, self.ground, self.time


def held_out(count: int = 200) -> list[Combination]:
    """Combinations that training never sees, so that an evaluation asks for something new."""
    every = [(s, c, g, t) for s in SUBJECTS for c in COLOUR_NAMES for g in GROUNDS for t in TIMES]
    random.Random(7).shuffle(every)
    return every[:count]


_CHANCES = {
    "sun": {"day": 0.28, "dawn": 0.28, "sunset": 0.28, "night": 0.02},
    "moon": {"day": 0.05, "dawn": 0.10, "sunset": 0.10, "night": 0.40},
    "stars": {"day": 0.04, "dawn": 0.08, "sunset": 0.14, "night": 0.45},
    "clouds": dict.fromkeys(TIMES, 0.22),
    "birds": dict.fromkeys(TIMES, 0.28),
    "rain": dict.fromkeys(TIMES, 0.15),
    "rainbow": dict.fromkeys(TIMES, 0.10),
}


def sample(rng: random.Random) -> Scene:
    time = rng.choice(TIMES)
    present = [extra for extra in EXTRAS if rng.random() < _CHANCES[extra][time]]
    rng.shuffle(present)
    extras = tuple(sorted(present[:MOST_EXTRAS], key=EXTRAS.index))
    birds = rng.choice((1, 2, 2, 3, 3)) if "birds" in extras else 0
    subject, colour = rng.choice(SUBJECTS), rng.choice(COLOUR_NAMES)
    return Scene(subject, colour, rng.choice(GROUNDS), time, extras=extras, birds=birds)


def render(scene: Scene, *, seed: int, size: tuple[int, int] = (64, 64)) -> Picture:
    """The scene as uint8 [height, width, 3]; `size` is (width, height)."""
    rng = random.Random(seed)
    width, height = size
    picture = Image.fromarray(scenery.sky(width, height, scene.time))
    stage = Stage(ImageDraw.Draw(picture), width, height, scene.time, rng.randrange(3))
    shift = rng.choice(range(-8, 9, 4)) * (width // 48)
    _paint_behind(stage, scene, sunny_right=shift <= 0)
    foot = (width // 2 + shift, _foot(stage, scene))
    _paint_setting(stage, scene, foot)
    finished = _stamp(picture, scene, foot)
    front = Stage(ImageDraw.Draw(finished), width, height, scene.time, stage.variant)
    if scene.birds:
        scenery.birds(front, scene.birds, on_right=_birds_right(scene, sunny_right=shift <= 0))
    return np.asarray(finished)


def _foot(stage: Stage, scene: Scene) -> int:
    lifted = 4 if scene.subject in FLIES or scene.ground == "sea" else 0
    return stage.height - 8 - lifted


def _paint_behind(stage: Stage, scene: Scene, *, sunny_right: bool) -> None:
    sun_x = stage.width - 12 if sunny_right else 12
    if "rainbow" in scene.extras:
        scenery.rainbow(stage)
    if "stars" in scene.extras:
        scenery.stars(stage)
    if "sun" in scene.extras:
        scenery.sun(stage, sun_x)
    if "moon" in scene.extras:
        scenery.moon(stage, stage.width - sun_x if "sun" in scene.extras else sun_x)
    if "clouds" in scene.extras:
        scenery.clouds(stage)
    scenery.GROUNDS[scene.ground](stage)
    if "rain" in scene.extras:
        scenery.rain(stage)


def _birds_right(scene: Scene, *, sunny_right: bool) -> bool:
    lit_side_taken = "sun" in scene.extras or "moon" in scene.extras
    return sunny_right != lit_side_taken


def _paint_setting(stage: Stage, scene: Scene, foot: tuple[int, int]) -> None:
    """What the subject stands on: a wake, an islet, or a shadow."""
    x, y = foot
    if scene.ground == "sea" and scene.subject in SWIMS:
        for dx, length in ((-20, 11), (-5, 12), (11, 9)):
            stage.box((x + dx, y + 2, x + dx + length, y + 3), stage.tinted((226, 244, 252)))
    elif scene.ground == "sea" and scene.subject not in FLIES:
        stage.draw.ellipse((x - 23, y - 4, x + 23, y + 7), fill=stage.tinted((236, 210, 140)))
        stage.draw.ellipse((x - 20, y - 4, x + 20, y + 4), fill=stage.tinted((116, 184, 84)))
    else:
        _paint_shadow(stage, scene, x)
    if scene.subject == "lighthouse" and scene.time == "night":
        _paint_beam(stage, x, y - 32)


def _paint_shadow(stage: Stage, scene: Scene, x: int) -> None:
    earth = {"sea": (44, 118, 194), "grass": (96, 182, 70), "desert": (238, 198, 116)}
    earth |= {"snow": (240, 246, 253), "city": (90, 92, 108)}
    y = stage.height - 8
    colour = scale(stage.tinted(earth[scene.ground]), (0.74, 0.74, 0.8))
    stage.draw.ellipse((x - 16, y - 1, x + 16, y + 3), fill=colour)


def _paint_beam(stage: Stage, x: int, y: int) -> None:
    for side in (-1, 1):
        beam = [(x + 5 * side, y), (x + 80 * side, y - 12), (x + 80 * side, y + 12)]
        stage.draw.polygon(beam, fill=(92, 94, 108))


def _stamp(picture: Image.Image, scene: Scene, foot: tuple[int, int]) -> Image.Image:
    """Lays the subject over the picture with a dark outline, which makes it pixel art."""
    layer = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    lit = scene.time in ("night", "sunset")
    brush = Brush(ImageDraw.Draw(layer), foot, scene.colour, lit)
    DRAWINGS[scene.subject](brush)
    drawn = np.asarray(layer)
    mask = drawn[..., 3] > 0
    canvas = np.array(picture)
    canvas[_outline(mask)] = INK
    canvas[mask] = _in_light(drawn[..., :3], scene)[mask]
    return Image.fromarray(canvas)


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    grown = np.zeros_like(mask)
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    edge: NDArray[np.bool_] = grown & ~mask
    return edge


_LIGHT = {
    "dawn": (1.0, 0.96, 0.97),
    "day": (1.0, 1.0, 1.0),
    "sunset": (1.0, 0.93, 0.87),
    "night": (0.92, 0.91, 0.97),
}


def _in_light(colours: Picture, scene: Scene) -> Picture:
    """The drawing's colours at that time of day; lamps, flames and eyes keep their own."""
    tinted = (colours * np.array(_LIGHT[scene.time])).clip(0, 255).astype(np.uint8)
    glowing = (colours[..., 0] >= 250) & (colours[..., 2] < 160) & (scene.colour != "yellow")
    glowing &= (colours != np.array(WHITE)).any(axis=-1)
    tinted[glowing] = colours[glowing]
    return tinted
