"""A stranger's LoRA is tried on before anybody keeps it: in a confined process, by the engine's own reader and
its own way of putting one on, against the layers of the checkpoint it is made for.

The process needs the configurations of that checkpoint on this machine, and no weights. It reads with torch
(`pip install 'pictor[farm]'`); whoever asks does not.
"""

from importlib.util import find_spec
from pathlib import Path

import msgspec

from farm.engine.weights.whereabouts import snapshot
from shared.catalog import Checkpoint
from shared.chamber import Chamber
from shared.errors import Fault, Refusal
from shared.places import File, Folder, Place, Repo

ROOM = "farm.engine.adapters.fittingroom"
READERS = ("torch", "diffusers", "transformers")
INDEX = "model_index.json"
CANNOT = "cannot_check"
SECONDS = 90.0  # torch is imported first, once
UNSAFE = "This file could not be read safely, so it is not taken. Export the LoRA again."


class Trial(msgspec.Struct, frozen=True):
    """`config` is a folder as diffusers writes one; of its weights nothing is read."""

    family: str
    config: str
    data: bytes


class Fit(msgspec.Struct, frozen=True):
    """`layers` that it changes, and its highest `rank`; or the Refusal's code and sentence."""

    layers: int = 0
    rank: int = 0
    code: str = ""
    sentence: str = ""


class FittingRoom:
    def __init__(self, *, seconds: float = SECONDS) -> None:
        self._chamber = Chamber(ROOM, seconds=seconds)

    @property
    def pid(self) -> int | None:
        return self._chamber.pid

    async def try_on(self, checkpoint: Checkpoint, data: bytes) -> Fit:
        """Refusal for whatever is no sound LoRA of it, or kills or stalls the process. Fault `cannot_check`
        where this machine lacks what it takes: then nothing is let in."""
        folder = config_folder(checkpoint.weights)
        if folder is None or not all(find_spec(one) for one in READERS):
            raise _cannot_check(checkpoint.title)
        fit = await self._answered(Trial(checkpoint.family, str(folder), data))
        if fit.code == CANNOT:
            raise _cannot_check(checkpoint.title)
        if fit.code:
            raise Refusal(fit.code, fit.sentence, field="file")
        return fit

    async def close(self) -> None:
        await self._chamber.close()

    async def _answered(self, trial: Trial) -> Fit:
        try:
            told = await self._chamber.ask(msgspec.msgpack.encode(trial))
            return msgspec.msgpack.decode(told, type=Fit)
        except (Refusal, msgspec.MsgspecError) as error:
            await self._chamber.close()  # what answers nonsense is not asked again
            raise Refusal("lora_unsafe", UNSAFE, field="file") from error


def config_folder(place: Place) -> Path | None:
    """Where the configurations lie that come with these weights; None where this machine has none."""
    match place:
        case Folder(path):
            folder: Path | None = path
        case File():
            folder = place.config
        case Repo():
            folder = _fetched(place)
    return folder if folder is not None and (folder / INDEX).is_file() else None


def _fetched(place: Repo) -> Path | None:
    try:
        return snapshot(place)
    except Fault:
        return None


def _cannot_check(title: str) -> Fault:
    sentence = (
        f"LoRAs for {title} cannot be checked on this host, so none is taken. It needs the checkpoint's "
        "configuration files and pictor[farm]."
    )
    return Fault(CANNOT, sentence)
