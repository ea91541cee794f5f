"""Eighteen things to put on a postcard; each drawing stands on the brush's origin."""

from collections.abc import Callable

from farm.postcards.palette import (
    CREAM,
    DARK,
    DEEP_WOOD,
    GLASS,
    GOLD,
    LAMP,
    RED,
    ROOF,
    STEEL,
    WHITE,
    WOOD,
    Brush,
)


def house(b: Brush) -> None:
    b.box((5, -26, 8, -16), (156, 92, 84))
    b.box((-11, -14, 11, 0), b.main)
    b.box((7, -14, 11, 0), b.shade)
    b.shape([(-15, -14), (0, -27), (15, -14)], ROOF)
    b.line([(-13, -15), (0, -26)], (176, 112, 100), 2)
    b.box((-2, -9, 2, 0), DEEP_WOOD)
    b.box((-9, -10, -5, -6), b.window)
    b.box((5, -10, 9, -6), b.window)


def tree(b: Brush) -> None:
    b.box((-2, -12, 2, 0), WOOD)
    b.box((1, -12, 2, 0), DEEP_WOOD)
    b.oval((-14, -24, 4, -8), b.main)
    b.oval((-2, -24, 14, -8), b.shade)
    b.oval((-10, -35, 10, -13), b.main)
    b.oval((-7, -32, 0, -25), b.light)
    b.oval((-10, -21, -6, -17), b.light)


def sailboat(b: Brush) -> None:
    b.shape([(-15, -7), (15, -7), (10, 0), (-10, 0)], WOOD)
    b.box((-14, -7, 14, -6), (184, 130, 86))
    b.box((-1, -35, 0, -8), DEEP_WOOD)
    b.shape([(2, -34), (14, -10), (2, -10)], b.main)
    b.shape([(-3, -29), (-13, -10), (-3, -10)], b.shade)
    b.box((3, -29, 4, -11), b.light)


