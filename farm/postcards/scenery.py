"""Skies, grounds and weather. Everything sits on a 4-pixel lattice: the model's cells."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import ImageDraw

from farm.postcards.palette import LAMP, Colour, mix, scale

SKIES: dict[str, list[Colour]] = {
    "dawn": [(108, 112, 184), (152, 136, 200), (206, 160, 204), (242, 186, 190), (253, 214, 190)],
    "day": [(58, 140, 228), (88, 164, 238), (120, 188, 244), (154, 208, 248), (196, 230, 253)],
    "sunset": [(72, 40, 112), (130, 48, 116), (196, 64, 96), (236, 102, 70), (254, 170, 74)],
    "night": [(10, 12, 42), (14, 18, 56), (20, 26, 70), (28, 36, 86), (38, 48, 104)],
}
TINTS: dict[str, tuple[float, float, float]] = {
    "dawn": (1.0, 0.92, 0.95),
    "day": (1.0, 1.0, 1.0),
    "sunset": (1.0, 0.82, 0.74),
    "night": (0.40, 0.47, 0.74),
}
RAINBOW: list[Colour] = [
    (236, 64, 64),
    (248, 150, 54),
    (252, 222, 76),
    (84, 190, 96),
    (74, 126, 232),
    (150, 86, 202),
]
BELOW_HORIZON = 22


@dataclass(frozen=True)
class Stage:
    """Where a postcard is painted: its surface, size, time of day and variant."""

    draw: ImageDraw.ImageDraw
    width: int
    height: int
    time: str
    variant: int

    @property
    def horizon(self) -> int:
        return self.height - BELOW_HORIZON

    def tinted(self, colour: Colour) -> Colour:
        return scale(colour, TINTS[self.time])

    def haze(self, colour: Colour, share: float) -> Colour:
        return mix(self.tinted(colour), SKIES[self.time][-1], share)

    def box(self, box: tuple[int, int, int, int], colour: Colour) -> None:
        self.draw.rectangle(box, fill=colour)

    def land(self, colour: Colour, edge: Colour) -> None:
        self.box((0, self.horizon, self.width, self.height), self.tinted(colour))
        self.box((0, self.horizon, self.width, self.horizon + 1), self.tinted(edge))

    def marks(self, *, every: int) -> list[tuple[int, int]]:
        """Lattice points strewn over the ground, the same for the same variant."""
        rows = range(self.horizon + 6, self.height - 2, 4)
        return [
            (x, y)
            for row, y in enumerate(rows)
            for x in range((row * 12 + self.variant * 8) % every, self.width, every)
        ]


def sky(width: int, height: int, time: str) -> NDArray[np.uint8]:
    """Bands with one checkered row between them, uint8 [height, width, 3]."""
    bands = SKIES[time]
    picture = np.zeros((height, width, 3), np.uint8)
    tall = (height - BELOW_HORIZON) / len(bands)
    for y in range(height):
        band = min(len(bands) - 1, int(y / tall))
        picture[y] = bands[band]
        if int((y + 1) / tall) > band < len(bands) - 1:
            picture[y, (np.arange(width) + y) % 2 == 0] = bands[band + 1]
    return picture


def sea(s: Stage) -> None:
    s.land((44, 118, 194), (104, 178, 228))
    s.box((0, s.horizon, s.width, s.horizon + 3), s.haze((78, 158, 218), 0.3))
    for index, (x, y) in enumerate(s.marks(every=20)):
        colour = s.haze((128, 198, 240), 0.25) if index % 2 else s.tinted((30, 90, 164))
        s.box((x, y, x + 6, y), colour)


def grass(s: Stage) -> None:
    far = s.tinted((64, 140, 84))
    for left in range(-20 + s.variant * 8, s.width, 28):
        s.draw.ellipse((left, s.horizon - 7, left + 31, s.horizon + 10), fill=far)
    s.land((96, 182, 70), (132, 210, 92))
    blade = s.tinted((62, 140, 58))
    for index, (x, y) in enumerate(s.marks(every=16)):
        if index % 3 == 0:
            s.box((x, y, x + 1, y + 1), s.tinted((255, 244, 190)))
        else:
            s.draw.line([(x, y), (x + 1, y + 1), (x + 2, y)], fill=blade)


def desert(s: Stage) -> None:
    horizon, shift = s.horizon, s.variant * 8
    for left in range(-24 + shift, s.width, 44):
        hill = [(left, horizon + 1), (left + 18, horizon - 9), (left + 44, horizon + 1)]
        s.draw.polygon(hill, fill=s.tinted((208, 156, 88)))
    s.land((238, 198, 116), (250, 220, 150))
    for x, y in s.marks(every=28):
        s.box((x, y, x + 9, y), s.tinted((206, 160, 88)))
    _cactus(s, 4 if s.variant == 1 else s.width - 12)


def _cactus(s: Stage, x: int) -> None:
    colour, y = s.tinted((52, 140, 74)), s.horizon
    s.box((x + 3, y - 10, x + 5, y + 5), colour)
    s.box((x, y - 6, x + 1, y - 1), colour)
    s.box((x, y - 1, x + 3, y), colour)
    s.box((x + 7, y - 8, x + 8, y - 3), colour)
    s.box((x + 5, y - 3, x + 8, y - 2), colour)


def snow(s: Stage) -> None:
    horizon, shift = s.horizon, s.variant * 8
    for left in range(-28 + shift, s.width, 36):
        top = (left + 18, horizon - 14)
        base = [(left, horizon + 1), top, (left + 36, horizon + 1)]
        s.draw.polygon(base, fill=s.tinted((178, 198, 230)))
        cap = [(left + 12, horizon - 9), top, (left + 24, horizon - 9)]
        s.draw.polygon(cap, fill=s.tinted((250, 252, 255)))
    s.land((240, 246, 253), (255, 255, 255))
    for x, y in s.marks(every=24):
        s.box((x, y, x + 8, y), s.tinted((200, 216, 238)))
    _pine(s, 4)
    _pine(s, s.width - 4)


def _pine(s: Stage, x: int) -> None:
    y, green = s.horizon + 3, s.tinted((36, 104, 88))
    for layer in range(3):
        foot = y - 5 * layer
        reach = 4 - layer // 2
        s.draw.polygon([(x - reach, foot), (x, foot - 7), (x + reach, foot)], fill=green)
    s.box((x - 1, y + 1, x + 1, y + 3), s.tinted((100, 70, 56)))
    s.box((x, y - 17, x, y - 16), s.tinted((250, 252, 255)))


def city(s: Stage) -> None:
    heights = (20, 12, 24, 16, 8, 20, 12, 24, 16, 12)
    walls = [mix(s.tinted(c), SKIES[s.time][2], 0.2) for c in ((112, 120, 152), (84, 92, 126))]
    glow = LAMP if s.time in ("night", "sunset") else mix((200, 220, 238), walls[1], 0.2)
    for index in range(s.width // 8):
        tall = heights[(index + s.variant * 3) % len(heights)]
        x, top = index * 8, s.horizon - tall
        s.box((x, top, x + 7, s.horizon), walls[index % 2])
        for y in range(top + 2, s.horizon - 1, 4):
            for column in (x + 1, x + 5):
                if (y // 4 + column // 4 + s.variant) % 3:
                    s.box((column, y, column + 1, y + 1), glow)
    s.land((90, 92, 108), (178, 178, 188))
    s.box((0, s.horizon + 2, s.width, s.horizon + 3), s.tinted((178, 178, 188)))
    for x in range(s.variant * 4 - 4, s.width, 12):
        s.box((x, s.height - 6, x + 5, s.height - 5), s.tinted((236, 222, 150)))


def rainbow(s: Stage) -> None:
    middle = s.width // 2
    for index, colour in enumerate(RAINBOW):
        radius = 34 - 2 * index
        box = (middle - radius, s.horizon - radius, middle + radius, s.horizon + radius)
        faint = mix(colour, SKIES[s.time][2], 0.4 if s.time == "night" else 0.15)
        s.draw.pieslice(box, 180, 360, fill=faint)
    inner = 34 - 2 * len(RAINBOW)
    for y in range(s.horizon - inner, s.horizon):
        half = int((inner**2 - (s.horizon - y) ** 2) ** 0.5)
        s.draw.line([(middle - half, y), (middle + half, y)], fill=_sky_at(s, y))


def _sky_at(s: Stage, y: int) -> Colour:
    bands = SKIES[s.time]
    return bands[min(len(bands) - 1, int(y / (s.horizon / len(bands))))]


def stars(s: Stage) -> None:
    colour = (255, 246, 190) if s.time in ("night", "sunset") else (255, 255, 255)
    for row, y in enumerate(range(2, s.horizon - 10, 8)):
        for x in range((row * 12 + s.variant * 4) % 20, s.width, 20):
            if (x // 4 + row) % 3 == 0:
                s.box((x + 1, y + 2, x + 3, y + 2), colour)
                s.box((x + 2, y + 1, x + 2, y + 3), colour)
            else:
                s.box((x + 1, y, x + 2, y + 1), colour)


def sun(s: Stage, x: int) -> None:
    low = s.time in ("dawn", "sunset")
    y = s.horizon - 8 if low else 10
    outer, inner = {
        "dawn": ((255, 226, 130), (255, 246, 190)),
        "day": ((255, 206, 50), (255, 236, 110)),
        "sunset": ((255, 96, 44), (255, 150, 64)),
        "night": ((236, 170, 60), (250, 206, 100)),
    }[s.time]
    if not low:
        for dx, dy in ((9, 0), (-10, 0), (0, 9), (0, -10), (6, 6), (-7, 6), (6, -7), (-7, -7)):
            s.box((x + dx, y + dy, x + dx + 1, y + dy + 1), outer)
    s.draw.ellipse((x - 7, y - 7, x + 7, y + 7), fill=outer)
    s.draw.ellipse((x - 5, y - 5, x + 4, y + 4), fill=inner)


def moon(s: Stage, x: int) -> None:
    s.draw.ellipse((x - 7, 3, x + 7, 17), fill=(252, 246, 208))
    s.draw.ellipse((x - 2, 2, x + 9, 13), fill=_sky_at(s, 8))


def clouds(s: Stage) -> None:
    layouts = (
        ((0, 8), (44, 4), (32, 20)),
        ((8, 4), (44, 16), (-4, 20)),
        ((24, 4), (-4, 12), (48, 16)),
    )
    for index, (x, y) in enumerate(layouts[s.variant]):
        _cloud(s, x, y, wide=index == 0)
        if s.width > 64:
            _cloud(s, x + 64, y, wide=index != 0)


def _cloud(s: Stage, x: int, y: int, *, wide: bool) -> None:
    colour = {
        "dawn": (255, 238, 234),
        "day": (255, 255, 255),
        "sunset": (255, 194, 156),
        "night": (96, 106, 144),
    }[s.time]
    reach = 19 if wide else 15
    shade = scale(colour, (0.84, 0.85, 0.92))
    s.draw.ellipse((x, y + 2, x + reach // 2, y + 8), fill=colour)
    s.draw.ellipse((x + reach // 2 - 1, y + 1, x + reach, y + 8), fill=colour)
    s.draw.ellipse((x + reach // 4, y - 2, x + 3 * reach // 4, y + 7), fill=colour)
    s.box((x + 2, y + 7, x + reach - 2, y + 8), shade)


def rain(s: Stage) -> None:
    bright = s.time in ("day", "dawn")
    colour = (44, 88, 176) if bright else (150, 176, 226)
    for row, y in enumerate(range(0, s.height, 8)):
        for x in range(row % 3 * 4, s.width, 12):
            s.draw.line([(x + 3, y), (x + 2, y + 1), (x + 2, y + 2), (x + 1, y + 3)], fill=colour)


def birds(s: Stage, count: int, *, on_right: bool) -> None:
    colour = (226, 232, 248) if s.time == "night" else (34, 32, 56)
    for x, y in ((4, 4), (16, 8), (4, 16))[:count]:
        _bird(s, s.width - 12 - x if on_right else x, y, colour)


def _bird(s: Stage, x: int, y: int, colour: Colour) -> None:
    for row, line in enumerate(("XX...XX", "XXX.XXX", "..XXX..", "...X...")):
        for column, mark in enumerate(line):
            if mark == "X":
                s.draw.point((x + column, y + row), fill=colour)


GROUNDS: dict[str, Callable[[Stage], None]] = {
    "sea": sea,
    "grass": grass,
    "desert": desert,
    "snow": snow,
    "city": city,
}
