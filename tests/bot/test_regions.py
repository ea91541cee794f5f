from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image

from bot.buttons import read_press
from bot.cards import Action, Look
from bot.layouts import layout_of
from bot.regioncards import region_card, says_of
from bot.regions import CELLS, HEADER, SHOWN, cell_name, fitted, gridded
from shared.errors import Fault
from shared.orders import Ask, Person, Venue
from tests.bot.making import JOB_ID

ASK = Ask("region", Person("42", "Finn", "free"), Venue(), "1", None, job_id=JOB_ID, index=1)


def picture(size: tuple[int, int]) -> bytes:
    out = BytesIO()
    Image.new("RGB", size, "black").save(out, "PNG")
    return out.getvalue()


def test_cells_are_named_by_column_and_row() -> None:
    assert [cell_name(cell) for cell in (0, 1, 5, 24)] == ["A1", "B1", "A2", "E5"]


@pytest.mark.parametrize("size", [(512, 512), (64, 48), (30, 900)])
def test_marked_cells_are_tinted_and_no_others(size: tuple[int, int]) -> None:
    base = fitted(picture(size))
    assert max(base.size) == SHOWN
    with Image.open(BytesIO(gridded(base, (12,)))) as shown:
        sheet = shown.convert("RGB")
    assert sheet.size == (base.width + HEADER, base.height + HEADER)

    def middle(cell: int) -> int:
        row, column = divmod(cell, 5)
        spot = round(base.width * (column + 0.7) / 5), round(base.height * (row + 0.7) / 5)
        pixel = sheet.getpixel((spot[0] + HEADER, spot[1] + HEADER))
        assert isinstance(pixel, tuple)
        return int(pixel[2])

    if min(size) > 30:
        assert middle(12) > 80
        assert all(middle(cell) < 40 for cell in (6, 18))


def test_what_is_no_picture_is_our_fault() -> None:
    with pytest.raises(Fault, match="cannot be shown"):
        fitted(b"no picture")


def test_the_panel_fits_and_its_buttons_name_the_draft() -> None:
    card = region_card(replace(ASK, cells=(0, 6), text="x*" * 900), JOB_ID)
    view = layout_of(card)
    assert view.total_children_count <= 40
    assert card.tall
    knobs = [knob for row in card.rows for knob in row]
    assert [knob.label for knob in knobs if knob.look is Look.GOOD] == ["A1", "B2"]
    presses = [read_press(knob.target) for knob in knobs]
    cells = [one.index for one in presses if one and one.action is Action.CELL]
    assert cells == list(range(CELLS))
    assert all(one and one.subject == JOB_ID for one in presses)


def test_what_is_marked_is_said() -> None:
    assert says_of(ASK).endswith("A1 to E5. None is marked.")
    assert says_of(replace(ASK, cells=(6, 7))).endswith("Marked: B2, C2.")
