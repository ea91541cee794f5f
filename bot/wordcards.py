"""What a text service proposed: /describe, /shorten, --enhance. Its words are quoted, never trusted. Pure."""

from collections.abc import Sequence
from uuid import UUID

from bot.answers import private_card
from bot.cards import Action, Card, Colour, Knob, Look, custom_id
from bot.confirmcards import price_line
from bot.quoting import quote
from shared.orders import Quote
from shared.replies import Weighed

MOST_BUTTONS = 5
PROMPT_ROOM, PROMPTS_ROOM = 1_400, 3_000
_DIGITS = ("1️⃣", "2️⃣", "3️⃣", "4️⃣", "5️⃣")
_MARKS = {1: "**", 0: "", -1: "~~"}


def described_card(prompts: Sequence[str], draft_id: UUID) -> Card:
    footer = "A number draws it. What is drawn passes the filters as ever."
    card = private_card(listed(prompts), Colour.DONE, title="Described", footer=footer)
    return Card(panel=card.panel, rows=(_numbers(prompts, draft_id),))


def shortened_card(words: Sequence[Weighed], prompts: Sequence[str], draft_id: UUID) -> Card:
    text = f"**What matters**\n{weighed(words)}\n\n**Shorter**\n{listed(prompts)}"
    footer = "Bold matters much, struck out can go. A number draws it."
    card = private_card(text, Colour.DONE, title="Shortened", footer=footer)
    return Card(panel=card.panel, rows=(_numbers(prompts, draft_id),))


def enhanced_card(longer: str, mine: str, quote_: Quote, *, use: UUID, keep: UUID) -> Card:
    """Each way is a draft of its own, so it is made once however often it is pressed."""
    text = (
        f"**Yours**\n{quote(mine, PROMPT_ROOM)}\n\n**Written out**\n{quote(longer, PROMPT_ROOM)}"
        f"\n\n{price_line(quote_)}"
    )
    title = "Draw this?" if quote_.jobs == 1 else f"Draw this as {quote_.jobs} jobs?"
    card = private_card(text, Colour.WAITING, title=title)
    knobs = (
        Knob("Use", custom_id(Action.CONFIRM, use), Look.GOOD),
        Knob("Keep mine", custom_id(Action.CONFIRM, keep)),
        Knob("Cancel", custom_id(Action.DISCARD, use), Look.DANGER),
    )
    return Card(panel=card.panel, rows=(knobs,))


def listed(prompts: Sequence[str]) -> str:
    room = PROMPTS_ROOM // max(len(prompts), 1)
    lines = zip(_DIGITS, prompts, strict=False)
    return "\n\n".join(f"{digit} {quote(prompt, room)}" for digit, prompt in lines)


def weighed(words: Sequence[Weighed]) -> str:
    """A run of words of one weight shares its marks: Discord reads ** ** as nothing."""
    runs: list[tuple[int, list[str]]] = []
    for one in words:
        if not runs or runs[-1][0] != one.weight:
            runs.append((one.weight, []))
        runs[-1][1].append(one.word)
    return " ".join(
        f"{_MARKS[weight]}{quote(' '.join(run), PROMPT_ROOM // 2)}{_MARKS[weight]}"
        for weight, run in runs
    )[:PROMPT_ROOM]


def _numbers(prompts: Sequence[str], draft_id: UUID) -> tuple[Knob, ...]:
    shown = range(min(len(prompts), MOST_BUTTONS))
    return tuple(Knob(str(i + 1), custom_id(Action.DRAW, draft_id, i)) for i in shown)
