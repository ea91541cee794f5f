"""What the scribe does for people, at whichever door they ask: who may, one question at a time, and prompts
that can be drawn as they stand."""

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import replace

from shared.admission import FrontDesk
from shared.darkroom import Darkroom
from shared.errors import Refusal
from shared.limits import check_standing
from shared.orders import Person
from shared.replies import Parts, Shortened, parted, without_flag
from shared.safefetch import fetch
from shared.scribe import Message, Scribe

ENHANCE = "enhance"
CHOICES = "--enhance writes one prompt out, and {} or :: make several of it. Leave them out, or --enhance."


class Wordsmith:
    def __init__(self, scribe: Scribe, desk: FrontDesk, origins: Collection[str] = ()) -> None:
        """Links to `origins`, our own, need not be public."""
        self._scribe, self._desk, self._origins = scribe, desk, origins
        self._darkroom = Darkroom()

    def check(self, *, sees: bool = False) -> None:
        """Refusal where there is no text service, or none that looks at pictures."""
        self._scribe.check(sees=sees)

    async def fetched(self, link: str) -> bytes:
        """The picture that lies there. Refusal for what may not be fetched, or is not there."""
        return await fetch(link.strip().strip("<>"), allowed=self._origins)

    async def describe(self, person: Person, picture: bytes) -> tuple[str, ...]:
        """Up to four prompts that could have led to it, in its shape."""
        self.check(sees=True)
        seen = await self._darkroom.develop(picture)
        await self._welcome(person)
        with self._scribe.turn(person.discord_id):
            found = await self._scribe.describe(seen.jpeg)
        return tuple(f"{words} --ar {seen.shape}" for words in found)

    async def shorten(self, person: Person, prompt: str) -> Shortened:
        """Which of its words matter, and shorter prompts: their links and parameters stay as they are."""
        self.check()
        parts = parted(prompt)
        if not parts.words:
            sentence = "There are no words to shorten in this prompt."
            raise Refusal("empty_prompt", sentence, field="prompt")
        await self._welcome(person)
        self._scribe.check_words(parts.words)
        with self._scribe.turn(person.discord_id):
            found = await self._scribe.shorten(parts.words)
        return replace(found, prompts=tuple(map(parts.around, found.prompts)))

    async def expand(self, person: Person, prompt: str) -> str:
        """A longer prompt of the same meaning, with the same links and parameters."""
        self.check()
        parts = plain_parts(prompt)
        await self._welcome(person)
        self._scribe.check_words(parts.words)
        with self._scribe.turn(person.discord_id):
            return parts.around(await self._scribe.enhance(parts.words))

    async def converse(
        self, person: Person, messages: Sequence[Message], *, most_tokens: int
    ) -> AsyncGenerator[str]:
        """The reply of the text service as it comes, sentence by sentence, each of them screened. What is asked
        is screened too."""
        self.check()
        await self._welcome(person)
        for one in messages:
            self._scribe.check_words(one.text)
        with self._scribe.turn(person.discord_id):
            async with aclosing(self._scribe.speak(messages, most_tokens=most_tokens)) as said:
                async for sentence in said:
                    yield sentence

    async def close(self) -> None:
        """The scribe too."""
        await self._scribe.close()
        await self._darkroom.close()

    async def _welcome(self, person: Person) -> None:
        """Whoever may not draw is not worked for either."""
        check_standing((await self._desk.account(person)).standing)


def plain_parts(prompt: str) -> Parts:
    """Without --enhance. Refusal for what is no single text."""
    parts = parted(prompt)
    if not parts.words:
        raise Refusal("empty_prompt", "There are no words to write out.", field="prompt")
    if "{" in prompt or "::" in parts.words:
        raise Refusal("enhance_one", CHOICES, field="enhance")
    return replace(parts, parameters=without_flag(parts.parameters, ENHANCE)[0])
