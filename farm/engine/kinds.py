"""What a recipe of each kind must name, and must not. Fault `bad_spec` where it does not hold."""

from math import isfinite

from farm.engine.canvas import visible
from shared.errors import Fault
from shared.spec import MOST_BLENDED, Placement, RenderKind, RenderSpec

LARGEST = 4  # times the canvas: the source of an outpainting is resized before it is cut


def check_kind(spec: RenderSpec) -> None:
    _check_sources(spec)
    kind = spec.kind
    _require(0 <= spec.strength <= 1, f"no strength is {spec.strength:g}")
    _require(spec.strength == 1 or kind is not RenderKind.TEXT, "noise alone has no strength")
    _require(0 < spec.stop <= 1, f"nothing stops after {spec.stop:g} of its steps")
    masked = spec.mask is not None or bool(spec.region)
    _require(masked == (kind is RenderKind.INPAINT), f"a mask or a region and kind {kind}")
    _require(
        spec.upscaler == ("latent" if kind is RenderKind.UPSCALE else ""),
        f"upscaler {spec.upscaler!r} and kind {kind}",
    )
    _check_shares(spec)
    _check_placement(spec)
    _check_passes(spec)


def _check_passes(spec: RenderSpec) -> None:
    whole = spec.kind in (RenderKind.TEXT, RenderKind.IMAGE, RenderKind.BLEND)
    _require(not spec.hires or whole, f"a second pass and kind {spec.kind}")
    _require(not spec.hires or spec.refiner is None, "a second pass and a refiner")
    for name in ("chaos", "weird"):
        share = getattr(spec, name)
        _require(0 <= share <= 1, f"no {name} is {share:g}")


def _check_sources(spec: RenderSpec) -> None:
    fewest, most = {RenderKind.TEXT: (0, 0), RenderKind.BLEND: (2, MOST_BLENDED)}.get(
        spec.kind, (1, 1)
    )
    many = len(spec.sources)
    _require(fewest <= many <= most, f"{many} sources and kind {spec.kind}")


def _check_shares(spec: RenderSpec) -> None:
    many = len(spec.shares)
    _require(many in (0, len(spec.sources)), f"{many} shares of {len(spec.sources)} sources")
    _require(not many or spec.kind is RenderKind.BLEND, f"shares and kind {spec.kind}")
    whole = all(isfinite(share) and share > 0 for share in spec.shares)
    _require(whole, "a share that is not above 0")


def _check_placement(spec: RenderSpec) -> None:
    place = spec.placement
    _require((place is not None) == (spec.kind is RenderKind.OUTPAINT), f"placement: {spec.kind}")
    if place is None:
        return
    _require(_sized(place, spec), f"a source of {place.width}x{place.height}")
    box = visible(place, (spec.width, spec.height))
    _require(box[0] < box[2] and box[1] < box[3], "the source lies outside the canvas")
    _require(box != (0, 0, spec.width, spec.height), "the source leaves nothing to draw")


def _sized(place: Placement, spec: RenderSpec) -> bool:
    return 0 < place.width <= LARGEST * spec.width and 0 < place.height <= LARGEST * spec.height


def _require(holds: bool, found: str) -> None:
    if not holds:
        raise Fault("bad_spec", f"The recipe cannot be drawn: {found}.")
