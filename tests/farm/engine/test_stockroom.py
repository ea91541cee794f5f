"""What people brought is worn as the catalog's own is; what is wanted at hand, or gone, by the pool's rules."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from farm.engine.mailbox import Mailbox
from farm.engine.messages import Garment, Render, Stock, Stocked
from farm.engine.serving import Service
from farm.engine.stockroom import UNEXPECTED, Stockroom
from farm.engine.watchdog import Watchdog
from shared.errors import Fault
from shared.ingredients import LoraUse
from shared.spec import RenderSpec
from tests.farm.api.loraroom import SEPIA
from tests.farm.engine.desk import Desk, recipe


def garment(folder: Path, name: str) -> Garment:
    path = folder / f"{name}.safetensors"
    shutil.copy(SEPIA, path)
    return Garment(name, "sd15", str(path), hashlib.sha256(path.read_bytes()).hexdigest())


def wearing(*names: str) -> RenderSpec:
    return recipe(images=1, steps=2, loras=tuple(LoraUse(name) for name in names))


def latents(desk: Desk, spec: RenderSpec, **render: Any) -> torch.Tensor:
    desk.admit(spec, **render)
    one = desk.engine.running["job"].trajectories[0]
    desk.finish()
    return one.latents


def wardrobe(desk: Desk) -> Any:
    return desk.engine.entrance.preparation.wardrobe


@pytest.fixture
def room(desk: Desk) -> Stockroom:
    return Stockroom(desk.engine.pool, wardrobe(desk), desk.engine.send)


def test_what_somebody_brought_draws_what_the_catalog_s_own_draws(
    desk: Desk, tmp_path: Path
) -> None:
    brought = garment(tmp_path, "ink.aaaa")
    own = latents(desk, wearing("sepia"))
    assert torch.equal(latents(desk, wearing("ink.aaaa"), garments=[brought]), own)
    assert not torch.equal(latents(desk, wearing()), own)


def test_without_its_file_nobody_wears_it(desk: Desk, tmp_path: Path) -> None:
    brought = garment(tmp_path, "ink.bbbb")
    desk.admit(wearing("ink.bbbb"), "unknown")
    Path(brought.path).write_bytes(b"something else")
    desk.admit(wearing("ink.bbbb"), "altered", garments=[brought])
    assert desk.failed("unknown").code == "unknown_adapter"
    assert desk.failed("altered").code == "weights_altered"


def test_what_a_job_wears_is_not_let_go_of(desk: Desk, room: Stockroom, tmp_path: Path) -> None:
    brought, away = garment(tmp_path, "ink.cccc"), Stock("1", "lora", "ink.cccc", there=False)
    desk.admit(wearing("ink.cccc"), garments=[brought])
    refused = room.carried_out(away)
    assert (refused.done, "in use" in refused.detail) == (False, True)
    desk.finish()
    assert room.carried_out(away) == Stocked("1", done=True)
    family = desk.engine.pool.get("postcards").family
    assert not any("ink.cccc" in bank.names for bank in family.loras.values())  # type: ignore[attr-defined]
    assert "ink.cccc" not in wardrobe(desk).catalog.adapters


def test_one_that_is_at_hand_needs_no_telling_with_the_job(
    desk: Desk, room: Stockroom, tmp_path: Path
) -> None:
    brought = garment(tmp_path, "ink.dddd")
    assert room.carried_out(Stock("1", "lora", "ink.dddd", there=True, garment=brought)).done
    desk.admit(wearing("ink.dddd"))
    assert "job" in desk.engine.running
    desk.finish()


def test_the_catalog_s_own_cannot_be_sent_away(desk: Desk, room: Stockroom) -> None:
    assert room.carried_out(Stock("1", "lora", "sepia", there=False)).done
    assert "sepia" in wardrobe(desk).catalog.adapters
    assert not room.carried_out(Stock("1", "checkpoint", "postcards", there=False)).done
    assert room.carried_out(Stock("1", "checkpoint", "postcards", there=True)).done
    unknown = room.carried_out(Stock("1", "checkpoint", "nonesuch", there=True))
    assert (unknown.done, "nonesuch" in unknown.detail) == (False, True)


@pytest.mark.parametrize(
    ("error", "told"), [(Fault("weights_missing", "Gone."), "Gone."), (OSError(5), UNEXPECTED)]
)
def test_whatever_goes_wrong_is_answered(
    desk: Desk, room: Stockroom, error: Exception, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr(desk.engine.pool, "get", fail)
    answer = room.carried_out(Stock("1", "checkpoint", "postcards", there=True))
    assert answer == Stocked("1", done=False, detail=told)


def test_the_service_hands_orders_on_and_steps_go_on(desk: Desk) -> None:
    mailbox = Mailbox()
    service = Service(desk.engine, mailbox, Watchdog())
    service._handle(Render("job", 1, wearing().as_dict()))
    service._handle(Stock("7", "checkpoint", "postcards", there=True))
    desk.finish()
    while not (told := [one for one in desk.sent if isinstance(one, Stocked)]):
        desk.woken.wait(0.01)
    assert told == [Stocked("7", done=True)]
