"""The picture a job starts from, made of the pictures it was sent."""

from collections.abc import Callable, Mapping

from PIL import Image

from farm.engine.canvas import fitted, mixed, outside, shrunk, surrounded, visible
from farm.engine.families import Origin
from farm.engine.kinds import check_kind
from farm.engine.messages import Input, Render
from shared.errors import Fault
from shared.spec import RenderKind, RenderSpec, Source

Images = Mapping[str, Image.Image]  # by the SHA-256 of the stored file


def read_inputs(render: Render) -> dict[str, Image.Image]:
    return {one.sha256: _read(one) for one in render.inputs}


def _read(one: Input) -> Image.Image:
    try:
        return Image.frombytes("RGB", (one.width, one.height), one.rgb)
    except ValueError as problem:
        raise Fault("bad_spec", "A picture was sent that is none.") from problem


def origin_of(spec: RenderSpec, images: Images) -> Origin:
    """Fault `bad_spec` for what the kind does not go with, and when a picture is missing."""
    check_kind(spec)
    return MAKERS[spec.kind](spec, images)


def found(source: Source, images: Images) -> Image.Image:
    if source.sha256 not in images:
        raise Fault("bad_spec", "A picture that the recipe names was not sent with it.")
    return images[source.sha256]


def _nothing(spec: RenderSpec, images: Images) -> Origin:
    return Origin()


def _whole(spec: RenderSpec, images: Images) -> Origin:
    return Origin(_resized(spec.sources[0], spec, images))


def _masked(spec: RenderSpec, images: Images) -> Origin:
    assert spec.mask is not None
    mask = found(spec.mask, images).convert("L")
    mask = fitted(mask, (spec.width, spec.height), sharp=True)
    return Origin(_resized(spec.sources[0], spec, images), mask)


def _extended(spec: RenderSpec, images: Images) -> Origin:
    place, canvas = spec.placement, (spec.width, spec.height)
    assert place is not None
    picture = _own_pixels(found(spec.sources[0], images), spec, (place.width, place.height))
    return Origin(surrounded(picture, place, canvas), outside(canvas, visible(place, canvas)))


def _blended(spec: RenderSpec, images: Images) -> Origin:
    pictures = [_resized(one, spec, images) for one in spec.sources]
    return Origin(mixed(pictures, spec.shares or [1.0] * len(pictures)))


MAKERS: dict[RenderKind, Callable[[RenderSpec, Images], Origin]] = {
    RenderKind.TEXT: _nothing,
    RenderKind.IMAGE: _whole,
    RenderKind.INPAINT: _masked,
    RenderKind.OUTPAINT: _extended,
    RenderKind.UPSCALE: _whole,
    RenderKind.BLEND: _blended,
}


def _resized(source: Source, spec: RenderSpec, images: Images) -> Image.Image:
    size = (spec.width, spec.height)
    return fitted(_own_pixels(found(source, images), spec, size), size)


def _own_pixels(picture: Image.Image, spec: RenderSpec, size: tuple[int, int]) -> Image.Image:
    """A tile of pixel art was delivered enlarged: its native pixels come back without loss."""
    if not spec.pixel_art:
        return picture
    width, height = picture.width // spec.scale, picture.height // spec.scale
    least = max(1, min(size[0], width)), max(1, min(size[1], height))
    return shrunk(picture, least)
