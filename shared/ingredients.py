"""What a recipe is made of beside words and numbers: stored pictures, adapters, noise that leans. Pure."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Variation:
    """Start noise leans from the parent's towards a new seed by `strength` in 0..1 (slerp).

    The parent's own start noise may be a variation: `earlier` are the (seed, strength) pairs that
    led from `RenderSpec.seed` to it, oldest first, each applied by the same slerp.
    """

    seed: int
    strength: float
    earlier: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A stored picture that this job starts from; `sha256` is of the stored file's bytes."""

    key: str
    sha256: str


class RenderKind(StrEnum):
    """What the engine starts from, and so what it draws."""

    TEXT = "text"  # pure noise
    IMAGE = "image"  # a source, noised by `strength`
    INPAINT = "inpaint"  # a source; only where `mask` is white is it drawn anew
    OUTPAINT = "outpaint"  # a source on a larger canvas; what surrounds it is drawn
    UPSCALE = "upscale"  # a source, enlarged: Lanczos (no step), or a latent second pass
    BLEND = "blend"  # two to five sources, mixed by their shares; none are equal ones


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the source of an outpainting lies on the canvas, in native pixels.

    It is resized to this; what reaches over the canvas is cut off.
    """

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class LoraUse:
    """`name` is a LoRA of the catalog; `weight` multiplies what it adds, and may be negative."""

    name: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class ControlUse:
    """A ControlNet and its picture. It acts in the steps from share `start` to share `end` of all.

    `preprocessor` makes the hint from the source: "" (it is one already), canny, scribble, depth.
    """

    name: str
    source: Source
    scale: float = 1.0
    start: float = 0.0
    end: float = 1.0
    preprocessor: str = ""


@dataclass(frozen=True, slots=True)
class ReferenceUse:
    """An IP-Adapter and the picture whose look it lends."""

    name: str
    source: Source
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Refiner:
    """Another checkpoint that draws the steps from share `at` (0..1) of all to the end."""

    checkpoint: str
    at: float = 0.8


@dataclass(frozen=True, slots=True)
class SizeHint:
    """What SDXL is told of the picture's past, in pixels: original (height, width), crop (top, left)."""

    original: tuple[int, int]
    crop: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Sources:
    """The stored pictures that a prompt names, each in the prompt's order: the images in front (those that came
    attached before the links), the style references that are links, the character references."""

    images: tuple[Source, ...] = ()
    styles: tuple[Source, ...] = ()
    characters: tuple[Source, ...] = ()
