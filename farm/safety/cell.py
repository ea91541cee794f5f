"""Where strangers' pictures are opened and examined: a confined process, and its parent's side."""

import msgspec
from PIL import ImageOps

from farm.safety.examination import Examination, Trust, examine
from farm.safety.opening import open_image
from shared.chamber import SECONDS, UNSAFE, Chamber, serve
from shared.errors import Refusal


class Question(msgspec.Struct, frozen=True):
    """Without `trust` the picture is only to be opened."""

    trust: Trust | None
    data: bytes


class Opened(msgspec.Struct, frozen=True):
    """8-bit RGB, row by row, upright."""

    width: int
    height: int
    rgb: bytes


class Answer(msgspec.Struct, frozen=True):
    """Either what was found, or the Refusal's code and sentence."""

    found: Examination | None = None
    opened: Opened | None = None
    code: str = ""
    sentence: str = ""


class Cell:
    def __init__(self, trust: Trust | None = None, *, seconds: float = SECONDS) -> None:
        """Without `trust` it opens pictures, and examines none."""
        self._trust = trust
        self._chamber = Chamber("farm.safety.cell", seconds=seconds)

    @property
    def pid(self) -> int | None:
        return self._chamber.pid

    async def examine(self, data: bytes) -> Examination:
        """Refusal for what is no picture, for one that is too large, and for one that kills or stalls."""
        assert self._trust is not None, "a cell that examines is told what to trust"
        answer = await self._answered(Question(self._trust, data))
        if answer.found is None:
            raise Refusal(answer.code, answer.sentence)
        return answer.found

    async def open(self, data: bytes) -> Opened:
        """Refusal as for `examine`."""
        answer = await self._answered(Question(None, data))
        if answer.opened is None:
            raise Refusal(answer.code, answer.sentence)
        return answer.opened

    async def close(self) -> None:
        await self._chamber.close()

    async def _answered(self, asked: Question) -> Answer:
        told = await self._chamber.ask(msgspec.msgpack.encode(asked))
        try:
            return msgspec.msgpack.decode(told, type=Answer)
        except msgspec.MsgspecError as error:
            await self._chamber.close()
            raise Refusal("picture_unsafe", UNSAFE) from error


def answer(question: bytes) -> bytes:
    return msgspec.msgpack.encode(_answer(question))


def _answer(question: bytes) -> Answer:
    asked = msgspec.msgpack.decode(question, type=Question)
    try:
        if asked.trust is None:
            return Answer(opened=_opened(asked.data))
        return Answer(examine(asked.data, asked.trust))
    except Refusal as refusal:
        return Answer(code=refusal.code, sentence=refusal.sentence)
    except Exception:  # also MemoryError
        return Answer(code="picture_unsafe", sentence=UNSAFE)


def _opened(data: bytes) -> Opened:
    """As its camera was held."""
    image = ImageOps.exif_transpose(open_image(data))
    return Opened(image.width, image.height, image.tobytes())


if __name__ == "__main__":
    serve(answer)
