"""Pictures that a request brings: links stay links, and what it carries itself is kept and becomes one."""

import asyncio
import base64
import re
from collections.abc import Sequence

from farm.api.principals import Principal
from farm.api.services import Services
from shared import uploads
from shared.errors import Refusal
from shared.intake import Upload
from shared.safefetch import MOST_BYTES

_DATA = re.compile(r"data:(?:image/[a-z+.-]{1,20})?;base64,", re.IGNORECASE)


async def links_of(
    services: Services, who: Principal, pictures: Sequence[str], *, field: str = "images"
) -> tuple[str, ...]:
    """Refusal that names the field, for what carries no picture."""
    return tuple([await link_of(services, who, one, field=field) for one in pictures])


async def link_of(services: Services, who: Principal, picture: str, *, field: str) -> str:
    if picture[:5].lower() != "data:":
        return picture
    begin = _DATA.match(picture)
    if begin is None:
        sentence = "A data URI is data:image/png;base64,... with a PNG, JPEG or WebP picture."
        raise Refusal("invalid_value", sentence, field=field)
    data = await asyncio.to_thread(decoded, picture[begin.end() :], field)
    return uploads.link_of((await brought(services, who, data, field=field)).source.key)


async def brought(services: Services, who: Principal, data: bytes, *, field: str) -> Upload:
    """Kept for this account. Refusal `too_large`, `unfit_picture`."""
    pepper = services.settings.api.pepper
    assert pepper is not None, "who has a key has it by this pepper"
    if len(data) > MOST_BYTES:
        sentence = f"A picture has at most {MOST_BYTES >> 20} MB. Make it smaller."
        raise Refusal("too_large", sentence, field=field)
    try:
        return await services.intake.brought(data, who.holder.key.account_id, pepper)
    except Refusal as refusal:
        raise Refusal(refusal.code, refusal.sentence, field=field) from refusal


def decoded(text: str, field: str) -> bytes:
    """Of base64, the usual alphabet or the one for links."""
    try:
        return base64.b64decode(text.translate(_USUAL), validate=True)
    except ValueError:
        sentence = "That is no base64. Send the whole file, encoded."
        raise Refusal("invalid_value", sentence, field=field) from None


_USUAL = str.maketrans("-_", "+/")
