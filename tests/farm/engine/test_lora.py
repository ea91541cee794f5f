"""Every row as PEFT draws it alone, whatever its neighbours wear."""

import copy
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import CLIPTextConfig, CLIPTextModel

from farm.engine.families import Loras
from farm.engine.lora import LoraBank, Patch
from farm.engine.steady import at_least_two, make_steady
from shared.errors import Fault, Refusal
from tests.farm.engine.patches import (
    ATTENTION,
    EVERYWHERE,
    apart,
    prefixed,
    random_lora,
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
def states() -> dict[str, dict[str, Tensor]]:
    unet = tiny_unet()
    return {
        "a": random_lora(unet, ATTENTION, rank=4, seed=1),
        "b": random_lora(unet, EVERYWHERE, rank=3, seed=2),
        "c": random_lora(unet, (*ATTENTION, "conv1"), rank=9, seed=3),
    }


def banked(unet: nn.Module, states: dict[str, dict[str, Tensor]]) -> LoraBank:
    bank = LoraBank(unet)
    for name, state in states.items():
        bank.put(name, weights_of(state))
    return bank


def inputs(count: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(7)
    latents = torch.randn((count, 4, 8, 8), generator=generator)
    moments = torch.randint(1, 999, (count,), generator=generator).float()
    return latents, moments, torch.randn((count, 5, 16), generator=generator)


def run(unet: nn.Module, rows: Sequence[Tensor]) -> Tensor:
    return unet(*rows, return_dict=False)[0]


def alone(states: dict[str, dict[str, Tensor]], worn: Loras, rows: Sequence[Tensor]) -> Tensor:
    """By diffusers and PEFT, this one row."""
    unet: Any = tiny_unet()
    for name, _ in worn:
        unet.load_lora_adapter(prefixed(states[name], "unet"), prefix="unet", adapter_name=name)
    if worn:
        unet.set_adapters([name for name, _ in worn], [weight for _, weight in worn])
    return run(unet, rows)


# --- each row as if alone --------------------------------------------------------------------


@pytest.mark.parametrize("steady", [False, True])
def test_a_mixed_batch_is_what_peft_draws_row_by_row(
    states: dict[str, dict[str, Tensor]], steady: bool
) -> None:
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


def test_a_row_does_not_know_its_neighbours(states: dict[str, dict[str, Tensor]]) -> None:
    unet = tiny_unet()
    make_steady(unet)
    bank, rows = banked(unet, states), inputs(len(ROWS))
    bank.wear(ROWS)
    mixed = run(unet, rows)
    for first in (0, 2, 4):
        pair = slice(first, first + 2)
        bank.wear(ROWS[pair])
        assert apart(run(unet, [one[pair] for one in rows]), mixed[pair]) <= 1e-5


def test_one_row_may_be_run_twice(states: dict[str, dict[str, Tensor]]) -> None:
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
    states: dict[str, dict[str, Tensor]],
) -> None:
    unet = tiny_unet()
    before = work_of(unet, 2)
    bank = banked(unet, states)
    assert work_of(unet, 2) == before
    bank.wear([(("a", 1.0),), ()])
    assert len(work_of(unet, 2)) > len(before)
    bank.wear([(("a", 0.0),), ()])
    assert work_of(unet, 2) == before


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


def test_bytes_are_of_what_is_held_and_worn(states: dict[str, dict[str, Tensor]]) -> None:
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


# --- coming and going ------------------------------------------------------------------------


def test_removal_restores_the_bits(states: dict[str, dict[str, Tensor]]) -> None:
    unet, rows = tiny_unet(), inputs(2)
    before = run(unet, rows)
    bank = banked(unet, states)
    bank.wear([(("a", 1.0),), (("b", 1.0), ("c", 1.0))])
    assert not run(unet, rows).equal(before)
    for name in states:
        bank.remove(name)
    assert bank.names == frozenset()
    bank.wear([(), ()])
    assert run(unet, rows).equal(before)


def test_one_of_the_same_name_takes_its_place_at_the_next_wear(
    states: dict[str, dict[str, Tensor]],
) -> None:
    unet, rows = tiny_unet(), inputs(1)
    bank = banked(unet, states)
    bank.wear([(("c", 1.0),)])
    first = run(unet, rows)
    bank.put("c", weights_of(states["a"]))
    assert run(unet, rows).equal(first)
    bank.wear([(("c", 1.0),)])
    assert apart(run(unet, rows), alone(states, (("a", 1.0),), rows)) <= 1e-5


def test_an_adapter_of_other_components_adds_nothing_here() -> None:
    unet, rows = tiny_unet(), inputs(1)
    before = run(unet, rows)
    bank = LoraBank(unet)
    bank.put("voice", {})
    bank.wear([(("voice", 1.0),)])
    assert bank.names == {"voice"}
    assert run(unet, rows).equal(before)


def test_what_is_not_loaded_cannot_be_worn(states: dict[str, dict[str, Tensor]]) -> None:
    bank = banked(tiny_unet(), states)
    with pytest.raises(Fault, match="LoRA d is not loaded"):
        bank.wear([(("a", 1.0), ("d", 1.0))])
    bank.wear([(("a", 1.0),)])
    bank.remove("a")
    with pytest.raises(Fault, match="LoRA a is not loaded"):
        bank.wear([(("a", 1.0),)])


def test_another_number_of_rows_is_a_fault(states: dict[str, dict[str, Tensor]]) -> None:
    unet = tiny_unet()
    banked(unet, states).wear([(("a", 1.0),), ()])
    with pytest.raises(Fault, match="for 2 rows, and 3 came"):
        run(unet, inputs(3))


# --- what does not fit -----------------------------------------------------------------------

DOWN, UP = torch.ones(2, 16), torch.ones(16, 2)
ATTN = "mid_block.attentions.0.transformer_blocks.0.attn1"


@pytest.mark.parametrize(
    ("path", "patch", "code"),
    [
        ("down_blocks.7.to_q", Patch(DOWN, UP), "lora_wrong_layer"),
        ("conv_norm_out", Patch(DOWN, UP), "lora_wrong_layer"),
        ("mid_block", Patch(DOWN, UP), "lora_wrong_layer"),
        ("", Patch(DOWN, UP), "lora_wrong_layer"),
        ("__class__", Patch(DOWN, UP), "lora_wrong_layer"),
        (f"{ATTN}.to_q", Patch(DOWN, torch.ones(32, 2)), "lora_wrong_shape"),
        (f"{ATTN}.to_q", Patch(torch.ones(2, 32), UP), "lora_wrong_shape"),
        (f"{ATTN}.to_q", Patch(torch.ones(2, 32), torch.ones(32, 3)), "lora_wrong_shape"),
        (f"{ATTN}.to_q", Patch(torch.ones(2, 32, 3, 3), torch.ones(32, 2)), "lora_wrong_shape"),
        (f"{ATTN}.to_q", Patch(torch.ones(64), torch.ones(64)), "lora_wrong_shape"),
        (f"{ATTN}.to_q", Patch(torch.tensor(1.0), torch.tensor(1.0)), "lora_wrong_shape"),
        ("conv_in", Patch(torch.ones(2, 4), torch.ones(16, 2)), "lora_wrong_shape"),
        (
            f"{ATTN}.to_q",
            Patch(torch.ones(2, 32), torch.ones(32, 2) * 3e38, 100.0),
            "lora_too_strong",
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    states: dict[str, dict[str, Tensor]], path: str, patch: Patch, code: str
) -> None:
    unet, rows = tiny_unet(), inputs(1)
    before = run(unet, rows)
    bank = LoraBank(unet)
    with pytest.raises(Refusal) as refused:
        bank.put("bad", {**weights_of(states["a"]), path: patch})
    assert refused.value.code == code
    assert path in refused.value.sentence
    assert bank.names == frozenset()
    assert bank.bytes == 0
    assert run(unet, rows).equal(before)


def test_a_refusal_names_both_shapes() -> None:
    bank = LoraBank(tiny_unet())
    with pytest.raises(Refusal, match=r"2 x 16, and the model's is 2 x 32"):
        bank.put("bad", {f"{ATTN}.to_q": Patch(DOWN, UP)})


def test_numbers_too_large_for_half_precision_are_refused() -> None:
    bank = LoraBank(nn.Sequential(nn.Linear(4, 4)).half())
    with pytest.raises(Refusal, match="too large for the model's numbers"):
        bank.put("bad", {"0": Patch(torch.full((2, 4), 7e4), torch.ones(4, 2))})


def test_one_layer_under_two_names_is_refused() -> None:
    model = nn.ModuleDict({"text_model": nn.ModuleDict({"fc1": nn.Linear(4, 4)})})
    patch = Patch(torch.ones(2, 4), torch.ones(4, 2))
    with pytest.raises(Refusal, match="twice"):
        LoraBank(model).put("bad", {"text_model.fc1": patch, "fc1": patch})


def test_grouped_and_padded_convolutions_are_refused() -> None:
    model = nn.Sequential(nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 4, 3, padding_mode="circular"))
    for path in ("0", "1"):
        with pytest.raises(Refusal, match="nor a plain convolution"):
            LoraBank(model).put("bad", {path: Patch(torch.ones(2, 4, 3, 3), torch.ones(4, 2))})


def test_fused_projections_are_a_fault(states: dict[str, dict[str, Tensor]]) -> None:
    """The layer would still be there, and nobody would ask it."""
    unet = tiny_unet()
    unet.fuse_qkv_projections()
    with pytest.raises(Fault, match="fused"):
        LoraBank(unet).put("a", weights_of(states["a"]))
