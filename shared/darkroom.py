"""Where a picture for the text service is made small: in a confined process (shared.chamber)."""

import msgspec

from shared.chamber import UNSAFE, Chamber, serve
from shared.errors import Refusal
from shared.miniatures import MOST_BYTES, Miniature, miniature


class Print(msgspec.Struct, frozen=True):
    """A miniature, or the Refusal's code and sentence."""

    jpeg: bytes = b""
    shape: str = ""
    code: str = ""
    sentence: str = ""


class Darkroom:
    def __init__(self) -> None:
        self._chamber = Chamber("shared.darkroom")

    @property
    def pid(self) -> int | None:
        return self._chamber.pid

    async def develop(self, data: bytes) -> Miniature:
        """Refusal for what is no picture, for one that is too large, and for one that kills or stalls."""
        if len(data) > MOST_BYTES:
            raise too_large()
        told = msgspec.msgpack.decode(await self._chamber.ask(data), type=Print)
        if told.code:
            raise Refusal(told.code, told.sentence, field="picture")
        return Miniature(told.jpeg, told.shape)

    async def close(self) -> None:
        await self._chamber.close()


def too_large() -> Refusal:
    sentence = f"The file is larger than {MOST_BYTES >> 20} MB."
    return Refusal("file_too_large", sentence, field="picture")


def answer(data: bytes) -> bytes:
    return msgspec.msgpack.encode(_answer(data))


def _answer(data: bytes) -> Print:
    try:
        made = miniature(data)
    except Refusal as refusal:
        return Print(code=refusal.code, sentence=refusal.sentence)
    except Exception:  # also MemoryError
        return Print(code="picture_unsafe", sentence=UNSAFE)
    return Print(made.jpeg, made.shape)


if __name__ == "__main__":
    serve(answer)
