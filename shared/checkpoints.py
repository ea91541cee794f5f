"""A checkpoint of the catalog: where it lies, sizes, defaults, cost, abilities, styles and versions. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from shared import places
from shared.abilities import BY_FAMILY, EVERY
from shared.errors import Fault
from shared.places import File, Folder, Place, Repo, require
from shared.styles import Style, read_styles
from shared.versions import read_versions

FAMILIES = ("sd15", "sdxl", "sd3", "flux")
FLOW = ("sd3", "flux")  # families that are trained by flow matching
# fmt: off
SAMPLERS = (
    "dpm++2m-karras", "dpm++2m", "dpm++2m-exponential", "dpm++2m-trailing", "ddim", "ddim-trailing",
    "euler", "euler-karras", "euler-exponential", "euler-trailing", "euler-a", "euler-a-trailing",
    "heun", "heun-karras", "heun-exponential", "heun-trailing",
    "unipc", "unipc-karras", "unipc-exponential", "unipc-trailing", "pndm", "pndm-trailing", "lcm",
    "flow-euler", "flow-euler-karras", "flow-euler-exponential", "flow-heun", "flow-dpm++2m",
    "flow-unipc", "flow-lcm",
)
# fmt: on
DTYPES = ("auto", "float32", "bfloat16", "float16")
TIERS = ("hot", "warm", "cold")
# What each family draws without, if it must.
OPTIONAL = {
    "sd15": frozenset({"image_encoder", "feature_extractor"}),
    "sdxl": frozenset({"image_encoder", "feature_extractor"}),
    "sd3": frozenset({"text_encoder_3", "image_encoder", "feature_extractor"}),
    "flux": frozenset({"image_encoder", "feature_extractor"}),
}
LONGEST = 512  # tokens that a T5 encoder is given, at most

Size = tuple[int, int]


def samplers_of(family: str) -> tuple[str, ...]:
    """The samplers that work for a family: flow matching and diffusion share none."""
    return tuple(name for name in SAMPLERS if name.startswith("flow-") == (family in FLOW))


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Sizes are (width, height) in native pixels. Empty `sizes` or `known_words` means any.

    `step_ms` is one forward of one picture of native² pixels; `fixed_ms` is a picture's rest.
    `tier` says when it is on the device: hot always, warm while it is used, cold on demand only.
    `vae` is an adapter that takes the place of its own; `refiner`: it may end what others began.
    `true_cfg`: guided by a second row although it was distilled. `max_sequence_length`: tokens of
    the T5 encoder, 0 for the family's own. `vram_gb` is an estimate, 0 for none. `cannot` are abilities
    of its family that it lacks; `enlarged_area` is the largest picture of a second pass, 0 for 4 `max_area`;
    `second_pass` the share of the steps that it draws anew.
    `versions` are what --version and --niji call it ("6.1", "niji 6"); `styles` are its looks by name, and
    `style` the one that it has where nobody says.
    """

    name: str
    title: str
    family: str
    weights: Place
    native: int
    multiple: int
    max_area: int
    scale: int = 1
    pixel_art: bool = False
    steps: int
    guidance: float
    sampler: str
    samplers: tuple[str, ...]
    step_ms: float
    fixed_ms: float
    known_words: frozenset[str]
    examples: tuple[str, ...] = ()
    sizes: tuple[Size, ...] = ()
    detectors: tuple[str, ...] = ()
    min_steps: int = 1
    dtype: str = "auto"
    tier: str = "warm"
    vae: str = ""
    refiner: bool = False
    compile: bool = False
    components_off: tuple[str, ...] = ()
    max_sequence_length: int = 0
    true_cfg: bool = False
    vram_gb: float = 0.0
    cannot: tuple[str, ...] = ()
    enlarged_area: int = 0
    second_pass: float = 0.35
    versions: tuple[str, ...] = ()
    styles: Mapping[str, Style] = field(default_factory=dict)
    style: str = ""
    licence: str = ""

    @property
    def abilities(self) -> frozenset[str]:
        """Names of `shared.abilities`. A distilled Flux has no second row to say no with."""
        lacking = {*self.cannot}
        if self.family == "flux" and not self.true_cfg:
            lacking.add("negative")
        return BY_FAMILY[self.family] - lacking

    @property
    def most_enlarged(self) -> int:
        """Pixels that a second pass may have: the composition is there, so it may be more than was trained."""
        return self.enlarged_area or 4 * self.max_area

    @property
    def folder(self) -> Path:
        """Of diffusers' format, or of the configurations of a single file."""
        match self.weights:
            case Folder(path) | File(config=Path() as path):
                return path
        raise Fault("no_folder", f"The checkpoint {self.name} does not come from a folder.")


