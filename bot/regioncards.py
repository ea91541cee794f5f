"""The private message in which a region is tapped: cells as buttons, and what was chosen so far. Pure."""

from uuid import UUID

from bot.cards import UPLOADED, Action, Card, Colour, Knob, Look, Panel, Rows, custom_id
from bot.naming import counted
from bot.quoting import plain, quote
from bot.regions import CELLS, cell_name
from shared.orders import REGION_GRID, Ask

HOW = "Tap the cells that are to be drawn anew, or name the part in words. Then Draw."
QUOTED = 300


def region_card(ask: Ask, draft_id: UUID) -> Card:
    panel = Panel(
        "\n".join([HOW, *_chosen(ask)]),
        Colour.RUNNING,
        title="Vary Region",
        image=UPLOADED,
        says=says_of(ask),
    )
    return Card(panel=panel, rows=(*_cells(ask, draft_id), _verbs(draft_id)))


def says_of(ask: Ask) -> str:
    grid = f"Your picture under a grid of {counted(CELLS, 'cell')}, A1 to {cell_name(CELLS - 1)}."
    if not ask.cells:
        return f"{grid} None is marked."
    return f"{grid} Marked: {', '.join(map(cell_name, ask.cells))}."


def _chosen(ask: Ask) -> list[str]:
    lines = []
    if ask.cells:
        lines.append(f"**Cells** {', '.join(map(cell_name, ask.cells))}")
    if plain(ask.words):
        lines.append(f"**Part** {quote(ask.words, QUOTED)}")
    if plain(ask.text):
        lines.append(f"**To draw** {quote(ask.text, QUOTED)}")
    return lines


def _cells(ask: Ask, draft_id: UUID) -> Rows:
    def knob(cell: int) -> Knob:
        look = Look.GOOD if cell in ask.cells else Look.PLAIN
        return Knob(cell_name(cell), custom_id(Action.CELL, draft_id, cell), look)

    starts = range(0, CELLS, REGION_GRID)
    return tuple(tuple(map(knob, range(first, first + REGION_GRID))) for first in starts)


def _verbs(draft_id: UUID) -> tuple[Knob, ...]:
    return (
        Knob("Draw", custom_id(Action.CONFIRM, draft_id), Look.MAIN),
        Knob("Words", custom_id(Action.WORDS, draft_id)),
        Knob("Clear", custom_id(Action.CLEAR, draft_id)),
        Knob("Discard", custom_id(Action.DISCARD, draft_id), Look.DANGER),
    )
