"""Every row as PEFT draws it alone, whatever its neighbours wear."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import CLIPTextConfig, CLIPTextModel

from farm.engine.adapters.lora import LoraBank, Patch
from farm.engine.families import Loras
from farm.engine.steady import at_least_two, make_steady
from tests.farm.engine.patches import (
    ATTENTION,
    States,
    alone,
    apart,
    banked,
    inputs,
    prefixed,
    random_lora,
    run,
    three_loras,
    tiny_unet,
    weights_of,
)

pytestmark = [
    # PEFT says this of every adapter after the first.
    pytest.mark.filterwarnings("ignore:Already found a `peft_config`"),
]

ROWS: list[Loras] = [
    (("a", 1.0),),
    (),
    (("b", -0.7),),
    (("a", 0.5), ("c", 1.5)),
    (("c", 2.0),),
    (("c", -1.0), ("b", 0.3), ("a", 0.2)),
]


@pytest.fixture(autouse=True)
def _no_grad() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def states() -> States:
    return three_loras()


# --- each row as if alone --------------------------------------------------------------------


@pytest.mark.parametrize("steady", [False, True])
def test_a_mixed_batch_is_what_peft_draws_row_by_row(states: States, steady: bool) -> None:
    unet = tiny_unet()
    if steady:
        make_steady(unet)
    bank, rows = banked(unet, states), inputs(len(ROWS))
    bank.wear(ROWS)
    mixed = run(unet, rows)
    for i, worn in enumerate(ROWS):
        wanted = alone(states, worn, [one[i : i + 1] for one in rows])
        assert apart(mixed[i : i + 1], wanted) <= 1e-5, worn
    plain = run(tiny_unet(), rows)
    assert min(apart(mixed[i], plain[i]) for i, worn in enumerate(ROWS) if worn) > 1e-2


def test_a_row_does_not_know_its_neighbours(states: States) -> None:
    unet = tiny_unet()
    make_steady(unet)
    bank, rows = banked(unet, states), inputs(len(ROWS))
    bank.wear(ROWS)
    mixed = run(unet, rows)
    for first in (0, 2, 4):
        pair = slice(first, first + 2)
        bank.wear(ROWS[pair])
        assert apart(run(unet, [one[pair] for one in rows]), mixed[pair]) <= 1e-5


def test_one_row_may_be_run_twice(states: States) -> None:
    """Families double a single row, so that the CPU's kernels are those of larger batches."""
    unet = tiny_unet()
    bank, rows = banked(unet, states), inputs(1)
    bank.wear([ROWS[5]])
    doubled = run(unet, [at_least_two(one) for one in rows])
    wanted = alone(states, ROWS[5], rows)
    assert apart(doubled[:1], wanted) <= 1e-5
    assert apart(doubled[1:], wanted) <= 1e-5
    assert apart(run(unet, rows), wanted) <= 1e-5


def test_what_overflows_in_one_row_stays_there() -> None:
    """Zero times infinity is no number: rows must not meet, not even by a weight of zero."""
    for layer in (nn.Linear(4, 4), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)):
        model = nn.Sequential(layer)
        rows = torch.randn(2, 4, 4) if isinstance(layer, nn.Linear) else torch.randn(2, 4, 6, 6)
        rows *= 1e20  # so that the product with `down` alone is infinite
        plain = model(rows)
        bank = LoraBank(model)
        state = random_lora(model, ("0",), rank=4, seed=1)
        bank.put("loud", weights_of({name: tensor * 1e25 for name, tensor in state.items()}))
        bank.wear([(("loud", 1.0),), ()])
        found = model(rows)
        assert not found[0].isfinite().all()
        assert found[1].equal(plain[1])


