"""Strangers' LoRAs: what is not let in, that nothing of it is run, and that whoever reads it can be ended."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import torch
from safetensors.torch import load_file, save

from farm import tryon
from farm.engine.adapters import fittingroom
from farm.tryon import Fit, FittingRoom, Trial
from shared.catalog import read_catalog
from shared.config import SHARED
from shared.errors import Fault, Refusal
from shared.places import File, Folder, Repo
from tests.farm.api.loraroom import SEPIA, sepia
from tests.farm.engine.adapters.test_lorafiles_bad import BAD_FILES
from tests.farm.engine.patches import pair

POSTCARDS = read_catalog(SHARED / "catalog.toml").get("postcards")


@pytest.fixture
async def room() -> AsyncIterator[FittingRoom]:
    opened = FittingRoom()
    yield opened
    await opened.close()


def altered(change: Callable[[str, torch.Tensor], torch.Tensor]) -> bytes:
    """The shipped LoRA with other numbers."""
    return save({name: change(name, one) for name, one in load_file(SEPIA).items()})


def narrower(name: str, one: torch.Tensor) -> torch.Tensor:
    return one[:, :-1].contiguous() if name.endswith("lora_A.weight") else one


MISFITS = {
    "a layer that it lacks": save(pair("unet.mid_block.attentions.7.proj_in")),
    "layers of another width": altered(narrower),
    "numbers that grow beyond the model's": altered(lambda _, one: one.float() * 1e38),
}


async def code(room: FittingRoom, data: bytes) -> str:
    """Of the Refusal, which is about the file; empty where it is let in."""
    try:
        await room.try_on(POSTCARDS, data)
    except Refusal as refusal:
        return f"{refusal.code} of {refusal.field}"
    return ""


async def test_bad_files_are_refused_and_nothing_is_run(room: FittingRoom) -> None:
    """One process reads them all: none of them ended it. When it is ended, nothing is let in."""
    bad = {name: body for name, (_, body) in BAD_FILES.items()} | MISFITS
    assert len(bad) > 30
    assert await room.try_on(POSTCARDS, sepia()) == Fit(layers=70, rank=8)
    pid = room.pid
    answers = {name: await code(room, body) for name, body in bad.items()}
    assert [name for name, answer in answers.items() if not answer.endswith(" of file")] == []
    assert [name for name, answer in answers.items() if answer.startswith("lora_unsafe")] == []
    assert pid is not None
    assert pid == room.pid
    assert not hasattr(sys, "pickle_was_run")
    os.kill(pid, signal.SIGKILL)
    assert await code(room, sepia()) == "lora_unsafe of file"


async def test_whoever_reads_for_too_long_is_ended() -> None:
    room = FittingRoom(seconds=0.05)
    assert await code(room, sepia()) == "lora_unsafe of file"
    assert room.pid is None


def test_the_process_says_nothing_of_its_own_in_words_of_the_file() -> None:
    """Whatever a reader trips over, the answer is ours."""
    trial = Trial("sd15", str(tryon.config_folder(POSTCARDS.weights)), b"nonsense")
    told = fittingroom.answer(msgspec.msgpack.encode(trial))
    assert msgspec.msgpack.decode(told, type=Fit).code == "bad_tensor_file"


@pytest.mark.parametrize(
    "place",
    [
        Folder(Path("/nowhere")),
        File(Path("/nowhere/a.safetensors")),
        File(Path("/nowhere/a.safetensors"), Path("/nowhere")),
        Repo("nobody/nothing"),
    ],
)
async def test_where_nothing_can_be_checked_nothing_is_let_in(place: Folder | File | Repo) -> None:
    room, elsewhere = FittingRoom(), replace(POSTCARDS, weights=place)
    with pytest.raises(Fault) as failed:
        await room.try_on(elsewhere, sepia())
    assert failed.value.code == "cannot_check"
    assert room.pid is None


async def test_a_host_without_torch_lets_nothing_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tryon, "find_spec", lambda name: None)
    room: FittingRoom = FittingRoom()
    with pytest.raises(Fault, match="cannot be checked"):
        await room.try_on(POSTCARDS, sepia())


def test_a_configuration_that_cannot_be_read_is_no_verdict(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text("{}")
    (tmp_path / "unet").mkdir()
    told = fittingroom._answer(msgspec.msgpack.encode(Trial("nonesuch", str(tmp_path), sepia())))
    assert told.code == "cannot_check"