def read_checkpoint(name: str, row: Mapping[str, Any]) -> Checkpoint:
    """ValueError that names the row and the field."""
    try:
        stray = set(row) - FIELDS
        require(not stray, f"unknown fields: {', '.join(sorted(stray))}")
        lacking = REQUIRED - set(row)
        require(not lacking, f"{', '.join(sorted(lacking))} must be given")
        given = {"title": name, "words": frozenset()} | places.read_fields(row, READERS)
        require(given["family"] in FAMILIES, f"family must be one of {FAMILIES}")
        given["samplers"] = given.get("samplers") or samplers_of(given["family"])
        given["known_words"] = given.pop("words")
        checkpoint = Checkpoint(name=name, weights=places.read_place(row), **given)
        _check(checkpoint)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return checkpoint


def _check(checkpoint: Checkpoint) -> None:
    for name in ("native", "multiple", "scale", "steps", "step_ms", "guidance", "max_area"):
        value = getattr(checkpoint, name)
        require(isfinite(value) and value > 0, f"{name} must be above 0")
    for name in ("fixed_ms", "vram_gb", "enlarged_area"):
        value = getattr(checkpoint, name)
        require(isfinite(value) and value >= 0, f"{name} must not be below 0")
    require(0 < checkpoint.second_pass <= 1, "second_pass must be above 0 and at most 1")
    within = 1 <= checkpoint.min_steps <= checkpoint.steps
    require(within, "min_steps must be from 1 to steps")
    strange = set(checkpoint.samplers) - set(samplers_of(checkpoint.family))
    require(not strange, f"samplers that {checkpoint.family} does not know: {sorted(strange)}")
    require(checkpoint.sampler in checkpoint.samplers, "sampler is not in samplers")
    for size in (*checkpoint.sizes, (checkpoint.native, checkpoint.native)):
        _check_size(checkpoint, size)
    unheard = set(checkpoint.cannot) - EVERY
    require(not unheard, f"cannot: there is no ability {sorted(unheard)}, only {sorted(EVERY)}")
    known = not checkpoint.style or checkpoint.style in checkpoint.styles
    require(known, f"style names {checkpoint.style!r}, which is not in styles")
    _check_loading(checkpoint)


def _check_loading(checkpoint: Checkpoint) -> None:
    require(checkpoint.dtype in DTYPES, f"dtype must be one of {DTYPES}")
    require(checkpoint.tier in TIERS, f"tier must be one of {TIERS}")
    place = checkpoint.weights
    require(not (isinstance(place, File) and place.config is None), "file needs a config folder")
    require(not (isinstance(place, Repo) and place.path), "path means nothing for a checkpoint")
    strange = set(checkpoint.components_off) - OPTIONAL[checkpoint.family]
    require(not strange, f"components_off: {checkpoint.family} needs {sorted(strange)}")
    tokens = checkpoint.max_sequence_length
    require(0 <= tokens <= LONGEST, f"max_sequence_length must be from 0 to {LONGEST}")
    require(not tokens or checkpoint.family in FLOW, "max_sequence_length is a T5 encoder's")
    require(not checkpoint.true_cfg or checkpoint.family == "flux", "true_cfg is for flux")


def _check_size(checkpoint: Checkpoint, size: Size) -> None:
    width, height = size
    whole = (
        width > 0
        and height > 0
        and not (width % checkpoint.multiple or height % checkpoint.multiple)
    )
    fits = whole and width * height <= checkpoint.max_area
    require(fits, f"{width}x{height} is no multiple or larger than max_area")


def _sizes(listed: Any) -> tuple[Size, ...]:
    return tuple(_size(text) for text in places.texts(listed))


def _size(text: str) -> Size:
    width, _, height = text.partition("x")
    return int(width), int(height)


def _words(path: Any) -> frozenset[str]:
    words = frozenset(places.rooted(path).read_text(encoding="utf-8").lower().split())
    require(bool(words), f"{path} holds no word")
    return words


READERS: dict[str, places.Reader] = {
    **dict.fromkeys(("title", "family", "sampler", "dtype", "tier", "vae", "style"), places.text),
    "licence": places.text,
    **dict.fromkeys(("native", "multiple", "max_area", "scale", "steps"), places.whole),
    **dict.fromkeys(("min_steps", "max_sequence_length", "enlarged_area"), places.whole),
    **dict.fromkeys(("guidance", "step_ms", "fixed_ms", "vram_gb", "second_pass"), places.number),
    **dict.fromkeys(("pixel_art", "refiner", "compile", "true_cfg"), places.flag),
    **dict.fromkeys(
        ("samplers", "examples", "detectors", "components_off", "cannot"), places.texts
    ),
    "sizes": _sizes,
    "words": _words,
    "styles": read_styles,
    "versions": read_versions,
}
FIELDS = READERS.keys() | places.FIELDS
REQUIRED = frozenset(
    {"family", "native", "multiple", "max_area", "steps", "guidance", "sampler"}
    | {"step_ms", "fixed_ms"}
)
