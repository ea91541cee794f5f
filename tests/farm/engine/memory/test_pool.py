import gc
import random
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from farm.engine.memory import measures as memory
from farm.engine.memory import tiers
from farm.engine.memory.pool import Pool
from farm.engine.memory.tiers import ALIGNMENT, Lodgings
from farm.engine.weights.checkpoints import Loaded, bytes_of
from shared.catalog import Catalog, Checkpoint
from shared.errors import Fault, Refusal
from shared.places import Folder

UNIT = ALIGNMENT // 4  # floats: a block's smallest step
NAMES = [f"c{nth}" for nth in range(12)]


@pytest.fixture(autouse=True)
def _quick_collector() -> Iterator[None]:
    """What was there before is not looked through at each refusal."""
    gc.freeze()
    yield
    gc.unfreeze()


class Room(nn.Module):
    def __init__(self, units: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.arange(units * UNIT, dtype=torch.float32))

    def forward(self) -> Tensor:
        return self.weight.sum()

    def decode(self) -> Tensor:
        return self.weight.sum()


class Tiny:
    """A family of three components, in units of ALIGNMENT bytes: denoiser, text encoder, VAE."""

    def __init__(self, units: tuple[int, int, int], dtype: torch.dtype) -> None:
        names = ("unet", "text_encoder", "vae")
        self.modules = {name: Room(one) for name, one in zip(names, units, strict=True)}
        self.device, self.dtype = torch.device("cpu"), dtype
        self.texts = {"": torch.zeros(1)}
        self.warmed = 0

    def warm(self) -> None:
        self.warmed += 1

    def sound(self) -> bool:
        """Every weight is what it was when it was read."""
        return all(
            one.weight.numel() and one.weight[-1] == len(one.weight) - 1
            for one in self.modules.values()
        )


class Disk:
    """Reads no files: checkpoints of given units; may be told to block or to fail."""

    def __init__(self, units: dict[str, tuple[int, int, int]]) -> None:
        self.units = units
        self.reads: list[str] = []
        self.gates: dict[str, threading.Event] = {}
        self.reading = threading.Event()
        self.broken: set[str] = set()

    def load(self, checkpoint: Checkpoint, *, device: str, dtype: torch.dtype, **_: Any) -> Loaded:
        name = checkpoint.name
        self.reading.set()
        if name in self.gates:
            assert self.gates[name].wait(10)
        self.reads.append(name)
        if name in self.broken:
            raise Fault("weights_altered", f"{name} is broken.")
        family: Any = Tiny(self.units[name], dtype)
        return Loaded(name, name, family, bytes_of(family.modules), dtype)


class Meter:
    """Counts the bytes of blocks that are alive, and checks them as each is made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most = {"host": 0, "device": 0}
        self.now = {"host": 0, "device": 0}
        self._watch(monkeypatch, "host")
        self._watch(monkeypatch, "device")

    def _watch(self, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
        plain: Callable[..., Tensor] = getattr(tiers, f"{where}_block")

        def block(size: int, *args: Any, **kwargs: Any) -> Tensor:
            made = plain(size, *args, **kwargs)
            self.now[where] += size
            self.most[where] = max(self.most[where], self.now[where])
            weakref.finalize(made.untyped_storage(), self._gone, where, size)
            return made

        monkeypatch.setattr(tiers, f"{where}_block", block)

    def _gone(self, where: str, size: int) -> None:
        self.now[where] -= size


def catalog_of(catalog: Catalog, names: list[str], **tiers: str) -> Catalog:
    """Rows of the postcards' own shape, whose weights lie nowhere and take ten units."""
    size = 10 * ALIGNMENT / 2**30
    nowhere = Folder(Path("/nowhere"))
    plain = replace(catalog.get("postcards"), weights=nowhere, tier="warm", vram_gb=size)
    rows = {name: replace(plain, name=name, tier=tiers.get(name, "warm")) for name in names}
    return Catalog(rows, names[0])


@pytest.fixture
def five(catalog: Catalog) -> Catalog:
    return catalog_of(catalog, ["home", "a", "b", "c", "rare"], rare="cold")


def disk_of(catalog: Catalog) -> Disk:
    return Disk(dict.fromkeys(catalog.checkpoints, (8, 1, 1)))


