"""Around what a job drew anew lie its source's own pixels: a decoder gives them back a little worse."""

import hashlib
from collections.abc import Sequence

from PIL import Image

from farm.engine.canvas import laid_over
from farm.engine.messages import Picture, Render
from farm.engine.origins import origin_of, read_inputs
from shared.spec import RenderKind, RenderSpec

PARTLY_DRAWN = frozenset({RenderKind.INPAINT, RenderKind.OUTPAINT})


def restored(render: Render, spec: RenderSpec, pictures: Sequence[Picture]) -> list[Picture]:
    """The pictures as they are to be filtered and delivered; those drawn as a whole stay."""
    if spec.kind not in PARTLY_DRAWN:
        return list(pictures)
    origin = origin_of(spec, read_inputs(render))
    assert origin.picture is not None
    assert origin.mask is not None
    return [_over(origin.picture, origin.mask, one) for one in pictures]


def _over(source: Image.Image, mask: Image.Image, drawn: Picture) -> Picture:
    image = Image.frombytes("RGB", (drawn.width, drawn.height), drawn.rgb)
    rgb = laid_over(image, source, mask).tobytes()
    digest = hashlib.sha256(rgb).hexdigest()
    return Picture(drawn.index, drawn.width, drawn.height, rgb, sha256=digest, seed=drawn.seed)
