"""The picture a job starts from, made of the pictures it was sent."""

from collections.abc import Mapping

from PIL import Image

from farm.engine.families import Origin
from farm.engine.messages import Render
from shared.errors import Fault
from shared.spec import RenderKind, RenderSpec, Source


Images = Mapping[str, Image.Image]  # by the SHA-256 of the stored file


def read_inputs(render: Render) -> dict[str, Image.Image]:
    return {
        one.sha256: Image.frombytes("RGB", (one.width, one.height), one.rgb)
        for one in render.inputs
    }


def origin_of(spec: RenderSpec, images: Images) -> Origin:
    """Fault `bad_spec` when a picture is missing."""
    if spec.kind is RenderKind.TEXT:
        return Origin()
    size = (spec.width, spec.height)
    picture = found(spec.sources[0], images).resize(size, Image.Resampling.LANCZOS)
    if spec.mask is None:
        return Origin(picture)
    mask = found(spec.mask, images).convert("L").resize(size, Image.Resampling.NEAREST)
    return Origin(picture, mask)


def found(source: Source, images: Images) -> Image.Image:
    if source.sha256 not in images:
        raise Fault("bad_spec", "A picture that the recipe names was not sent with it.")
    return images[source.sha256]
