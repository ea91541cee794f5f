"""A picture that a form brings: the file itself, or a link to it."""

from typing import Annotated

from fastapi import File, Form, UploadFile

from farm.api.services import Services
from farm.api.v1.fields import Link
from shared.errors import Refusal

PictureFile = Annotated[UploadFile | None, File(description="PNG, JPEG or WebP.")]
PictureLink = Annotated[Link | None, Form(description="Or where it lies: an https link.")]


async def brought(services: Services, picture: UploadFile | None, link: str | None) -> bytes:
    """Its bytes. Refusal `no_picture_given`, and those of a link that cannot be fetched."""
    if picture is not None:
        return await picture.read()
    if link:
        return await services.wordsmith.fetched(link)
    sentence = "Send a picture as the form's field `picture`, or a link to one as `link`."
    raise Refusal("no_picture_given", sentence, field="picture")
