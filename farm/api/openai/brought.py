"""Pictures that come with a request of OpenAI's clients, and what is asked of the desk for them."""

import re
from collections.abc import Sequence
from dataclasses import replace

from fastapi import UploadFile

from farm.api.openai.asked import Edit, Variation, aspect_of, aspect_typed
from farm.api.openai.stencil import NOTHING
from farm.api.principals import Principal
from farm.api.services import Services
from farm.api.v1 import pictures
from shared.errors import Refusal
from shared.intake import Upload
from shared.orders import Ask
from shared.references import MOST_IMAGES
from shared.safefetch import MOST_BYTES
from shared.uploads import link_of

_SHAPED = re.compile(r"--(ar|aspect)\b")


async def edited(services: Services, who: Principal, asked: Edit, ask: Ask) -> Ask:
    """`ask` is of the words alone. Drawn from the pictures, or only anew where the mask is transparent."""
    brought = await _brought(services, who, asked.files, field="image")
    links = tuple(link_of(one.source.key) for one in brought)
    if asked.mask is not None:
        mask = await _mask(services, who, asked.mask, brought)
        return replace(ask, images=links, mask=mask)
    return replace(ask, images=links, text=_in_shape(ask.text, asked, brought[0]))


async def varied(services: Services, who: Principal, asked: Variation, ask: Ask) -> Ask:
    """Mixed with itself: no word is needed for that."""
    _usual_only(services, asked)
    (one,) = await _brought(services, who, [asked.image], field="image")
    link = link_of(one.source.key)
    shape = aspect_of(asked.size) or 1
    manner = "" if shape == 1 else "landscape" if shape > 1 else "portrait"
    return replace(ask, verb="blend", text="", images=(link, link), manner=manner)


async def _brought(
    services: Services, who: Principal, files: Sequence[UploadFile], *, field: str
) -> list[Upload]:
    if not 0 < len(files) <= MOST_IMAGES:
        sentence = f"Send 1 to {MOST_IMAGES} pictures as `image`; these are {len(files)}."
        raise Refusal("invalid_value", sentence, field=field)
    return [
        await pictures.brought(services, who, await file.read(MOST_BYTES + 1), field=field)
        for file in files
    ]


async def _mask(
    services: Services, who: Principal, file: UploadFile, brought: Sequence[Upload]
) -> str:
    sent = await file.read(MOST_BYTES + 1)
    seen = await pictures.brought(services, who, sent, field="mask")
    if seen.size != brought[0].size:
        sentence = "The mask is of another size than the picture. Send one of the same size."
        raise Refusal("invalid_value", sentence, field="mask")
    drawn = await _stencil(services, sent)
    kept = await pictures.brought(services, who, drawn, field="mask")
    return link_of(kept.source.key)


async def _stencil(services: Services, sent: bytes) -> bytes:
    try:
        drawn = await services.stencils.ask(sent)
    except Refusal as refusal:
        raise Refusal(refusal.code, refusal.sentence, field="mask") from refusal
    if drawn == NOTHING:
        sentence = "Make the part that is to be drawn anew transparent, and nothing else."
        raise Refusal("invalid_value", sentence, field="mask")
    return drawn


def _in_shape(text: str, asked: Edit, first: Upload) -> str:
    """The picture's own, unless somebody says another."""
    if _SHAPED.search(text) or first.size is None or aspect_of(asked.size):
        return text
    return f"{text} {aspect_typed('{}x{}'.format(*first.size))}"


def _usual_only(services: Services, asked: Variation) -> None:
    if asked.model in services.catalog.checkpoints and asked.model != services.catalog.default:
        sentence = "Variations are drawn by the default model. Leave `model` out."
        raise Refusal("unsupported_value", sentence, field="model")
