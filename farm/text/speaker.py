"""A language model from a folder, with transformers: turns in, words out, piece by piece.

The folder may hold data only: safetensors, JSON, templates. Nothing is fetched, and no code of its is run.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    StoppingCriteria,
    StoppingCriteriaList,
    TextIteratorStreamer,
)

from farm.engine.weights.vetting import check_folder
from farm.text.bodies import Completion, Turn
from shared.errors import Fault, Refusal

log = logging.getLogger(__name__)

LONGEST = 16_384  # tokens with their reply, where the model itself has no lower limit
LEAST_REPLY = 16  # tokens of room, or it is not worth asking
TEMPLATES = frozenset({".jinja"})
_HERE: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}


@dataclass(slots=True)
class Speech:
    """One reply. Iterate it once; `stop` ends it early, from any thread."""

    words: Iterator[str]
    asked: int
    most: int
    said: int = 0
    stopped: Event = field(default_factory=Event)
    done: Event = field(default_factory=Event)
    broke: BaseException | None = None

    def stop(self) -> None:
        self.stopped.set()

    def wait(self) -> None:
        """Until its thread is through: two at once would share one device."""
        self.done.wait()

    @property
    def ended(self) -> str:
        cut = self.said >= self.most or self.stopped.is_set()
        return "length" if cut else "stop"


class Speaker:
    """`reader` is the model's tokenizer, or its processor where it sees."""

    def __init__(self, model: Any, reader: Any, *, sees: bool) -> None:
        self._model, self._reader, self._sees = model, reader, sees

    @classmethod
    def open(cls, folder: Path, device: str = "cpu") -> "Speaker":
        """Fault that says what is wrong with the folder."""
        check_folder(folder, more=TEMPLATES)
        try:
            config = AutoConfig.from_pretrained(folder, **_HERE)
            sees = hasattr(config, "vision_config")
            model = _model(folder, sees=sees).eval().to(device)
            reader = (AutoProcessor if sees else AutoTokenizer).from_pretrained(folder, **_HERE)
        except Exception as error:  # transformers has many ways to say that a folder is not whole
            sentence = f"The folder {folder} holds no model that can be used: {error}"
            raise Fault("weights_unreadable", sentence.splitlines()[0]) from error
        return cls(model, reader, sees=sees)

    def speak(self, turns: Sequence[Turn], wish: Completion, *, within_s: float) -> Speech:
        """Starts at once, on a thread of its own."""
        read = self._read(turns).to(self._model.device)
        asked = int(read["input_ids"].shape[1])
        room = min(self._room(), LONGEST) - asked
        if room < LEAST_REPLY:
            most = asked + room - LEAST_REPLY
            raise Refusal("prompt_too_long", f"That is {asked} tokens; {most} are the most.")
        most = min(wish.most_tokens, room)
        tokenizer = getattr(self._reader, "tokenizer", self._reader)
        streamer = TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
        speech = Speech(iter(streamer), asked, most)
        watch = _Watch(speech, asked, time.monotonic() + within_s)
        chosen = _sampling(wish, most) | {"stopping_criteria": StoppingCriteriaList([watch])}
        work = (speech, streamer, {**read, **chosen}, wish.seed)
        Thread(target=self._generate, args=work, name="speech", daemon=True).start()
        return speech

    def _generate(
        self, speech: Speech, streamer: Any, wanted: dict[str, Any], seed: int | None
    ) -> None:
        try:
            if seed is not None:
                torch.manual_seed(seed)
            with torch.inference_mode():
                self._model.generate(**wanted, streamer=streamer)
        except Exception as error:
            log.exception("a reply broke off")
            speech.broke = error
        finally:
            streamer.end()
            speech.done.set()

    def _read(self, turns: Sequence[Turn]) -> Any:
        if any(turn.pictures for turn in turns) and not self._sees:
            raise Refusal("no_pictures_here", "This model reads text alone; it sees no pictures.")
        for told in (turns, folded(turns)):
            try:
                return self._templated(told)
            except Refusal:
                raise
            except Exception as error:  # a template that has no system role says so in its own way
                broke = error
        raise Refusal("unfit_messages", "This model cannot read these messages.") from broke

    def _templated(self, turns: Sequence[Turn]) -> Any:
        said = [{"role": turn.role, "content": self._content(turn)} for turn in turns]
        options = {"add_generation_prompt": True, "tokenize": True, "return_dict": True}
        return self._reader.apply_chat_template(said, return_tensors="pt", **options)

    def _content(self, turn: Turn) -> Any:
        if not self._sees:
            return turn.text
        pictures = [{"type": "image", "image": picture} for picture in turn.pictures]
        return [*pictures, {"type": "text", "text": turn.text}]

    def _room(self) -> int:
        config = self._model.config.get_text_config()
        return int(getattr(config, "max_position_embeddings", None) or LONGEST)


class _Watch(StoppingCriteria):
    def __init__(self, speech: Speech, asked: int, deadline: float) -> None:
        self._speech, self._asked, self._deadline = speech, asked, deadline

    def __call__(self, input_ids: torch.Tensor, scores: Any, **_: Any) -> Any:
        self._speech.said = int(input_ids.shape[1]) - self._asked
        if time.monotonic() > self._deadline:
            self._speech.stop()
        done = self._speech.stopped.is_set()
        return torch.full((input_ids.shape[0],), done, device=input_ids.device)


def folded(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """For models without a system role: what it says stands before the first turn of a user."""
    system = "\n\n".join(turn.text for turn in turns if turn.role == "system")
    rest = [turn for turn in turns if turn.role != "system"]
    if not rest or not system:
        return tuple(rest)
    first = rest[0]
    return (Turn(first.role, f"{system}\n\n{first.text}", first.pictures), *rest[1:])


def _model(folder: Path, *, sees: bool) -> Any:
    kind = AutoModelForImageTextToText if sees else AutoModelForCausalLM
    return kind.from_pretrained(folder, use_safetensors=True, dtype="auto", **_HERE)


def _sampling(wish: Completion, most: int) -> dict[str, Any]:
    chosen: dict[str, Any] = {"max_new_tokens": most}
    if wish.temperature == 0:
        return chosen | {"do_sample": False}
    return chosen | {
        "do_sample": True,
        "temperature": wish.temperature,
        "top_p": wish.top_p,
    }
