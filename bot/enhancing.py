"""--enhance: a text service writes a prompt out, and its author decides before anything is drawn."""

from dataclasses import replace

from bot.ordering import CONFIRMED_FIRST
from bot.reception import Interaction, tell
from bot.wordcards import enhanced_card
from shared.admission import FrontDesk
from shared.errors import Refusal
from shared.orders import Ask
from shared.replies import Parts, parted, without_flag
from shared.scribe import Scribe

FLAG = "enhance"
CHOICES = "--enhance writes one prompt out, and {} or :: make several of it. Leave them out, or --enhance."


class Enhancing:
    def __init__(self, scribe: Scribe, desk: FrontDesk) -> None:
        self._scribe, self._desk = scribe, desk

    def check(self) -> None:
        """Refusal where there is no text service."""
        self._scribe.check()

    async def propose(self, interaction: Interaction, ask: Ask) -> None:
        """Answered in private already. What could not be drawn is refused before it is written out."""
        parts = plain_parts(ask.text)
        mine = replace(ask, text=parts.around(parts.words), route=None)
        await self._desk.quote(mine)
        self._scribe.check_words(parts.words)
        with self._scribe.turn(ask.person.discord_id):
            words = await self._scribe.enhance(parts.words)
        longer = replace(mine, text=parts.around(words))
        quote = await self._desk.quote(longer)
        use = await self._desk.draft(ask.person, CONFIRMED_FIRST, longer)
        keep = await self._desk.draft(ask.person, CONFIRMED_FIRST, mine)
        await tell(interaction, enhanced_card(longer.text, mine.text, quote, use=use, keep=keep))


def wants_it(text: str) -> bool:
    return without_flag(parted(text).parameters, FLAG)[1]


def plain_parts(text: str) -> Parts:
    """Without the flag. Refusal for what is no single text."""
    parts = parted(text)
    if not parts.words:
        raise Refusal("empty_prompt", "There are no words to write out.", field="prompt")
    if "{" in text or "::" in parts.words:
        raise Refusal("enhance_one", CHOICES, field="enhance")
    return replace(parts, parameters=without_flag(parts.parameters, FLAG)[0])
