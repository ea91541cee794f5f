import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from farm.engine.memory import measures as memory
from farm.engine.memory import tiers
from farm.engine.memory.tiers import ALIGNMENT, Crate, Lodgings, bring, empty, packed_size, settle
from farm.engine.steady import make_steady
from farm.engine.weights.checkpoints import bytes_of


class Part(nn.Module):
    """A tied weight, a view into another's storage, a buffer that is no float, a half."""

    places: Tensor

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        torch.manual_seed(width)
        self.first = nn.Linear(width, width)
        self.tied = nn.Linear(width, width)
        self.tied.weight = self.first.weight
        wide = torch.randn(2 * width, width)
        self.upper = nn.Parameter(wide[:width])
        self.lower = nn.Parameter(wide[width:].T)
        self.small = nn.Parameter(torch.randn(3).half())
        self.register_buffer("places", torch.arange(width), persistent=False)

    def forward(self, rows: Tensor) -> Tensor:
        rows = self.tied(self.first(rows)) @ self.upper @ self.lower
        return rows[:, self.places.flip(0)] * self.small.float().sum()

    def decode(self, rows: Tensor) -> Tensor:
        return self(rows) + 1


ROWS = torch.linspace(-1, 1, 16).view(2, 8)


def storages(module: nn.Module) -> set[int]:
    tensors = [*module.parameters(), *module.buffers()]
    return {one.untyped_storage().data_ptr() for one in tensors}


def place(block: Tensor | None) -> int:
    assert block is not None
    return block.untyped_storage().data_ptr()


# --- one component ---------------------------------------------------------------------------


def test_a_packed_component_does_what_it_did() -> None:
    part = Part()
    before, names = part(ROWS), {name for name, _ in part.named_parameters()}
    crate = Crate(part, pinned=False)
    assert storages(part) == {place(crate.host)}
    assert torch.equal(part(ROWS), before)
    assert {name for name, _ in part.named_parameters()} == names
    assert part.tied.weight is part.first.weight
    assert part.lower.untyped_storage().data_ptr() == part.upper.untyped_storage().data_ptr()


def test_it_comes_to_the_device_and_goes_as_often_as_wanted() -> None:
    part = Part()
    before = part(ROWS)
    crate = Crate(part, pinned=False)
    for _ in range(3):
        bring([crate], "cpu")
        assert storages(part) == {place(crate.device)}
        assert torch.equal(part(ROWS), before)
        crate.let_go()
        assert storages(part) == {place(crate.host)}
        assert torch.equal(part(ROWS), before)


def test_also_in_inference_mode_and_the_weights_stay_ordinary() -> None:
    part = Part()
    crate = Crate(part, pinned=False)
    with torch.inference_mode():
        bring([crate], "cpu")
        crate.let_go()
        bring([crate], "cpu")
    part(ROWS).sum().backward()
    assert part.small.grad is not None


def test_the_copy_on_the_host_is_not_what_the_device_works_with() -> None:
    part = Part()
    crate = Crate(part, pinned=False)
    bring([crate], "cpu")
    with torch.no_grad():
        part.small.fill_(0)
    crate.let_go()
    assert part.small.abs().sum() > 0