def made(
    catalog: Catalog, *, budget: int = 30, host: int = 100, disk: Disk | None = None
) -> tuple[Pool, Disk]:
    """Budgets in units; each checkpoint takes ten of them."""
    disk = disk or disk_of(catalog)
    room = budget * ALIGNMENT, host * ALIGNMENT
    pool = Pool(catalog, device="cpu", budget=room[0], host=room[1], load=disk.load)
    pool.get("home")
    return pool, disk


def units(pool: Pool, where: str = "device") -> int:
    return pool.report().used[where] // ALIGNMENT


# --- what stays ------------------------------------------------------------------------------


def test_what_is_warm_is_not_loaded_again(five: Catalog) -> None:
    pool, disk = made(five)
    assert pool.is_warm("home")
    assert not pool.is_warm("a")
    assert not pool.is_warm("nowhere")
    assert pool.get("home") is pool.get("home")
    assert pool.warm == disk.reads == ["home"]


def test_a_name_the_catalog_does_not_know_is_a_refusal(five: Catalog) -> None:
    with pytest.raises(Refusal):
        made(five)[0].get("nowhere")


def test_what_is_used_more_stays(five: Catalog) -> None:
    pool, _ = made(five)
    for name in ("a", "a", "b", "c"):
        pool.get(name)
    assert pool.warm == ["a", "c", "home"]


def test_what_is_on_demand_goes_first(five: Catalog) -> None:
    pool, _ = made(five)
    for name in ("a", "rare", "rare", "rare", "b"):
        pool.get(name)
    assert pool.warm == ["a", "b", "home"]


def test_what_somebody_holds_stays_and_the_next_one_must_wait(five: Catalog) -> None:
    pool, _ = made(five)
    a, b = pool.get("a"), pool.get("b")
    with pytest.raises(Fault, match=r"c needs .* until other jobs have ended") as caught:
        pool.get("c")
    assert (caught.value.code, caught.value.retryable) == ("no_room_yet", True)
    assert pool.warm == ["a", "b", "home"]
    del a
    pool.get("c")
    assert pool.warm == ["b", "c", "home"]
    assert pool.get("b") is b


def test_a_job_that_holds_itself_does_not_hold_a_checkpoint_for_ever(five: Catalog) -> None:
    pool, _ = made(five)
    job: dict[str, Any] = {"a": pool.get("a"), "b": pool.get("b")}
    job["itself"] = job
    gc.disable()
    try:
        del job
        pool.get("c")
    finally:
        gc.enable()
    assert "c" in pool.warm


@pytest.mark.parametrize("host", [0, 100])
def test_what_can_never_fit_is_refused_with_both_amounts(five: Catalog, host: int) -> None:
    disk = disk_of(five)
    disk.units["a"] = (40, 1, 1)
    pool, _ = made(five, host=host, disk=disk)
    with pytest.raises(Fault, match=r"a needs .*\(10752 bytes\).*larger GPU") as caught:
        pool.get("a")
    assert (caught.value.code, caught.value.retryable) == ("too_large_for_device", True)
    assert pool.warm == ["home"]
    assert units(pool) == 10


def test_hot_ones_stay_and_are_there_from_the_start(catalog: Catalog) -> None:
    hot = catalog_of(catalog, ["home", "a", "b", "c"], a="hot", c="cold")
    pool, _ = made(hot)
    pool.open()
    assert pool.warm == ["a", "home"]
    assert pool.ahead.wait(10)
    pool.get("b")
    pool.get("c")
    pool.get("b")
    assert pool.warm == ["a", "b", "home"]


def test_another_precision_is_another_checkpoint_and_not_hot(five: Catalog) -> None:
    pool, _ = made(five)
    exact = pool.get("home", torch.float64)
    assert exact is not pool.get("home")
    assert pool.is_warm("home", torch.float64)
    del exact
    pool.get("a")
    pool.get("a")
    pool.get("b")
    assert not pool.is_warm("home", torch.float64)


def test_the_catalogs_precision_wins(five: Catalog) -> None:
    rows = five.checkpoints | {"a": replace(five.get("a"), dtype="float16")}
    pool, _ = made(Catalog(rows, "home"))
    assert pool.get("a").dtype is torch.float16
    assert pool.is_warm("a", torch.float16)


def test_a_smaller_budget_holds_from_the_next_trim(five: Catalog) -> None:
    pool, _ = made(five)
    a = pool.get("a")
    pool.get("b")
    pool.resize(10 * ALIGNMENT)
    pool.trim([a])
    assert pool.warm == ["a", "home"]
    del a
    pool.trim([])
    assert pool.warm == ["home"]


