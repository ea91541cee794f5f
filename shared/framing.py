"""Where a picture goes on a larger canvas: zoomed out, panned, made square. Native pixels; pure."""

from enum import StrEnum
from math import log

from shared.catalog import Checkpoint, Size
from shared.sizes import WIDEST, fit
from shared.spec import Placement

WIDER = 1.5  # a pan adds half of the picture at one side
KEPT = 2 / 3  # of the canvas, once it cannot grow: what a pan adds is then the same share


class Direction(StrEnum):
    LEFT = "left"
    RIGHT = "right"
    UP = "up"
    DOWN = "down"


def zoomed(size: Size, factor: float) -> Placement:
    """The whole picture, smaller, in the middle of a canvas of its own size."""
    width, height = (max(1, round(side / factor)) for side in size)
    return _centred((width, height), size)


def squared(size: Size, checkpoint: Checkpoint) -> tuple[Size, Placement]:
    """The whole picture in the middle of the square that the checkpoint draws."""
    canvas = fit((1, 1), checkpoint)
    shrink = min(canvas[0] / size[0], canvas[1] / size[1])
    return canvas, _centred((round(size[0] * shrink), round(size[1] * shrink)), canvas)


def panned(size: Size, direction: Direction, checkpoint: Checkpoint) -> tuple[Size, Placement]:
    """The canvas grows by half towards `direction`, where the checkpoint knows such a size.

    Where it does not, the window moves on by a third of itself, and what is behind it falls out.
    """
    upright = direction in (Direction.UP, Direction.DOWN)
    along, across = (size[1], size[0]) if upright else size
    grown = _grown(along, across, checkpoint, upright=upright)
    canvas = grown or along
    new = canvas - along if grown else along - _snapped(KEPT * along, checkpoint)
    before = direction in (Direction.LEFT, Direction.UP)
    behind = 0 if grown else -new
    offset = new if before else behind
    if upright:
        return (across, canvas), Placement(0, offset, across, along)
    return (canvas, across), Placement(offset, 0, along, across)


def _grown(along: int, across: int, checkpoint: Checkpoint, *, upright: bool) -> int | None:
    """The longer side that the checkpoint draws beside `across`, nearest to half as much again."""
    wanted = WIDER * along
    if checkpoint.sizes:
        turned = [size[::-1] if upright else size for size in checkpoint.sizes]
        known = [long for long, other in turned if other == across and long > along]
        return min(known, key=lambda long: abs(log(long / wanted)), default=None)
    longer = _snapped(wanted, checkpoint)
    fits = longer * across <= checkpoint.max_area and longer / across <= WIDEST[0] / WIDEST[1]
    return longer if fits and longer > along else None


def _snapped(side: float, checkpoint: Checkpoint) -> int:
    return max(1, round(side / checkpoint.multiple)) * checkpoint.multiple


def _centred(size: Size, canvas: Size) -> Placement:
    return Placement((canvas[0] - size[0]) // 2, (canvas[1] - size[1]) // 2, *size)
