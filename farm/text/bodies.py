"""What comes in and goes out, as OpenAI's chat completions have it; what we have no use for is ignored."""

import time
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from PIL import Image
from pydantic import BaseModel, Field, StringConstraints

from farm.text.pictures import read_picture
from shared.errors import Refusal

MOST_TEXT = 60_000  # characters of one message
MOST_MESSAGES = 64
MOST_PICTURES = 4
MOST_NEW_TOKENS = 4_096

Text = Annotated[str, StringConstraints(max_length=MOST_TEXT)]


class Link(BaseModel):
    url: str


class Part(BaseModel):
    type: Literal["text", "image_url"]
    text: Text = ""
    image_url: Link | None = None


class Said(BaseModel):
    role: Literal["system", "developer", "user", "assistant"]
    content: Text | list[Part] = ""


class Completion(BaseModel):
    messages: list[Said] = Field(min_length=1, max_length=MOST_MESSAGES)
    model: str = ""
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    temperature: float = Field(default=0.7, ge=0, le=2)
    top_p: float = Field(default=1.0, gt=0, le=1)
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    stream: bool = False

    @property
    def most_tokens(self) -> int:
        return min(self.max_completion_tokens or self.max_tokens or 512, MOST_NEW_TOKENS)


@dataclass(frozen=True, slots=True)
class Turn:
    """One message as the model gets it: the pictures stand before the text."""

    role: str
    text: str
    pictures: tuple[Image.Image, ...] = ()


def turns_of(wish: Completion) -> tuple[Turn, ...]:
    """Refusal for a picture that is none, or more of them than are looked at."""
    turns = tuple(map(_turn, wish.messages))
    if sum(len(turn.pictures) for turn in turns) > MOST_PICTURES:
        raise Refusal("too_many_pictures", f"{MOST_PICTURES} pictures are the most.")
    return turns


def _turn(said: Said) -> Turn:
    role = "system" if said.role == "developer" else said.role
    if isinstance(said.content, str):
        return Turn(role, said.content)
    links = [part.image_url.url for part in said.content if part.image_url][: MOST_PICTURES + 1]
    texts = [part.text for part in said.content if part.type == "text"]
    return Turn(role, "\n".join(texts), tuple(map(read_picture, links)))


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every answer to one question has in common."""

    id: str
    model: str

    def whole(self, text: str, ended: str, *, asked: int, said: int) -> dict[str, Any]:
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "message": message, "finish_reason": ended}
        usage = {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said}
        return self._wrapped("chat.completion", choice) | {"usage": usage}

    def piece(self, text: str | None, ended: str | None = None) -> dict[str, Any]:
        delta = {} if text is None else {"role": "assistant", "content": text}
        choice = {"index": 0, "delta": delta, "finish_reason": ended}
        return self._wrapped("chat.completion.chunk", choice)

    def _wrapped(self, kind: str, choice: dict[str, Any]) -> dict[str, Any]:
        named = {"id": self.id, "object": kind, "created": int(time.time()), "model": self.model}
        return named | {"choices": [choice]}


def error_body(code: str, sentence: str) -> dict[str, Any]:
    return {"error": {"message": sentence, "type": code, "code": code, "param": None}}
