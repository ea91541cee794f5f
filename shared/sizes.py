"""From an aspect to the native size that a checkpoint draws best. Pure."""

from math import exp, floor, gcd, log

from shared.catalog import Checkpoint, Size
from shared.errors import Refusal

WIDEST = (2, 1)  # of a checkpoint that names no sizes
SHAPE_OVER_AREA = 4  # a wrong shape is seen at once, a somewhat smaller picture is not
TOLERANCE = 0.03


def fit(aspect: Size, checkpoint: Checkpoint) -> Size:
    """The trained size nearest in shape; Refusal outside what the checkpoint was trained on."""
    _check_range(aspect, checkpoint)
    wanted = log(aspect[0] / aspect[1])
    sizes = checkpoint.sizes or _possible(wanted, checkpoint)
    return min(sizes, key=lambda size: _misfit(size, wanted, checkpoint))


def fits(aspect: Size, size: Size) -> bool:
    return abs(log(aspect[0] / aspect[1]) - log(size[0] / size[1])) <= TOLERANCE


def enlarged(size: Size, factor: float, checkpoint: Checkpoint, *, field: str = "factor") -> Size:
    """Only the area counts: the composition is there, so no trained shape is needed for it.

    Refusal `too_large` where the checkpoint cannot draw so much.
    """
    unit = checkpoint.multiple
    width, height = (round(side * factor / unit) * unit for side in size)
    if width * height > checkpoint.most_enlarged:
        asked = f"{checkpoint.title} cannot draw {width}x{height}, its {size[0]}x{size[1]} enlarged"
        sentence = f"{asked} {factor:g} times. {_advice(size, checkpoint)}"
        raise Refusal("too_large", sentence, field=field)
    return width, height


def _advice(size: Size, checkpoint: Checkpoint) -> str:
    most = floor(10 * (checkpoint.most_enlarged / (size[0] * size[1])) ** 0.5) / 10
    if most > 1:
        return f"Up to {most:g} times it can."
    return "Use the upscale that draws nothing anew."


def _possible(wanted: float, checkpoint: Checkpoint) -> list[Size]:
    step, most = checkpoint.multiple, checkpoint.max_area
    widths = range(step, int((WIDEST[0] / WIDEST[1] * most) ** 0.5) + step, step)
    exact = [(width, width / exp(wanted)) for width in widths]
    near = [(w, max(1, int(height / step) + up) * step) for w, height in exact for up in (0, 1)]
    return [(width, height) for width, height in near if width * height <= most]


def _misfit(size: Size, wanted: float, checkpoint: Checkpoint) -> float:
    width, height = size
    shape = abs(log(width / height) - wanted)
    return SHAPE_OVER_AREA * shape + abs(log(width * height / checkpoint.native**2))


def _check_range(aspect: Size, checkpoint: Checkpoint) -> None:
    tallest, widest = _limits(checkpoint)
    nearest = widest if aspect[0] > aspect[1] else tallest
    if fits(aspect, nearest) or not (_wider(tallest, aspect) or _wider(aspect, widest)):
        return
    sentence = (
        f"--ar {_shown(aspect)} is out of range: {checkpoint.title} draws from {_shown(tallest)} "
        f"to {_shown(widest)}. Write for example --ar {_shown(nearest)}."
    )
    raise Refusal("aspect_out_of_range", sentence, field="aspect")


def _limits(checkpoint: Checkpoint) -> tuple[Size, Size]:
    if not checkpoint.sizes:
        return (WIDEST[1], WIDEST[0]), WIDEST
    by_shape = sorted(checkpoint.sizes, key=lambda size: size[0] / size[1])
    return _reduced(by_shape[0]), _reduced(by_shape[-1])


def _wider(one: Size, other: Size) -> bool:
    return one[0] * other[1] > other[0] * one[1]


def _reduced(size: Size) -> Size:
    divisor = gcd(*size)
    return size[0] // divisor, size[1] // divisor


def _shown(aspect: Size) -> str:
    return f"{aspect[0]}:{aspect[1]}"