# --- tiers -----------------------------------------------------------------------------------


def test_what_left_the_device_comes_back_from_the_host(five: Catalog) -> None:
    pool, disk = made(five)
    family: Any = pool.get("a").family
    pool.get("b")
    pool.get("c")
    assert not pool.is_warm("a")
    assert not family.texts
    again: Any = pool.get("a").family
    assert again is family
    assert family.sound()
    assert family.warmed == 1
    report = pool.report()
    assert disk.reads == ["home", "a", "b", "c"]
    assert (report.warm_hits, report.misses) == (1, 4)
    assert report.evictions == {"device": 2}
    assert report.traffic["host"].bytes == 10 * ALIGNMENT


def test_without_room_on_the_host_it_comes_from_the_disk(five: Catalog) -> None:
    pool, disk = made(five, host=0)
    family: Any = pool.get("a").family
    pool.get("b")
    pool.get("c")
    pool.get("a")
    assert disk.reads == ["home", "a", "b", "c", "a"]
    assert bytes_of(family.modules) == 0
    assert pool.report().used["host"] == 0


def test_the_host_keeps_the_worthy_within_its_own_budget(five: Catalog) -> None:
    pool, disk = made(five, host=20)
    for name in ("a", "a", "a", "b", "c"):
        pool.get(name)
    assert pool.report().used["host"] == 20 * ALIGNMENT
    pool.get("b")
    pool.get("a")
    assert disk.reads.count("a") == 1


def test_a_family_on_the_device_outlives_its_copy_on_the_host(five: Catalog) -> None:
    pool, _ = made(five, host=10)
    first, second = pool.get("a"), pool.get("b")
    families: list[Any] = [pool.get("home").family, first.family, second.family]
    assert all(one.sound() for one in families)
    assert not pool.offload(first)
    assert pool.offload(second)


