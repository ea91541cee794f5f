"""The cells that somebody tapped, as a picture: white is drawn anew, black stays."""

import hashlib
from collections.abc import Collection
from io import BytesIO

from shared import uploads
from shared.errors import Refusal
from shared.intake import Upload
from shared.orders import REGION_GRID
from shared.spec import Source

BLACK, WHITE = 0, 255


def drawn(cells: Collection[int], width: int, height: int) -> Upload:
    """`cells` count from 0 by rows. Refusal for none of them, for all, and for one that is not there."""
    check(cells)
    from PIL import Image  # 20 MB that only a tapped region should pay

    grid = Image.new("L", (REGION_GRID, REGION_GRID), BLACK)
    for cell in cells:
        grid.putpixel((cell % REGION_GRID, cell // REGION_GRID), WHITE)
    written = BytesIO()
    grid.resize((width, height), Image.Resampling.NEAREST).save(written, "PNG")
    data = written.getvalue()
    source = Source(uploads.new_key("png"), hashlib.sha256(data).hexdigest())
    return Upload(source, data)


def check(cells: Collection[int]) -> None:
    count = REGION_GRID**2
    if not cells:
        sentence = "No part of the picture is chosen. Tap the cells to draw anew, or name them."
        raise Refusal("no_region", sentence, field="cells")
    if not all(0 <= cell < count for cell in cells):
        raise Refusal("no_such_cell", f"The cells are numbered 0 to {count - 1}.", field="cells")
    if len(set(cells)) == count:
        sentence = "That is the whole picture. Leave some cells as they are, or use Vary (Strong)."
        raise Refusal("whole_picture", sentence, field="cells")
