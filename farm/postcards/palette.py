"""The postcards' colours, and the brush that draws with them."""

from dataclasses import dataclass

from PIL import ImageDraw

Colour = tuple[int, int, int]
Box = tuple[int, int, int, int]
Points = list[tuple[int, int]]

COLOURS: dict[str, Colour] = {
    "red": (216, 44, 48),
    "orange": (242, 130, 30),
    "yellow": (250, 212, 52),
    "green": (52, 166, 76),
    "blue": (48, 100, 220),
    "purple": (136, 68, 194),
    "pink": (248, 140, 184),
    "white": (240, 240, 236),
}

WHITE: Colour = (250, 250, 245)
INK: Colour = (30, 26, 44)
DARK: Colour = (46, 42, 64)
WOOD: Colour = (128, 82, 54)
DEEP_WOOD: Colour = (88, 56, 44)
STEEL: Colour = (152, 158, 174)
ROOF: Colour = (124, 72, 70)
LAMP: Colour = (255, 226, 120)
GLASS: Colour = (176, 222, 248)
CREAM: Colour = (246, 230, 200)
GOLD: Colour = (250, 206, 72)
RED: Colour = COLOURS["red"]


def scale(colour: Colour, factors: tuple[float, float, float]) -> Colour:
    r, g, b = (max(0, min(255, int(c * f))) for c, f in zip(colour, factors, strict=True))
    return r, g, b


def mix(one: Colour, other: Colour, share: float) -> Colour:
    r, g, b = (int(a * (1 - share) + b * share) for a, b in zip(one, other, strict=True))
    return r, g, b


@dataclass(frozen=True)
class Brush:
    """Draws around a subject's foot: x grows to the right of it, y downward from it."""

    draw: ImageDraw.ImageDraw
    origin: tuple[int, int]
    name: str
    lit: bool

    @property
    def main(self) -> Colour:
        return COLOURS[self.name]

    @property
    def light(self) -> Colour:
        return (255, 255, 255) if self.name == "white" else mix(self.main, (255, 255, 255), 0.42)

    @property
    def shade(self) -> Colour:
        return (190, 198, 218) if self.name == "white" else scale(self.main, (0.68, 0.66, 0.76))

    @property
    def window(self) -> Colour:
        return LAMP if self.lit else GLASS

    def accent(self, colour: Colour, otherwise: Colour) -> Colour:
        """`colour`, unless the subject itself is (nearly) of that colour."""
        distance = sum(abs(a - b) for a, b in zip(self.main, colour, strict=True))
        return otherwise if distance < 120 else colour

    def box(self, box: Box, colour: Colour) -> None:
        self.draw.rectangle(self._moved(box), fill=colour)

    def oval(self, box: Box, colour: Colour) -> None:
        self.draw.ellipse(self._moved(box), fill=colour)

    def dome(self, box: Box, colour: Colour) -> None:
        self.draw.pieslice(self._moved(box), 180, 360, fill=colour)

    def shape(self, points: Points, colour: Colour) -> None:
        self.draw.polygon(self._points(points), fill=colour)

    def line(self, points: Points, colour: Colour, width: int = 1) -> None:
        self.draw.line(self._points(points), fill=colour, width=width)

    def _moved(self, box: Box) -> Box:
        x, y = self.origin
        return box[0] + x, box[1] + y, box[2] + x, box[3] + y

    def _points(self, points: Points) -> Points:
        x, y = self.origin
        return [(px + x, py + y) for px, py in points]