def test_text_encoder_and_vae_wait_on_the_host_where_all_do_not_fit(
    five: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = Meter(monkeypatch)
    disk = disk_of(five)
    disk.units["a"] = (10, 6, 5)
    pool, _ = made(five, disk=disk)
    family: Any = pool.get("a").family
    assert units(pool) == 10 + 10 + 6
    assert meter.now["device"] == 20 * ALIGNMENT
    assert family.modules["vae"].decode() == family.modules["vae"].weight.sum()
    assert meter.now["device"] == 25 * ALIGNMENT
    family.modules["text_encoder"]()
    assert meter.now["device"] == meter.most["device"] == 26 * ALIGNMENT


def home_of(pool: Pool, name: str) -> Lodgings:
    (found,) = [one.lodgings for one in pool.house.homes.values() if one.loaded.name == name]
    assert found is not None
    return found


def test_offloading_makes_room_and_calling_back_takes_it(
    five: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = Meter(monkeypatch)
    disk = disk_of(five)
    disk.units["a"] = (10, 5, 5)
    pool, _ = made(five, disk=disk)
    a = pool.get("a")
    with home_of(pool, "a").visit("vae"):  # at work: it is waited for, and nobody else has to
        moving = in_thread(lambda: pool.offload(a))
        while "a" not in {key[0] for key in pool.house.busy if isinstance(key, tuple)}:
            assert moving.is_alive()
        assert pool.is_warm("a")
        assert pool.get("a") is a
    assert ended(moving)
    assert units(pool) == 25
    assert meter.now["device"] == 20 * ALIGNMENT
    pool.reserve("lora", 5 * ALIGNMENT)
    assert not pool.call_back(a)
    pool.release("lora")
    assert pool.call_back(a)
    assert units(pool) == 30
    assert meter.now["device"] == 30 * ALIGNMENT
    assert not pool.offload(replace(a, family=None))  # type: ignore[arg-type]


def test_adapters_are_in_the_same_budget(five: Catalog) -> None:
    pool, _ = made(five)
    pool.get("a")
    pool.get("b")
    pool.reserve("lora", 5 * ALIGNMENT)
    assert pool.warm in (["a", "home"], ["b", "home"])
    pool.reserve("lora", 7 * ALIGNMENT)
    assert units(pool) == 27
    with pytest.raises(Fault, match="control needs") as caught:
        pool.reserve("control", 20 * ALIGNMENT)
    assert caught.value.code == "too_large_for_device"
    pool.release("lora")
    pool.release("lora")
    pool.reserve("control", 20 * ALIGNMENT)
    assert pool.warm == ["home"]


@pytest.mark.parametrize("host", [0, 100])
def test_a_load_that_fails_leaves_nothing_behind(five: Catalog, host: int) -> None:
    pool, disk = made(five, host=host)
    disk.broken.add("a")
    before = pool.report()
    with pytest.raises(Fault, match="broken"):
        pool.get("a")
    after = pool.report()
    assert after.used == before.used
    assert (after.failures, after.gets) == (1, before.gets + 1)
    disk.broken.clear()
    assert pool.get("a").name == "a"


def test_a_first_forward_that_fails_leaves_the_device_too(
    five: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, _ = made(five)

    def broken(_: Tiny) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(Tiny, "warm", broken)
    with pytest.raises(torch.OutOfMemoryError):
        pool.get("a")
    assert units(pool) == 10
    monkeypatch.undo()
    family: Any = pool.get("a").family
    assert family.sound()


@pytest.mark.parametrize("host", [0, 100])
def test_what_is_loaded_in_inference_mode_can_still_be_moved(five: Catalog, host: int) -> None:
    pool, _ = made(five, host=host)
    with torch.inference_mode():
        loaded = pool.get("a")
    weights = [one.weight for one in loaded.family.modules.values()]
    assert not any(isinstance(one, Tensor) and one.is_inference() for one in weights)


def test_idle_gives_back_once(five: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, _ = made(five)
    asked: list[str] = []

    def give_back(device: str) -> int:
        asked.append(device)
        return 7

    monkeypatch.setattr(memory, "give_back", give_back)
    assert (pool.idle(), pool.idle()) == (7, 0)
    pool.get("a")
    assert pool.idle() == 7
    assert asked == ["cpu", "cpu"]


def test_what_a_newcomer_could_have_is_all_but_what_is_held_or_never_leaves(five: Catalog) -> None:
    pool, _ = made(five)

    def free() -> int:
        return pool.report().free["device"] // ALIGNMENT

    assert free() == 20
    held = pool.get("a")
    assert free() == 10
    del held
    gc.collect()
    assert (free(), pool.warm) == (20, ["a", "home"])
    pool.resize(5 * ALIGNMENT)
    assert free() == 0


# --- read-ahead and threads ------------------------------------------------------------------


@pytest.mark.parametrize(("host", "kind"), [(100, "warm_hits"), (0, "hits")])
def test_read_ahead_turns_a_miss_into_a_hit(five: Catalog, host: int, kind: str) -> None:
    pool, disk = made(five, host=host)
    pool.expect(["a", "nowhere", "home"])
    assert pool.ahead.wait(10)
    before = pool.report()
    pool.get("a")
    after = pool.report()
    assert getattr(after, kind) == getattr(before, kind) + 1
    assert after.misses == before.misses
    assert after.traffic["ahead"].loads == 1
    assert disk.reads == ["home", "a"]


def test_read_ahead_drives_nobody_off_the_device_nor_each_other_off_the_host(
    five: Catalog,
) -> None:
    pool, disk = made(five, host=20)
    pool.get("a")
    pool.expect(["b", "c", "rare"])
    assert pool.ahead.wait(10)
    assert pool.warm == ["a", "home"]
    assert disk.reads == ["home", "a", "b", "c"]
    full, _ = made(five, host=0, budget=20)
    full.get("a")
    full.expect(["b"])
    assert full.ahead.wait(10)
    assert full.warm == ["a", "home"]


def test_one_at_a_time_is_read_ahead_and_the_last_wish_counts(five: Catalog) -> None:
    pool, disk = made(five)
    gate = disk.gates["a"] = threading.Event()
    disk.reading.clear()
    pool.expect(["a", "rare"])
    assert disk.reading.wait(10)
    pool.expect(["c", "b"])
    assert [one.name for one in threading.enumerate()].count("read-ahead") == 1
    gate.set()
    assert pool.ahead.wait(10)
    assert disk.reads == ["home", "a", "c", "b"]


def test_a_wish_comes_before_what_is_read_at_the_start_and_not_in_its_place(five: Catalog) -> None:
    pool, disk = made(five)
    gate = disk.gates["a"] = threading.Event()
    disk.reading.clear()
    pool.open()
    assert disk.reading.wait(10)
    pool.expect(["rare", "b"])
    gate.set()
    assert pool.ahead.wait(10)
    assert disk.reads == ["home", "a", "rare", "b", "c"]


def test_what_is_expected_stays_before_what_is_not(five: Catalog) -> None:
    pool, _ = made(five)
    for name in ("a", "b", "b", "b"):
        pool.get(name)
    pool.expect(["a"])
    pool.get("c")
    assert pool.warm == ["a", "c", "home"]


def test_a_failed_read_ahead_is_told_to_who_needs_it(five: Catalog) -> None:
    pool, disk = made(five)
    disk.broken.add("a")
    pool.expect(["a", "b"])
    assert pool.ahead.wait(10)
    assert disk.reads == ["home", "a", "b"]
    with pytest.raises(Fault, match="broken"):
        pool.get("a")


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def ended(thread: threading.Thread) -> bool:
    thread.join(10)
    return not thread.is_alive()


def test_the_loop_goes_on_while_another_thread_loads(five: Catalog) -> None:
    pool, disk = made(five)
    gate = disk.gates["a"] = threading.Event()
    disk.reading.clear()
    loading = in_thread(lambda: pool.get("a"))
    assert disk.reading.wait(10)

    def loop() -> None:
        assert not pool.is_warm("a")
        pool.trim([])
        pool.reserve("lora", ALIGNMENT)
        assert pool.warm == ["home"]
        pool.get("home")
        pool.get("b")
        pool.report()

    assert ended(in_thread(loop))
    assert pool.report().gets == 3
    gate.set()
    assert ended(loading)
    assert pool.report().gets == 4
    assert pool.is_warm("a")


@pytest.mark.parametrize("host", [0, 100])
def test_nobody_gets_one_whose_first_forward_still_runs(
    five: Catalog, monkeypatch: pytest.MonkeyPatch, host: int
) -> None:
    pool, _ = made(five, host=host)
    begun, gate = threading.Event(), threading.Event()

    def warm(_: Tiny) -> None:
        begun.set()
        assert gate.wait(10)

    monkeypatch.setattr(Tiny, "warm", warm)
    loading = in_thread(lambda: pool.get("a"))
    assert begun.wait(10)
    assert not pool.is_warm("a")
    assert pool.warm == ["home"]
    gate.set()
    assert ended(loading)
    assert pool.is_warm("a")


def test_two_who_want_the_same_wait_for_one_load(five: Catalog) -> None:
    pool, disk = made(five)
    gate = disk.gates["a"] = threading.Event()
    got: list[Loaded] = []
    threads = [in_thread(lambda: got.append(pool.get("a"))) for _ in range(3)]
    gate.set()
    assert all(map(ended, threads))
    assert disk.reads == ["home", "a"]
    assert got[0] is got[1] is got[2]
    assert (pool.report().misses, pool.report().hits) == (2, 2)


# --- a fuzz on real tensors ------------------------------------------------------------------


@contextmanager
def no_room() -> Iterator[None]:
    """The only reason to be refused."""
    try:
        yield
    except Fault as fault:
        if fault.code not in ("too_large_for_device", "no_room_yet"):
            raise


class Fuzz:
    def __init__(self, catalog: Catalog, seed: int, meter: Meter, *, host: int) -> None:
        self.rng = random.Random(seed)
        sizes = {n: tuple(self.rng.randint(1, 12) for _ in range(3)) for n in NAMES}
        self.disk = Disk(sizes)  # type: ignore[arg-type]
        self.budget = {"device": 80 * ALIGNMENT, "host": host * ALIGNMENT}
        self.meter = meter
        self.pool = Pool(
            catalog,
            device="cpu",
            budget=self.budget["device"],
            host=self.budget["host"],
            load=self.disk.load,
            clock=lambda: self.now,
        )
        self.now = 0.0
        self.held: list[Loaded] = []
        self.gets = 0
        self.get("c0")
        self.held.clear()

    def play(self) -> None:
        self.now += 1
        events = [self.get_some] * 6 + [self.let_go] * 5 + [self.reserve, self.expect, self.oom]
        self.rng.choice([*events, self.pool.idle, self.move])()
        self.pool.trim(self.held)
        self.check()

    def check(self) -> None:
        for loaded in self.held:
            family: Any = loaded.family
            assert self.pool.is_warm(loaded.name)
            assert family.sound()
        assert self.pool.is_warm("c0")
        report = self.pool.report()
        for where, budget in self.budget.items():
            assert self.meter.most[where] <= budget
            assert report.used[where] <= budget
        assert report.gets == self.gets
        assert self.disk.reads.count("c0") == 1

    def get_some(self) -> None:
        self.get(self.rng.choices(NAMES, weights=[1 / (n + 1) for n in range(12)])[0])

    def get(self, name: str) -> None:
        self.gets += 1
        with no_room():
            self.held.append(self.pool.get(name))

    def let_go(self) -> None:
        if self.held:
            self.held.pop(self.rng.randrange(len(self.held)))

    def reserve(self) -> None:
        name = self.rng.choice(["lora", "control"])
        if self.rng.random() < 0.5:
            self.pool.release(name)
            return
        with no_room():
            self.pool.reserve(name, self.rng.randint(1, 10) * ALIGNMENT)

    def expect(self) -> None:
        self.pool.expect(self.rng.sample(NAMES, 3))
        assert self.pool.ahead.wait(10)

    def oom(self) -> None:
        self.held.clear()

    def move(self) -> None:
        for loaded in self.held:
            family: Any = loaded.family
            self.rng.choice([self.pool.offload, self.pool.call_back])(loaded)
            assert family.modules["vae"].decode() == family.modules["vae"].weight.sum()


@pytest.mark.parametrize("host", [400, 60])
def test_a_thousand_events_on_tensors_never_exceed_the_budget(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch, host: int
) -> None:
    fuzz = Fuzz(catalog_of(catalog, NAMES), host, Meter(monkeypatch), host=host)
    for _ in range(1000):
        fuzz.play()
    report = fuzz.pool.report()
    assert report.warm_hits > 20
    assert report.failures > 10
    assert report.evictions["device"] > 50
    assert fuzz.meter.most["device"] > 70 * ALIGNMENT


def test_several_threads_at_once(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter(monkeypatch)
    disk = Disk(dict.fromkeys(NAMES, (4, 2, 2)))
    pool = Pool(
        catalog_of(catalog, NAMES),
        device="cpu",
        budget=60 * ALIGNMENT,
        host=70 * ALIGNMENT,
        load=disk.load,
    )
    pool.get("c0")
    wrong: list[object] = []

    def work(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(100):
            try:
                loaded = pool.get(rng.choice(NAMES))
            except Fault as fault:
                wrong.extend([fault] if fault.code != "no_room_yet" else [])
                continue
            family: Any = loaded.family
            wrong.extend([] if family.sound() else [loaded])
            wrong.extend([] if pool.is_warm("c0") and pool.is_warm(loaded.name) else ["cold"])
            pool.trim([loaded])
            rng.choice([pool.offload, pool.call_back, lambda _: None])(loaded)
            pool.expect(rng.sample(NAMES, 2))

    threads = [in_thread(lambda seed=seed: work(seed)) for seed in range(4)]  # type: ignore[misc]
    assert all(map(ended, threads))
    assert wrong == []
    assert pool.ahead.wait(10)
    assert meter.most["device"] <= 60 * ALIGNMENT
    assert meter.most["host"] <= 70 * ALIGNMENT
    assert pool.report().gets == 401


# --- the trained model -----------------------------------------------------------------------


@pytest.mark.parametrize("copies", [0, 1])
def test_two_names_for_the_same_folder_share_a_device_in_turns(
    catalog: Catalog, copies: int
) -> None:
    rows = {name: replace(catalog.get("postcards"), name=name) for name in ("postcards", "b", "c")}
    size = 33_000_000
    pool = Pool(Catalog(rows, "postcards"), device="cpu", budget=2 * size, host=3 * size * copies)
    first = pixels(pool.get("postcards"))
    assert torch.equal(pixels(pool.get("b")), first)
    assert torch.equal(pixels(pool.get("c")), first)
    assert pool.warm == ["c", "postcards"]
    assert torch.equal(pixels(pool.get("b")), first)
    report = pool.report()
    assert (report.misses, report.warm_hits) == ((3, 1) if copies else (4, 0))
    assert 0 < report.used["device"] <= 2 * size


@torch.inference_mode()
def pixels(loaded: Loaded) -> Tensor:
    """Decoded, since the autoencoder is one of those that come and go."""
    generator = torch.Generator().manual_seed(3)
    vae: Any = loaded.family.modules["vae"]
    return loaded.family.decode(
        torch.randn(1, vae.config.latent_channels, 8, 8, generator=generator)
    )
