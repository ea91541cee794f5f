"""The picture that stands in a message. Nothing is fetched: a link to elsewhere would be our hand in a net."""

import base64
import binascii
import re

from PIL import Image

from farm.safety.opening import open_image
from shared.errors import Refusal

LONGEST_SIDE = 1_536
_DATA = re.compile(r"data:image/(?:png|jpeg|webp|avif);base64,", re.IGNORECASE)


def read_picture(link: str) -> Image.Image:
    mark = _DATA.match(link)
    if mark is None:
        sentence = "A picture comes as a data URL: data:image/png;base64,… Links are not fetched."
        raise Refusal("picture_not_inline", sentence)
    try:
        data = base64.b64decode(link[mark.end() :], validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal("not_a_picture", "The picture's base64 is damaged.") from error
    picture = open_image(data)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return picture
