"""What the GPU bench needs, as far as it goes without one: shapes, parity, compiled by turns."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch

from tests.bench import contest, device, engine, fullsize
from tests.bench.contest import Contest, Trace
from tests.bench.device import Compiled
from tests.bench.engine import Bench, Case, mixed

# One block of each kind, narrow; everything else is as published.
NARROW: dict[str, dict[str, Any]] = {
    "sd15": {
        "block_out_channels": (32, 64),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "layers_per_block": 1,
    },
    "sdxl": {
        "block_out_channels": (32, 64),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 2),
        "attention_head_dim": (2, 4),
        "layers_per_block": 1,
    },
    "sd3": {
        "num_layers": 2,
        "attention_head_dim": 16,
        "num_attention_heads": 2,
        "caption_projection_dim": 32,
    },
    "flux": {
        "num_layers": 1,
        "num_single_layers": 1,
        "attention_head_dim": 16,
        "num_attention_heads": 2,
        "axes_dims_rope": (4, 4, 8),
    },
}


VAE = {"block_out_channels": (32, 32, 32, 32), "layers_per_block": 1}
SMALL = Case(8, 4, 8, steps=(2, 3))


@pytest.fixture(params=sorted(NARROW))
def model(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def place(model: str, monkeypatch: pytest.MonkeyPatch) -> fullsize.Place:
    monkeypatch.setitem(fullsize.ARCHITECTURES, model, _narrow(model))
    return fullsize.place(model, device="cpu", dtype=torch.float32)


def _narrow(model: str) -> fullsize.Architecture:
    kind = fullsize.ARCHITECTURES[model]
    changes = {kind.denoiser: NARROW[model], "vae": VAE}
    parts = {
        part: (title, {**config, **changes.get(part, {})})
        for part, (title, config) in kind.parts.items()
    }
    return replace(kind, parts=parts)


def test_denoisers_have_as_many_parameters_as_published(model: str) -> None:
    parameters = sum(one.numel() for one in fullsize.outline(model).parameters())
    assert parameters == fullsize.ARCHITECTURES[model].parameters


@pytest.mark.slow
def test_everybody_draws_the_same_also_compiled(model: str, place: fullsize.Place) -> None:
    case, trace = replace(SMALL, model=model), Trace()
    specs = mixed(case)
    with contest.traced(place.family, trace):
        ours, _, _ = contest.engine(place, specs, rows=case.rows, device="cpu")
    theirs = [contest.pipeline(place, [spec]) for spec in specs]
    assert max(map(contest.error, ours, theirs)) <= 1e-4
    assert min(map(contest.psnr, ours, theirs)) >= 80
    compiled = Compiled(place.family, backend="eager")
    assert compiled.calls
    with compiled:
        again, _, _ = contest.engine(place, specs, rows=case.rows, device="cpu")
    assert max(map(contest.error, again, theirs)) <= 1e-4
    rest: dict[str, Any] = {
        "rows": case.rows,
        "device": "cpu",
        "trace": trace,
        "compiled": compiled,
    }
    turn = Contest(place, specs, **rest).run()
    drawers = {"pipeline", "engine", "compiled pipeline", "compiled engine", "static", "limit"}
    assert turn.keys() == drawers
    assert all(took > 0 for took in turn.values())


def test_blocks_are_compiled_inside_the_context_only(model: str, place: fullsize.Place) -> None:
    compiled, ran = Compiled(place.family, backend="eager"), list[object]()
    for layer, call in compiled.calls.items():
        compiled.calls[layer] = partial(_counted, call, ran)
    (spec,) = mixed(replace(SMALL, requests=1, steps=(1,), model=model))
    counts = []
    for way in (nullcontext(), compiled, nullcontext()):
        with way:
            contest.pipeline(place, [spec])
        counts.append(len(ran))
    assert counts[0] == 0
    assert counts[1] == counts[2] > 0


def _counted(call: Callable[..., Any], ran: list[object], *asked: Any, **rest: Any) -> Any:
    ran.append(call)
    return call(*asked, **rest)


# --- the table of a GPU, without one -------------------------------------------------------------


def test_operations_are_those_of_the_products() -> None:
    assert device.operations(lambda: torch.ones(8, 16) @ torch.ones(16, 4)) == 2 * 8 * 16 * 4
    assert device.ceiling("cpu", torch.float32, side=32, rounds=1) > 0


def test_a_case_of_a_gpu_fills_its_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(fullsize.ARCHITECTURES, "sd15", _narrow("sd15"))
    bench = Bench("cpu", turns=1, compiles=True)
    bench.on_gpu, bench.dtype, bench.best = True, torch.float32, 1e15
    monkeypatch.setattr(engine, "_compiled", lambda family: Compiled(family, backend="eager"))
    found = bench.compare(replace(SMALL, model="sd15", asked="much"))
    assert 0 < found.ceiling < 1
    assert found.host_ms > 0
    assert found.launch_ms > found.host_ms / 100
    assert found.ratio("compiled pipeline", "compiled engine") > 0
    line = capsys.readouterr().out
    assert line.split()[0] == "sd15-64"
    assert "nan" not in line.replace(f"{found.occupancy:.0%}", "")


def test_a_quick_run_is_short_and_names_are_known() -> None:
    quick = engine._cases(engine._options(["--device", "cuda", "--quick"]))
    assert quick[0].name == "sd15-512"
    assert all(case.requests <= 8 and max(case.steps) <= 8 for case in quick)
    (one,) = engine._cases(engine._options(["--device", "cuda", "--cases", "flux-512"]))
    assert (one.model, one.side) == ("flux", 64)
    with pytest.raises(SystemExit, match="no case tiny"):
        engine._cases(engine._options(["--device", "cpu", "--cases", "tiny"]))


def test_json_holds_no_nan() -> None:
    assert engine._plain({"a": [float("nan"), 1.5, "b"]}) == {"a": [None, 1.5, "b"]}
