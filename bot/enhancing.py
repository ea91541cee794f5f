"""--enhance: a text service writes a prompt out, and its author decides before anything is drawn."""

from dataclasses import replace

from bot.ordering import CONFIRMED_FIRST
from bot.reception import Interaction, tell
from bot.wordcards import enhanced_card
from shared.admission import FrontDesk
from shared.orders import Ask
from shared.replies import parted, without_flag
from shared.wordsmith import ENHANCE, Wordsmith, plain_parts


class Enhancing:
    def __init__(self, wordsmith: Wordsmith, desk: FrontDesk) -> None:
        self._wordsmith, self._desk = wordsmith, desk

    def check(self) -> None:
        """Refusal where there is no text service."""
        self._wordsmith.check()

    async def propose(self, interaction: Interaction, ask: Ask) -> None:
        """Answered in private already. What could not be drawn is refused before it is written out."""
        parts = plain_parts(ask.text)
        mine = replace(ask, text=parts.around(parts.words), route=None)
        await self._desk.quote(mine)
        longer = replace(mine, text=await self._wordsmith.expand(ask.person, ask.text))
        quote = await self._desk.quote(longer)
        use = await self._desk.draft(ask.person, CONFIRMED_FIRST, longer)
        keep = await self._desk.draft(ask.person, CONFIRMED_FIRST, mine)
        await tell(interaction, enhanced_card(longer.text, mine.text, quote, use=use, keep=keep))


def wants_it(text: str) -> bool:
    return without_flag(parted(text).parameters, ENHANCE)[1]
