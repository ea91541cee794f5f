"""The scribe: describes pictures, shortens and enhances prompts, by any text service that speaks OpenAI's
chat completions (vLLM, llama.cpp, `pictor text`).

What the service writes is a stranger's text: it is read strictly, cut, and passes the prompt screen before
anybody sees it. What a person typed goes in as data, and nothing that comes back can do more than say words.
"""

import asyncio
import base64
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from shared import briefs, replies
from shared.config import TextSettings
from shared.errors import Fault, Refusal
from shared.orders import PromptBlocked
from shared.replies import Shortened
from shared.safety.screen import PromptScreen
from shared.safety.verdict import Decision

if TYPE_CHECKING:
    from openai import AsyncOpenAI

Result = TypeVar("Result")

log = logging.getLogger(__name__)

DESCRIBED, SHORTER = 4, 5
MOST_CHARACTERS = 12_000  # of a reply: one that never ends is cut off
MOST_TOKENS = 1_200
AT_ONCE = 4  # of one bot; a text service is slower than a crowd
LOOKS_BACK = 2_000  # characters that a further sentence is screened together with
HEALTH_S = 3.0
TRIES = 2  # a model that did not keep to the form often does the second time

NO_SERVICE = (
    "There is no text service here, and this needs one. Whoever runs this bot can connect one:"
    " see “The text service” in its operations guide."
)
BLIND = (
    "The text service here cannot look at pictures, and this needs one that can. Whoever runs this bot"
    " can connect another."
)
AWAY = "The text service does not answer at the moment. Please try again in a minute."
UNCLEAR = "The text service gave an answer that makes no sense. Please try again."
WITHHELD = "What the text service wrote did not pass the prompt screen, so it is not shown."
BUSY = "You are asking for something already. Please wait until it is there."


@dataclass(frozen=True, slots=True)
class Message:
    """`picture` is a JPEG, PNG or WebP; its sender has made sure of that."""

    role: Literal["system", "user", "assistant"]
    text: str
    picture: bytes | None = None