def castle(b: Brush) -> None:
    b.box((-9, -18, 9, 0), b.main)
    for x in (-6, -1, 4):
        b.box((x, -21, x + 2, -18), b.main)
    for x in (-16, 8):
        b.box((x, -24, x + 8, 0), b.main)
        b.box((x + 6, -24, x + 8, 0), b.shade)
        for notch in (0, 3, 6):
            b.box((x + notch, -27, x + notch + 2 - notch // 3, -24), b.main)
        b.box((x + 2, -18, x + 4, -14), LAMP if b.lit else DARK)
    b.box((-4, -8, 4, 0), DEEP_WOOD)
    b.oval((-4, -12, 4, -4), DEEP_WOOD)
    b.box((-1, -33, 0, -21), DEEP_WOOD)
    b.shape([(1, -33), (8, -30), (1, -27)], b.accent(RED, GOLD))


def lighthouse(b: Brush) -> None:
    stripe = WHITE if b.name != "white" else (110, 130, 170)
    b.shape([(-5, -28), (5, -28), (9, 0), (-9, 0)], b.main)
    b.shape([(-6, -22), (6, -22), (7, -17), (-7, -17)], stripe)
    b.shape([(-7, -11), (7, -11), (8, -6), (-8, -6)], stripe)
    b.box((-7, -29, 7, -28), DARK)
    b.box((-4, -34, 4, -30), (255, 240, 150))
    b.shape([(-6, -35), (0, -40), (6, -35)], b.shade)
    b.box((-2, -5, 2, 0), DEEP_WOOD)


def rocket(b: Brush) -> None:
    b.shape([(-5, -8), (5, -8), (0, 4)], (255, 140, 40))
    b.shape([(-2, -8), (2, -8), (0, 0)], (255, 236, 120))
    b.shape([(-6, -18), (-13, -5), (-5, -8)], b.accent(RED, GOLD))
    b.shape([(6, -18), (13, -5), (5, -8)], b.accent(RED, GOLD))
    b.oval((-7, -38, 7, -8), b.main)
    b.box((-7, -23, 7, -8), b.main)
    b.box((4, -25, 7, -8), b.shade)
    b.shape([(-5, -31), (0, -40), (5, -31)], b.light)
    b.oval((-4, -27, 4, -19), DARK)
    b.oval((-3, -26, 3, -20), (140, 224, 250))


def cat(b: Brush) -> None:
    b.line([(9, -2), (14, -4), (15, -10), (13, -15)], b.shade, 4)
    b.oval((-10, -16, 10, 3), b.main)
    b.box((-10, -6, 10, 0), b.main)
    b.oval((-5, -11, 5, -1), b.light)
    b.shape([(-12, -31), (-12, -20), (-3, -24)], b.main)
    b.shape([(12, -31), (12, -20), (3, -24)], b.main)
    b.oval((-12, -27, 12, -10), b.main)
    for x in (-7, 4):
        b.box((x, -21, x + 3, -17), WHITE if b.name != "white" else (120, 200, 120))
        b.box((x + 1, -21, x + 2, -17), DARK)
    b.box((-1, -15, 1, -14), b.accent((240, 110, 140), (190, 70, 110)))
    b.box((-1, -4, 0, 0), b.shade)


def fish(b: Brush) -> None:
    b.shape([(8, -12), (18, -21), (18, -3)], b.shade)
    b.shape([(-3, -20), (5, -26), (7, -18)], b.shade)
    b.shape([(-2, -5), (5, 0), (6, -7)], b.shade)
    b.oval((-16, -21, 11, -3), b.main)
    b.oval((-11, -9, 5, -4), b.light)
    b.box((1, -17, 2, -8), b.shade)
    b.box((6, -16, 7, -9), b.shade)
    b.oval((-12, -17, -6, -11), WHITE)
    b.box((-10, -15, -8, -13), DARK)


def flower(b: Brush) -> None:
    stem = (58, 150, 70) if b.name != "green" else (28, 104, 64)
    b.box((-1, -16, 1, 0), stem)
    b.shape([(-1, -4), (-12, -11), (-7, -2)], stem)
    b.shape([(1, -6), (12, -13), (8, -4)], stem)
    for x, y in ((0, -35), (0, -21), (-8, -28), (8, -28)):
        b.oval((x - 6, y - 5, x + 6, y + 5), b.main)
    for x, y in ((-5, -33), (5, -23), (5, -33), (-5, -23)):
        b.oval((x - 3, y - 3, x + 3, y + 3), b.light)
    b.oval((-5, -33, 5, -23), b.accent(GOLD, (156, 88, 52)))
    b.box((-3, -30, -2, -28), DARK)
    b.box((2, -30, 3, -28), DARK)


def mushroom(b: Brush) -> None:
    dot = WHITE if b.name != "white" else (230, 110, 104)
    b.box((-6, -14, 6, 0), CREAM)
    b.box((3, -14, 6, 0), (214, 192, 164))
    b.dome((-17, -34, 17, 6), b.main)
    b.box((-16, -15, 16, -13), b.shade)
    b.oval((-4, -31, 4, -24), dot)
    b.oval((-13, -22, -7, -16), dot)
    b.oval((7, -22, 13, -16), dot)
    b.box((-4, -9, -3, -6), DARK)
    b.box((2, -9, 3, -6), DARK)


def robot(b: Brush) -> None:
    for x in (-8, 3):
        b.box((x, -7, x + 5, -2), STEEL)
        b.box((x - 1, -2, x + 6, 0), DARK)
    b.box((-16, -20, -12, -9), STEEL)
    b.box((12, -20, 16, -9), STEEL)
    b.box((-11, -21, 11, -7), b.main)
    b.box((7, -21, 11, -7), b.shade)
    b.box((-5, -17, 5, -11), DARK)
    b.box((-3, -15, -1, -13), b.accent(RED, GOLD))
    b.box((1, -15, 3, -13), (110, 240, 130))
    b.box((-10, -35, 10, -23), b.main)
    b.box((7, -35, 10, -23), b.shade)
    b.box((-8, -32, 8, -26), DARK)
    b.box((-6, -31, -3, -27), (120, 244, 255))
    b.box((3, -31, 6, -27), (120, 244, 255))
    b.box((-1, -39, 0, -36), STEEL)
    b.box((-2, -41, 1, -39), b.accent(RED, GOLD))


def car(b: Brush) -> None:
    b.shape([(-10, -12), (-6, -20), (7, -20), (12, -12)], b.main)
    b.shape([(-7, -12), (-4, -18), (-1, -18), (-1, -12)], b.window)
    b.shape([(2, -12), (2, -18), (6, -18), (9, -12)], b.window)
    b.box((-17, -12, 17, -4), b.main)
    b.box((-17, -6, 17, -4), b.shade)
    b.box((-16, -12, 15, -11), b.light)
    b.box((-17, -10, -15, -8), (255, 240, 150))
    b.box((15, -10, 17, -8), b.accent(RED, GOLD))
    for x in (-10, 10):
        b.oval((x - 5, -9, x + 5, 1), DARK)
        b.oval((x - 2, -6, x + 2, -2), (196, 200, 210))


def balloon(b: Brush) -> None:
    b.line([(-3, -5), (-8, -15)], DEEP_WOOD)
    b.line([(3, -5), (8, -15)], DEEP_WOOD)
    b.box((-4, -5, 4, 0), WOOD)
    b.box((-4, -5, 4, -4), (184, 130, 86))
    b.oval((-14, -40, 14, -13), b.main)
    b.shape([(-12, -20), (12, -20), (4, -8), (-4, -8)], b.main)
    b.oval((-5, -40, 5, -12), b.light)
    b.shape([(-4, -18), (4, -18), (2, -8), (-2, -8)], b.light)
    b.oval((9, -33, 13, -20), b.shade)


def windmill(b: Brush) -> None:
    b.shape([(-6, -24), (6, -24), (10, 0), (-10, 0)], b.main)
    b.shape([(2, -24), (6, -24), (10, 0), (5, 0)], b.shade)
    b.shape([(-8, -24), (0, -31), (8, -24)], ROOF)
    b.box((-2, -7, 2, 0), DEEP_WOOD)
    for dx, dy in ((1, 1), (-1, 1), (1, -1), (-1, -1)):
        sail = [(2 * dx, -23 + dy), (14 * dx, -24 + 15 * dy), (16 * dx, -24 + 9 * dy)]
        b.shape(sail, CREAM)
        b.line([(dx, -24 + dy), (14 * dx, -24 + 14 * dy)], WOOD)
    b.box((-2, -26, 2, -22), DARK)


def ghost(b: Brush) -> None:
    b.oval((-13, -32, 13, -8), b.main)
    b.box((-13, -20, 13, -5), b.main)
    b.box((10, -20, 13, -5), b.shade)
    for x in (-13, -6, 1, 8):
        b.oval((x, -8, x + 5, 0), b.main)
    for x in (-8, 3):
        b.oval((x, -24, x + 5, -16), DARK)
        b.box((x + 1, -22, x + 2, -20), WHITE)
    b.oval((-3, -14, 3, -8), (196, 64, 90))


def tent(b: Brush) -> None:
    b.shape([(-18, 0), (0, -26), (18, 0)], b.main)
    b.shape([(-12, 0), (0, -26), (-5, 0)], b.light)
    b.shape([(11, 0), (0, -26), (18, 0)], b.shade)
    b.shape([(-5, 0), (0, -15), (5, 0)], LAMP if b.lit else DARK)
    b.box((0, -33, 0, -26), DEEP_WOOD)
    b.shape([(1, -33), (7, -31), (1, -28)], b.accent(GOLD, RED))


def train(b: Brush) -> None:
    wheel = b.accent(RED, GOLD)
    b.oval((-14, -32, -7, -26), WHITE)
    b.oval((-10, -39, -1, -31), WHITE)
    b.box((-13, -23, -9, -16), DARK)
    b.box((-15, -25, -7, -23), DARK)
    b.box((-17, -17, 4, -6), b.main)
    b.box((-17, -9, 4, -6), b.shade)
    b.box((-16, -16, 2, -15), b.light)
    b.dome((-5, -22, 1, -14), GOLD if b.name != "yellow" else STEEL)
    b.box((4, -25, 16, -5), b.main)
    b.box((13, -23, 16, -5), b.shade)
    b.box((2, -28, 18, -25), DARK)
    b.box((6, -22, 12, -15), b.window)
    b.shape([(-17, -6), (-21, 0), (-15, 0)], STEEL)
    for x, size in ((-11, 4), (-2, 4), (10, 5)):
        b.oval((x - size, -2 * size, x + size, 0), wheel)
        b.box((x - 1, -size - 1, x + 1, -size + 1), DARK)


def whale(b: Brush) -> None:
    b.box((-6, -26, -5, -19), (150, 216, 252))
    b.line([(-11, -25), (-9, -29), (-6, -28), (-5, -25)], (150, 216, 252), 2)
    b.line([(-5, -25), (-4, -28), (-1, -29), (0, -25)], (150, 216, 252), 2)
    b.shape([(8, -8), (13, -17), (16, -15), (14, 0), (8, 0)], b.main)
    b.shape([(12, -16), (8, -22), (14, -21), (20, -22), (17, -15)], b.shade)
    b.dome((-18, -19, 13, 17), b.main)
    b.box((-14, -4, 8, 0), b.light)
    b.oval((-12, -11, -8, -7), WHITE if b.name != "white" else GLASS)
    b.box((-11, -10, -9, -8), DARK)


DRAWINGS: dict[str, Callable[[Brush], None]] = {
    drawing.__name__: drawing
    for drawing in (
        house,
        tree,
        sailboat,
        castle,
        lighthouse,
        rocket,
        cat,
        fish,
        flower,
        mushroom,
        robot,
        car,
        balloon,
        windmill,
        ghost,
        tent,
        train,
        whale,
    )
}
FLIES = frozenset({"rocket", "balloon", "ghost", "fish"})
SWIMS = frozenset({"sailboat", "whale"})