@pytest.mark.parametrize(
    "layer",
    [
        nn.Linear(6, 10),
        nn.Linear(6, 10, bias=False),
        nn.Conv2d(6, 10, 3, padding=1),
        nn.Conv2d(6, 10, 3, stride=2, padding=1),
        nn.Conv2d(6, 10, 3, padding=2, dilation=2),
        nn.Conv2d(6, 10, (1, 3), padding="same"),
        nn.Conv2d(6, 10, 1),
        nn.Conv2d(6, 10, 1, stride=2, bias=False),
    ],
    ids=str,
)
@pytest.mark.parametrize("middle", [(), (5,)])
def test_a_row_is_the_layer_with_the_product_added(
    layer: nn.Linear | nn.Conv2d, middle: tuple[int, ...]
) -> None:
    layer = copy.deepcopy(layer)
    linear = isinstance(layer, nn.Linear)
    rows = torch.randn(2, *middle, 6) if linear else torch.randn(2, 6, 9, 8)
    model, state = nn.Sequential(layer), random_lora(nn.Sequential(layer), ("0",), rank=3, seed=4)
    down, up = state["0.lora_A.weight"], state["0.lora_B.weight"]
    changed = copy.deepcopy(layer)
    changed.weight += 0.5 * 3.0 * torch.einsum("or,r...->o...", up.flatten(1), down)
    bank = LoraBank(model)
    bank.put("one", {"0": Patch(down, up, 3.0)})
    bank.wear([(), (("one", 0.5),)])
    found = model(rows)
    assert found.shape == layer(rows).shape
    assert apart(found[1], changed(rows)[1]) <= 1e-5
    bank.wear([(), ()])
    assert apart(found[0], model(rows)[0]) <= 1e-6


def test_text_encoders_wear_what_diffusers_loads_into_them() -> None:
    torch.manual_seed(0)
    config = CLIPTextConfig(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        vocab_size=50,
        bos_token_id=0,
        eos_token_id=1,
    )
    encoder = CLIPTextModel(config).eval()
    state = random_lora(encoder, ("q_proj", "k_proj", "out_proj", "fc1"), rank=4, seed=5)
    # Files keep the floor that this release of the encoder no longer has.
    named = {f"text_encoder.text_model.{name}": tensor for name, tensor in state.items()}
    reference = copy.deepcopy(encoder)
    StableDiffusionPipeline.load_lora_into_text_encoder(
        dict(named), None, reference, prefix="text_encoder"
    )
    bank = LoraBank(encoder)
    bank.put("voice", weights_of(prefixed(state, "text_model")))
    words = torch.arange(2, 12).view(2, 5)
    plain = encoder(words)[0]
    bank.wear([(("voice", 1.0),), ()])
    found = encoder(words)[0]
    assert apart(found[0], reference(words)[0][0]) <= 1e-5
    assert apart(found[1], plain[1]) <= 1e-5
    assert apart(found[0], plain[0]) > 1e-3


# --- what it costs ---------------------------------------------------------------------------


class Work(TorchDispatchMode):
    """What is computed, and on what shapes."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[str, list[tuple[int, ...]]]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        shapes = [tuple(one.shape) for one in args if isinstance(one, Tensor)]
        self.done.append((str(func), shapes))
        return func(*args, **kwargs or {})


def work_of(unet: UNet2DConditionModel, count: int) -> list[tuple[str, list[tuple[int, ...]]]]:
    with Work() as work:
        run(unet, inputs(count))
    return work.done


def test_nothing_more_is_computed_while_nobody_wears_anything(
    states: States,
) -> None:
    unet = tiny_unet()
    before = work_of(unet, 2)
    bank = banked(unet, states)
    assert work_of(unet, 2) == before
    bank.wear([(("a", 1.0),), ()])
    assert len(work_of(unet, 2)) > len(before)
    bank.wear([(("a", 0.0),), ()])
    assert work_of(unet, 2) == before


def test_the_same_rows_are_dressed_once(states: States) -> None:
    bank = banked(tiny_unet(), states)
    bank.wear(ROWS)
    with Work() as work:
        bank.wear(ROWS)
    assert work.done == []


def test_a_swap_within_a_rank_bucket_keeps_every_shape() -> None:
    unet = tiny_unet()
    bank = LoraBank(unet)
    for name, rank in {"five": 5, "eight": 8, "nine": 9}.items():
        bank.put(name, weights_of(random_lora(unet, ATTENTION, rank=rank, seed=rank)))
    work = {}
    for name in ("five", "eight", "nine"):
        bank.wear([((name, 1.0),), ()])
        work[name] = work_of(unet, 2)
    bank.wear([(), (("five", 0.5),)])
    assert work_of(unet, 2) == work["five"] == work["eight"]
    assert work["nine"] != work["five"]


def test_bytes_are_of_what_is_held_and_worn(states: States) -> None:
    unet = tiny_unet()
    bank = LoraBank(unet)
    assert bank.bytes == 0
    bank.put("a", weights_of(states["a"]))
    held = bank.bytes
    assert held == sum(tensor.nbytes for tensor in states["a"].values())
    bank.wear([(("a", 1.0),), ()])
    assert bank.bytes == held * 3
    bank.remove("a")
    bank.wear([(), ()])
    assert bank.bytes == 0
