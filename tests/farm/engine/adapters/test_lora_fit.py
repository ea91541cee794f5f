"""Adapters come and go, and those that do not fit never come."""

from collections.abc import Iterator, Sequence
from threading import Thread

import pytest
import torch
from torch import nn

from farm.engine.adapters.lora import LoraBank, Patch, Wearer
from farm.engine.families import Loras
from shared.errors import Fault, Refusal
from tests.farm.engine.patches import (
    States,
    alone,
    apart,
    banked,
    inputs,
    run,
    three_loras,
    tiny_unet,
    weights_of,
)

pytestmark = [
    # PEFT says this of every adapter after the first.
    pytest.mark.filterwarnings("ignore:Already found a `peft_config`"),
]


@pytest.fixture(autouse=True)
def _no_grad() -> Iterator[None]:
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def states() -> States:
    return three_loras()


# --- coming and going ------------------------------------------------------------------------


def test_removal_restores_the_bits(states: States) -> None:
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
    states: States,
) -> None:
    unet, rows = tiny_unet(), inputs(1)
    bank = banked(unet, states)
    bank.wear([(("c", 1.0),)])
    first = run(unet, rows)
    bank.put("c", weights_of(states["a"]))
    assert run(unet, rows).equal(first)
    bank.wear([(("c", 1.0),)])
    assert apart(run(unet, rows), alone(states, (("a", 1.0),), rows)) <= 1e-5


def test_one_that_comes_while_rows_dress_waits(
    states: States, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = LoraBank(tiny_unet())
    bank.put("a", weights_of(states["a"]))
    late = Thread(target=bank.put, args=("b", weights_of(states["b"])))
    names_in = Wearer.names_in

    def interrupted(self: Wearer, rows: Sequence[Loras]) -> tuple[str, ...]:
        if late.ident is None:
            late.start()
            late.join(0.3)
        return names_in(self, rows)

    monkeypatch.setattr(Wearer, "names_in", interrupted)
    bank.wear([(("a", 1.0),)])
    late.join()
    assert bank.names == {"a", "b"}


def test_an_adapter_of_other_components_adds_nothing_here() -> None:
    unet, rows = tiny_unet(), inputs(1)
    before = run(unet, rows)
    bank = LoraBank(unet)
    bank.put("voice", {})
    bank.wear([(("voice", 1.0),)])
    assert bank.names == {"voice"}
    assert run(unet, rows).equal(before)


def test_what_is_not_loaded_cannot_be_worn(states: States) -> None:
    bank = banked(tiny_unet(), states)
    with pytest.raises(Fault, match="LoRA d is not loaded"):
        bank.wear([(("a", 1.0), ("d", 1.0))])
    bank.wear([(("a", 1.0),)])
    bank.remove("a")
    with pytest.raises(Fault, match="LoRA a is not loaded"):
        bank.wear([(("a", 1.0),)])


def test_another_number_of_rows_is_a_fault(states: States) -> None:
    unet = tiny_unet()
    banked(unet, states).wear([(("a", 1.0),), ()])
    with pytest.raises(Fault, match="for 2 rows, and 3 came"):
        run(unet, inputs(3))


# --- what does not fit -----------------------------------------------------------------------

DOWN, UP = torch.ones(2, 16), torch.ones(16, 2)
MIDDLE = "mid_block.attentions.0.transformer_blocks.0.attn1"


@pytest.mark.parametrize(
    ("path", "patch", "code"),
    [
        ("down_blocks.7.to_q", Patch(DOWN, UP), "lora_wrong_layer"),
        ("conv_norm_out", Patch(DOWN, UP), "lora_wrong_layer"),
        ("mid_block", Patch(DOWN, UP), "lora_wrong_layer"),
        ("", Patch(DOWN, UP), "lora_wrong_layer"),
        ("__class__", Patch(DOWN, UP), "lora_wrong_layer"),
        (f"{MIDDLE}.to_q", Patch(DOWN, torch.ones(32, 2)), "lora_wrong_shape"),
        (f"{MIDDLE}.to_q", Patch(torch.ones(2, 32), UP), "lora_wrong_shape"),
        (f"{MIDDLE}.to_q", Patch(torch.ones(2, 32), torch.ones(32, 3)), "lora_wrong_shape"),
        (f"{MIDDLE}.to_q", Patch(torch.ones(2, 32, 3, 3), torch.ones(32, 2)), "lora_wrong_shape"),
        (f"{MIDDLE}.to_q", Patch(torch.ones(64), torch.ones(64)), "lora_wrong_shape"),
        (f"{MIDDLE}.to_q", Patch(torch.tensor(1.0), torch.tensor(1.0)), "lora_wrong_shape"),
        ("conv_in", Patch(torch.ones(2, 4), torch.ones(16, 2)), "lora_wrong_shape"),
        (
            f"{MIDDLE}.to_q",
            Patch(torch.ones(2, 32), torch.ones(32, 2) * 3e38, 100.0),
            "lora_too_strong",
        ),
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(
    states: States, path: str, patch: Patch, code: str
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
        bank.put("bad", {f"{MIDDLE}.to_q": Patch(DOWN, UP)})


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


def test_fused_projections_are_a_fault(states: States) -> None:
    """The layer would still be there, and nobody would ask it."""
    unet = tiny_unet()
    unet.fuse_qkv_projections()
    with pytest.raises(Fault, match="fused"):
        LoraBank(unet).put("a", weights_of(states["a"]))