def test_a_block_holds_every_storage_once() -> None:
    part = Part()
    storages = (8 * 8, 8, 8, 16 * 8)  # first and tied, their biases, wide
    size = sum(-(-4 * one // ALIGNMENT) * ALIGNMENT for one in storages) + 2 * ALIGNMENT
    assert packed_size(part) == Crate(part, pinned=False).size == size


def test_emptied_modules_take_no_memory() -> None:
    part = Part()
    with torch.inference_mode():
        empty({"part": part})
    assert bytes_of({"part": part}) == 0


# --- a whole checkpoint ----------------------------------------------------------------------


@pytest.fixture
def lodgings() -> Lodgings:
    modules = {"unet": Part(8), "text_encoder": Part(8), "vae": Part(8)}
    lodgings = Lodgings(modules, "cpu")
    lodgings.watch(["text_encoder", "vae"])
    return lodgings


def on_device(lodgings: Lodgings) -> set[str]:
    return {name for name, one in lodgings.crates.items() if one.device is not None}


def test_those_away_visit_one_at_a_time(lodgings: Lodgings) -> None:
    text, vae = lodgings.crates["text_encoder"].module, lodgings.crates["vae"].module
    assert isinstance(vae, Part)
    want = text(ROWS), vae.decode(ROWS)
    lodgings.move_in(away=["text_encoder", "vae"])
    assert on_device(lodgings) == {"unet"}
    assert torch.equal(text(ROWS), want[0])
    assert on_device(lodgings) == {"unet", "text_encoder"}
    assert torch.equal(vae.decode(ROWS), want[1])
    assert on_device(lodgings) == {"unet", "vae"}
    lodgings.call_back()
    assert on_device(lodgings) == {"unet", "text_encoder", "vae"}
    lodgings.move_out()
    assert on_device(lodgings) == set()


def entered(lodgings: Lodgings, name: str) -> threading.Event:
    """A thread that visits: set once it is inside."""
    inside = threading.Event()

    def visit() -> None:
        with lodgings.visit(name):
            inside.set()

    threading.Thread(target=visit, daemon=True).start()
    return inside


def test_a_visitor_at_work_is_not_sent_away(lodgings: Lodgings) -> None:
    lodgings.move_in(away=["text_encoder", "vae"])
    with lodgings.visit("text_encoder"):
        inside = entered(lodgings, "vae")
        assert not inside.wait(0.05)
        assert on_device(lodgings) == {"unet", "text_encoder"}
    assert inside.wait(10)


def test_nobody_waits_while_nothing_is_away(lodgings: Lodgings) -> None:
    lodgings.move_in()
    with lodgings.visit("text_encoder"):
        assert entered(lodgings, "vae").wait(10)


def test_who_is_at_work_is_waited_for_before_it_is_sent_away(lodgings: Lodgings) -> None:
    lodgings.move_in()
    gone = threading.Event()

    def send() -> None:
        lodgings.send_away(["vae"])
        gone.set()

    with lodgings.visit("vae"):
        threading.Thread(target=send, daemon=True).start()
        assert not gone.wait(0.05)
        assert "vae" in on_device(lodgings)
    assert gone.wait(10)
    assert on_device(lodgings) == {"unet", "text_encoder"}


def test_a_family_built_on_the_host_takes_the_device_as_its_own() -> None:
    layer = nn.Conv2d(2, 2, 1)
    model = nn.Sequential(layer)
    make_steady(model)
    family: Any = SimpleNamespace(device=torch.device("cpu"), steady=True, modules={"unet": model})
    settle(family, "cpu")
    assert family.steady
    assert "forward" in vars(layer)
    settle(family, "meta")
    assert family.device == torch.device("meta")
    assert not family.steady
    assert "forward" not in vars(layer)


class Pinned:
    """CUDA's own calls, as far as pinning asks for them."""

    def __init__(self, answer: int) -> None:
        self.answer = answer
        self.known: dict[int, int] = {}

    def cudaHostRegister(self, place: int, size: int, _: int) -> int:  # noqa: N802
        if not self.answer:
            self.known[place] = size
        return self.answer

    def cudaHostUnregister(self, place: int) -> int:  # noqa: N802
        self.known.pop(place)
        return 0


@pytest.mark.parametrize("answer", [0, 712])
def test_host_blocks_are_pinned_as_long_as_anything_uses_them(
    monkeypatch: pytest.MonkeyPatch, answer: int
) -> None:
    pinned = Pinned(answer)
    monkeypatch.setattr(torch.cuda, "cudart", lambda: pinned)
    block = tiers.host_block(1000, pinned=True)
    view = block[5:].view(torch.int8)
    assert list(pinned.known.values()) == ([] if answer else [1000])
    del block
    assert len(pinned.known) == (0 if answer else 1)
    del view
    assert pinned.known == {}


# --- measuring -------------------------------------------------------------------------------


def test_headers_announce_what_a_load_takes(catalog: Any) -> None:
    folder = catalog.get("postcards").folder
    single, half = (memory.announced_bytes(folder, one) for one in (torch.float32, torch.float16))
    assert set(single) == {"text_encoder", "unet", "vae"}
    assert all(single[name] == 2 * half[name] for name in single)
    unet = folder / "unet" / "diffusion_pytorch_model.safetensors"
    assert memory.announced_bytes(unet, torch.float32) == {unet.stem: single["unet"]}


def test_variants_of_a_file_count_once_and_its_pieces_each(catalog: Any, tmp_path: Path) -> None:
    source = catalog.get("postcards").folder / "vae" / "diffusion_pytorch_model.safetensors"
    (size,) = memory.announced_bytes(source, torch.float32).values()
    folder = tmp_path / "vae"
    folder.mkdir()
    for name in ("model.safetensors", "model.fp16.safetensors"):
        shutil.copy(source, folder / name)
    assert memory.announced_bytes(tmp_path, torch.float32) == {"vae": size}
    for name in ("piece-00001-of-00002.safetensors", "piece-00002-of-00002.safetensors"):
        shutil.copy(source, folder / name)
    assert memory.announced_bytes(tmp_path, torch.float32) == {"vae": 3 * size}


def test_the_highest_tide_is_measured_not_the_sum() -> None:
    def work() -> None:
        rows = torch.zeros(1000)
        for _ in range(10):
            rows = rows + 1

    with torch.inference_mode():
        assert memory.peak_bytes(work, "cpu") == 2 * 4000


def test_a_row_takes_what_its_layers_make() -> None:
    layer = nn.Linear(64, 128)

    def forward(rows: int) -> Tensor:
        return layer(torch.zeros(rows, 64)).relu()

    with torch.inference_mode():
        measured = memory.measure_activation(forward, "cpu")
    assert measured.per_row == (128 + 128) * 4
    assert measured.rows_within(10 * measured.per_row + measured.fixed) == 10
    assert measured.rows_within(0) == 1


@contextmanager
def _files(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, **texts: str) -> Iterator[None]:
    for name, text in texts.items():
        (tmp_path / name.replace("_", ".")).write_text(text)
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    yield


def test_a_container_has_what_its_own_limit_leaves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    meminfo = "MemTotal:  2048 kB\nMemAvailable:  1024 kB\n"
    with _files(monkeypatch, tmp_path, meminfo=meminfo):
        assert memory.host_memory() == memory.Memory(1 << 20, 2 << 20)
        assert memory.device_budget("cpu") == int(0.6 * 2**20)
        assert memory.host_budget("cpu") == 0
    with _files(monkeypatch, tmp_path, memory_max="max\n", memory_current="5\n"):
        assert memory.host_memory().free == 1 << 20
    with _files(monkeypatch, tmp_path, memory_max="1000\n", memory_current="400\n"):
        assert memory.host_memory() == memory.Memory(600, 1000)
    (tmp_path / "meminfo").unlink()
    (tmp_path / "memory.max").unlink()
    assert 0 < memory.host_memory().free < memory.host_memory().total
