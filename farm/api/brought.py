"""Pictures as clients of other dialects send them: data URIs, base64 alone, or links."""

import asyncio
from collections.abc import Sequence

from farm.api.principals import Principal
from farm.api.services import Services
from farm.api.v1.pictures import decoded, link_of, links_of

DATA = "data:"
_LINKS = ("https://", "http://")


async def links_to(
    services: Services, who: Principal, pictures: Sequence[str], *, field: str
) -> tuple[str, ...]:
    """Kept, where they came with the request. Refusal that names the field."""
    return await links_of(services, who, [as_said(one) for one in pictures], field=field)


async def link_to(services: Services, who: Principal, picture: str, *, field: str) -> str:
    return await link_of(services, who, as_said(picture), field=field)


async def seen(services: Services, picture: str, *, field: str) -> bytes:
    """To be looked at once, and not kept."""
    said = as_said(picture)
    if said.startswith(_LINKS):
        return await services.wordsmith.fetched(said)
    return await asyncio.to_thread(decoded, said.partition(",")[2], field)


def as_said(picture: str) -> str:
    """Some clients leave out what stands before the base64."""
    said = picture.strip()
    marked = said[:5].lower() == DATA or said[:8].lower().startswith(_LINKS)
    return said if marked else f"{DATA}image/png;base64,{said}"
