"""A picture as a model is to see it: whole, or as squares that leave nothing out. No torch here."""

from PIL import Image

from farm.engine.messages import Picture
from farm.pictures import image_of


def whole(picture: Picture) -> list[Image.Image]:
    return [image_of(picture)]


def squares(picture: Picture) -> list[Image.Image]:
    """CLIP's preparation cuts the middle out of a picture: what stands at its edge would go unseen."""
    image = image_of(picture)
    side, length = min(image.size), max(image.size)
    count = -(-length // side)
    if count == 1:
        return [image]
    starts = [round(at * (length - side) / (count - 1)) for at in range(count)]
    if image.width > image.height:
        return [image.crop((at, 0, at + side, side)) for at in starts]
    return [image.crop((0, at, side, at + side)) for at in starts]
