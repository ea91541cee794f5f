"""A picture under a grid of named cells, for people who tap what is to be drawn anew."""

from collections.abc import Collection
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont

from shared.errors import Fault
from shared.orders import REGION_GRID

SHOWN = 720  # pixels of the longer side: as wide as a phone shows, and a small file
HEADER = 60  # of the strips with letters and numbers
LETTERS = "ABCDE"
CELLS = REGION_GRID * REGION_GRID
_MARK = (88, 101, 242)
_STRIP = (43, 45, 49)
Box = tuple[int, int, int, int]


def cell_name(cell: int) -> str:
    """Counted by rows: A1 is the first, B1 lies right of it, A2 below."""
    row, column = divmod(cell, REGION_GRID)
    return f"{LETTERS[column]}{row + 1}"


def fitted(picture: bytes) -> Image.Image:
    """RGB, at most SHOWN along its longer side. Fault when this is no picture."""
    try:
        with Image.open(BytesIO(picture)) as opened:
            opened.draft("RGB", (SHOWN, SHOWN))
            plain = opened.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise Fault("picture_unreadable", "This picture cannot be shown.") from error
    share = SHOWN / max(plain.size)
    width, height = (max(round(side * share), REGION_GRID) for side in plain.size)
    return plain.resize((width, height), Image.Resampling.LANCZOS)


def gridded(picture: Image.Image, marked: Collection[int]) -> bytes:
    """A WebP: letters above, numbers on the left, lines, and the marked cells tinted and framed."""
    sheet = Image.new("RGB", (picture.width + HEADER, picture.height + HEADER), _STRIP)
    sheet.paste(_tinted(picture, marked), (HEADER, HEADER))
    draw = ImageDraw.Draw(sheet)
    boxes = [_box(picture.size, cell) for cell in range(CELLS)]
    for box in boxes:
        draw.rectangle(_moved(box), outline="black", width=3)
        draw.rectangle(_moved(box), outline="white", width=1)
    for cell in marked:
        draw.rectangle(_moved(boxes[cell]), outline="white", width=6)
        draw.rectangle(_moved(boxes[cell]), outline=_MARK, width=4)
    _name(draw, boxes)
    out = BytesIO()
    sheet.save(out, "WEBP", quality=80, method=2)
    return out.getvalue()


def _tinted(picture: Image.Image, marked: Collection[int]) -> Image.Image:
    tinted = picture.copy()
    for cell in marked:
        box = _box(picture.size, cell)
        part = picture.crop(box)
        tinted.paste(Image.blend(part, Image.new("RGB", part.size, _MARK), 0.5), box)
    return tinted


def _name(draw: ImageDraw.ImageDraw, boxes: list[Box]) -> None:
    """On both sides of every cell's row and column, and small in the cell: fingers hide what they tap."""
    large, small = ImageFont.load_default(46), ImageFont.load_default(32)
    for place in range(REGION_GRID):
        left, _, right, _ = _moved(boxes[place])
        _, top, _, bottom = _moved(boxes[place * REGION_GRID])
        middle = (left + right) / 2, (top + bottom) / 2
        draw.text((middle[0], HEADER / 2), LETTERS[place], "white", large, anchor="mm")
        draw.text((HEADER / 2, middle[1]), str(place + 1), "white", large, anchor="mm")
    for cell, box in enumerate(boxes):
        left, top, _, _ = _moved(box)
        corner = left + 9, top + 5
        draw.text(corner, cell_name(cell), "white", small, stroke_width=3, stroke_fill="black")


def _box(size: tuple[int, int], cell: int) -> Box:
    """Its pixels: left, top, right, bottom (not included)."""
    row, column = divmod(cell, REGION_GRID)
    xs = [round(size[0] * place / REGION_GRID) for place in (column, column + 1)]
    ys = [round(size[1] * place / REGION_GRID) for place in (row, row + 1)]
    return xs[0], ys[0], xs[1], ys[1]


def _moved(box: Box) -> Box:
    return box[0] + HEADER, box[1] + HEADER, box[2] + HEADER, box[3] + HEADER