class Scribe:
    def __init__(self, settings: TextSettings, screen: PromptScreen) -> None:
        self._settings = settings
        self._screen = screen
        self._client: AsyncOpenAI | None = None
        self._line = asyncio.Semaphore(AT_ONCE)
        self._askers: set[str] = set()

    @property
    def connected(self) -> bool:
        return self._settings.url is not None

    @contextmanager
    def turn(self, asker: str) -> Iterator[None]:
        """One question at a time for each person: they cost the operator, and nobody else."""
        if asker in self._askers:
            raise Refusal("text_busy", BUSY)
        self._askers.add(asker)
        try:
            yield
        finally:
            self._askers.discard(asker)

    async def describe(self, picture: bytes) -> tuple[str, ...]:
        """Up to four prompts that could have led to this picture; without parameters."""
        self.check(sees=True)
        asked = [Message("system", briefs.DESCRIBE), Message("user", briefs.LOOK, picture)]
        for _ in range(TRIES):
            found = replies.prompts(await self._whole(asked), DESCRIBED)
            if found:
                return self._passing(found)
        raise _unclear()

    async def shorten(self, text: str) -> Shortened:
        """What matters in a prompt's words, and shorter ones. `text` has no parameters."""
        asked = [Message("system", briefs.SHORTEN), Message("user", briefs.quoted(text))]
        for _ in range(TRIES):
            found = replies.shortened(text, await self._whole(asked), SHORTER)
            if found.prompts:
                return Shortened(found.words, self._passing(found.prompts))
        raise _unclear()

    async def enhance(self, text: str) -> str:
        """One longer prompt of the same meaning. `text` has no parameters."""
        asked = [Message("system", briefs.ENHANCE), Message("user", briefs.quoted(text))]
        for _ in range(TRIES):
            if found := replies.one_prompt(await self._whole(asked)):
                return self._passing([found])[0]
        raise _unclear()

    async def generate(
        self, messages: Sequence[Message], *, most_tokens: int = MOST_TOKENS
    ) -> AsyncGenerator[str]:
        """The reply as it comes, in pieces, unread: whoever shows it, screens it first.

        Refusal without a service; Fault `text_service_away` when it fails, also in the middle.
        """
        self.check(sees=any(one.picture for one in messages))
        await asyncio.to_thread(import_module, "openai")  # costs a second, and others are waiting
        deadline, left = time.monotonic() + self._settings.timeout_s, MOST_CHARACTERS
        await _within(deadline, self._line.acquire())
        pieces = self._pieces(messages, most_tokens)
        try:
            while left > 0 and (piece := await _within(deadline, anext(pieces, None))) is not None:
                left -= len(piece)
                yield piece
        finally:
            self._line.release()
            await pieces.aclose()

    async def speak(
        self, messages: Sequence[Message], *, most_tokens: int = MOST_TOKENS
    ) -> AsyncGenerator[str]:
        """The reply in whole sentences that may be shown: each is screened together with what went before it.
        Fault `text_withheld` where it goes on with what may not."""
        shown = waiting = ""
        async with aclosing(self.generate(messages, most_tokens=most_tokens)) as pieces:
            async for piece in pieces:
                ready, waiting = replies.sentences(waiting + piece)
                if ready:
                    shown = self._checked(shown, ready)
                    yield ready
        if rest := replies.said(waiting):
            self._checked(shown, rest)
            yield rest

    async def models(self) -> tuple[str, ...]:
        """What the service says it has: whether it is there. Fault `text_service_away`."""
        self.check()
        await asyncio.to_thread(import_module, "openai")
        with _translated():
            found = await self._opened().models.list(timeout=HEALTH_S)
            return tuple(one.id for one in found.data)

    def check(self, *, sees: bool = False) -> None:
        if not self.connected:
            raise Refusal("no_text_service", NO_SERVICE)
        if sees and not self._settings.sees:
            raise Refusal("no_text_service", BLIND)

    def check_words(self, text: str) -> None:
        """Before a person's own words are worked on: PromptBlocked for those that could not be drawn."""
        verdict = self._screen.screen([text])
        if verdict.decision is Decision.BLOCK:
            raise PromptBlocked(verdict, case_id=None)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def _whole(self, messages: Sequence[Message]) -> str:
        return "".join([piece async for piece in self.generate(messages)])

    async def _pieces(
        self, messages: Sequence[Message], most_tokens: int
    ) -> AsyncGenerator[str, None]:
        with _translated():
            stream: Any = await self._opened().chat.completions.create(
                model=self._settings.model,
                messages=[_body(one) for one in messages],  # type: ignore[misc]
                max_tokens=most_tokens,
                stream=True,
            )
            async with stream:
                async for chunk in stream:
                    for choice in chunk.choices[:1]:
                        if text := choice.delta.content:
                            yield text

    def _opened(self) -> "AsyncOpenAI":
        if self._client is None:
            from openai import AsyncOpenAI

            key, settings = self._settings.api_key, self._settings
            self._client = AsyncOpenAI(
                base_url=settings.url,
                api_key=key.get_secret_value() if key else "none",
                timeout=settings.timeout_s,
                max_retries=1,
            )
        return self._client

    def _passing(self, found: Sequence[str]) -> tuple[str, ...]:
        """Those that the prompt screen lets through; Fault when that leaves none."""
        passed = tuple(text for text in found if self._passes(text))
        if not passed:
            raise Fault("text_withheld", WITHHELD, retryable=True)
        return passed

    def _checked(self, shown: str, more: str) -> str:
        """What of it the next sentence is looked at with."""
        whole = (shown + more)[-LOOKS_BACK:]
        if not self._passes(whole):
            raise Fault("text_withheld", WITHHELD, retryable=True)
        return whole

    def _passes(self, text: str) -> bool:
        return self._screen.screen([text]).decision is not Decision.BLOCK


def _body(message: Message) -> dict[str, Any]:
    if message.picture is None:
        return {"role": message.role, "content": message.text}
    link = f"data:{_kind(message.picture)};base64,{base64.b64encode(message.picture).decode()}"
    parts = [
        {"type": "image_url", "image_url": {"url": link}},
        {"type": "text", "text": message.text},
    ]
    return {"role": message.role, "content": parts}


def _kind(picture: bytes) -> str:
    if picture.startswith(b"\x89PNG"):
        return "image/png"
    return "image/webp" if picture[8:12] == b"WEBP" else "image/jpeg"


async def _within(deadline: float, work: Awaitable[Result]) -> Result:
    """One limit for the whole reply, the wait for a turn included: a slow trickle counts too."""
    try:
        async with asyncio.timeout(deadline - time.monotonic()):
            return await work
    except TimeoutError:
        raise _away("no whole answer in time") from None


@contextmanager
def _translated() -> Iterator[None]:
    """The library's errors, those of the connection under it that it lets through in a stream, and what
    it makes of an answer that has not the form it should."""
    import httpx2
    import openai

    try:
        yield
    except (openai.OpenAIError, httpx2.HTTPError, ValueError, AttributeError, TypeError) as error:
        status = getattr(error, "status_code", None)
        raise _away(type(error).__name__ + (f" {status}" if status else "")) from None


def _away(why: str) -> Fault:
    log.warning("the text service: %s", why)  # never what was asked or said
    return Fault("text_service_away", AWAY, retryable=True)


def _unclear() -> Fault:
    return Fault("text_service_unclear", UNCLEAR, retryable=True)
